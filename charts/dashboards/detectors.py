"""The dashboard of the AnomalyDetectors."""

from __future__ import annotations

from .parts import Json, dashboard, panel, query, variable


def detectors() -> Json:
    """What is anomalous, and how well the bands fit."""
    chosen = 'namespace=~"$namespace",detector=~"$detector"'
    return dashboard(
        "opssight-detectors",
        "OpsSight: detectors",
        "What is anomalous now, observed against expected, and how often series leave their bands.",
        [
            variable("namespace", "Namespace", "label_values(opssight_anomaly_score, namespace)"),
            variable("detector", "Detector", 'label_values(opssight_anomaly_score{namespace=~"$namespace"}, detector)'),
        ],
        [
            panel(
                "Series beyond their band",
                "A score of 1 is the boundary of what is normal.",
                query(f"sum(opssight_anomaly_score{{{chosen}}} > bool 1)"),
                kind="stat",
                width=6,
                height=4,
                thresholds=((None, "green"), (1, "orange")),
            ),
            panel(
                "Series that are judged",
                "Series with a score; those that warm up or have no samples are not among them.",
                query(f"count(opssight_anomaly_score{{{chosen}}})"),
                kind="stat",
                width=6,
                height=4,
            ),
            panel(
                "Within the band, last day",
                "The share of judged points. A band that fits has nearly all; far less says that the detector is too "
                "sensitive for these series.",
                query(f"avg(avg_over_time((opssight_anomaly_score{{{chosen}}} <= bool 1)[1d:5m]))"),
                kind="stat",
                unit="percentunit",
                width=6,
                height=4,
                thresholds=((None, "red"), (0.9, "orange"), (0.99, "green")),
            ),
            panel(
                "Highest score",
                "Of all chosen series.",
                query(f"max(opssight_anomaly_score{{{chosen}}})"),
                kind="stat",
                width=6,
                height=4,
                thresholds=((None, "green"), (1, "orange"), (2, "red")),
            ),
            panel(
                "Scores, the 20 highest",
                "Above 1 is anomalous.",
                query(f"topk(20, opssight_anomaly_score{{{chosen}}})", "{{namespace}}/{{detector}} {{query}}"),
                width=24,
                thresholds=((None, "green"), (1, "red")),
            ),
            panel(
                "Observed, expected, bounds",
                "Choose one detector: the series of each query with what is normal for it.",
                query(f"opssight_anomaly_value{{{chosen}}}", "observed {{query}}"),
                query(f"opssight_anomaly_expected{{{chosen}}}", "expected {{query}}"),
                query(f"opssight_anomaly_lower{{{chosen}}}", "lower {{query}}"),
                query(f"opssight_anomaly_upper{{{chosen}}}", "upper {{query}}"),
                width=24,
                height=10,
                dashed=["expected", "lower", "upper"],
            ),
            panel(
                "Anomalous now",
                "Every series beyond its band, with its labels.",
                query(f"opssight_anomaly_score{{{chosen}}} > 1", instant=True),
                kind="table",
                width=24,
            ),
        ],
    )
