"""Every name that OpsSight puts into a user's cluster or Prometheus: one place, no strings elsewhere."""

from __future__ import annotations

FIELD_MANAGER = "opssight"
SHARED_MANAGER = f"{FIELD_MANAGER}/"  # and the uid of the policy: each part of a shared object has its own manager
EVENT_CONTROLLER = "opssight.dev/operator"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "opssight-operator"
OWNER_KIND_LABEL = "opssight.dev/owner-kind"
OWNER_NAME_LABEL = "opssight.dev/owner-name"
PATCH_CONSENT_LABEL = "opssight.dev/patch"
PATCH_CONSENT = "allowed"
PATCH_ORIGINALS = "opssight.dev/originals"  # annotation of a patched object: what stood there before, by policy

THRESHOLD_RECORD = "opssight:threshold"
RECOVER_RECORD = "opssight:threshold_recover"
HOUR_RECORD = "opssight:hour_of_week"
THRESHOLD_GAUGE = "opssight_threshold"
PROPOSED_GAUGE = "opssight_threshold_proposed"
SIMULATED_GAUGE = "opssight_threshold_simulated_episodes_per_week"
PROPOSED_SIMULATED_GAUGE = "opssight_threshold_proposed_simulated_episodes_per_week"
OBSERVED_GAUGE = "opssight_threshold_observed_episodes"
FEWEST_GAUGE = "opssight_threshold_predicted_episodes_fewest"
MOST_GAUGE = "opssight_threshold_predicted_episodes_most"
CHANGED_GAUGE = "opssight_threshold_changed_timestamp_seconds"

SCORE_GAUGE = "opssight_anomaly_score"
EXPECTED_GAUGE = "opssight_anomaly_expected"
LOWER_GAUGE = "opssight_anomaly_lower"
UPPER_GAUGE = "opssight_anomaly_upper"
VALUE_GAUGE = "opssight_anomaly_value"
REPORT_INCIDENTS_GAUGE = "opssight_report_incidents"
REPORT_HIGHLIGHTS_GAUGE = "opssight_report_highlights"
REPORT_FINDINGS_GAUGE = "opssight_report_findings"
REPORT_TIME_GAUGE = "opssight_report_timestamp_seconds"
REPORT_NEXT_GAUGE = "opssight_report_next_timestamp_seconds"
RESOURCE_GAUGES = (
    (SCORE_GAUGE, "Score of the newest point: 0 as expected, 1 at the boundary, above 1 anomalous."),
    (EXPECTED_GAUGE, "Expected value of the newest point, in the unit of the metric."),
    (LOWER_GAUGE, "Lower bound of what is normal, in the unit of the metric."),
    (UPPER_GAUGE, "Upper bound of what is normal, in the unit of the metric."),
    (VALUE_GAUGE, "Newest value that was judged, in the unit of the metric."),
    (THRESHOLD_GAUGE, "Current threshold of a ThresholdPolicy."),
    (PROPOSED_GAUGE, "Threshold that history suggests, before the guardrails."),
    (SIMULATED_GAUGE, "Episodes a week that the current threshold would have raised over the history."),
    (PROPOSED_SIMULATED_GAUGE, "Episodes a week that the proposed threshold would have raised over the history."),
    (OBSERVED_GAUGE, "Episodes of the alert since the threshold was delivered."),
    (FEWEST_GAUGE, "Fewest episodes since the delivery that the prediction allows by now."),
    (MOST_GAUGE, "Most episodes since the delivery that the prediction allows by now."),
    (CHANGED_GAUGE, "When the current threshold was decided, as a Unix time."),
    (REPORT_INCIDENTS_GAUGE, "Incidents of the newest report of a PatternReport."),
    (REPORT_HIGHLIGHTS_GAUGE, "Highlights of the newest report."),
    (REPORT_FINDINGS_GAUGE, "Findings of the newest report, by section."),
    (REPORT_TIME_GAUGE, "End of the time that the newest report is about, as a Unix time."),
    (REPORT_NEXT_GAUGE, "When the next report is due, as a Unix time; in the past while it cannot be made."),
)

RULE_NAME_PREFIX = {"AnomalyDetector": "opssight-adet", "ThresholdPolicy": "opssight-tpol"}
ANOMALY_ALERT = "OpsSightAnomaly"
REPORT_NAME_PREFIX = "opssight-prep"


def rule_object_name(kind: str, name: str) -> str:
    """Name of the PrometheusRule that a resource owns."""
    return f"{RULE_NAME_PREFIX[kind]}-{name}"


def rule_group_name(kind: str, namespace: str, name: str) -> str:
    """Name of the rule group inside it; it carries the namespace, so that it is unique in Prometheus."""
    return f"{RULE_NAME_PREFIX[kind]}-{namespace}-{name}"


def shared_group_name(namespace: str, name: str, shared: str) -> str:
    """Name of a policy's group inside the object ``shared``; another one than in its own object, so that the list of
    Prometheus tells where a threshold is recorded during a move."""
    return f"{rule_group_name('ThresholdPolicy', namespace, name)}@{shared}"


def policy_of_group(namespace: str, group: str, shared: str) -> str | None:
    """The name of the policy that such a group belongs to; None for a group of another form."""
    before, after = rule_group_name("ThresholdPolicy", namespace, ""), f"@{shared}"
    return group[len(before) : -len(after)] if group.startswith(before) and group.endswith(after) else None
