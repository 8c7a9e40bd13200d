"""The contract with users: one pydantic model per kind, conditions and reasons, CRD generation."""

GROUP = "opssight.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
PLURALS = {
    "MetricsSource": "metricssources",
    "AnomalyDetector": "anomalydetectors",
    "ThresholdPolicy": "thresholdpolicies",
    "PatternReport": "patternreports",
}
