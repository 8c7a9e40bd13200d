"""Values for tests: a plain one of each kind, changed by saying only what matters to the test.

a_detector(step="30s", alert={"for": "2m"})
a_policy(per_labels=["service"], mode="Record", guardrails={"max": "0.2"})
a_frame({"service=a": [1, 2, 3], "service=b": [4, 5, NAN]})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opssight_operator.api.anomaly_detector import AnomalyDetector, AnomalyDetectorSpec
from opssight_operator.api.base import ObjectMeta, seconds
from opssight_operator.api.detector_status import AnomalyDetectorStatus
from opssight_operator.api.metrics_source import MetricsSource, MetricsSourceSpec, MetricsSourceStatus
from opssight_operator.api.pattern_report import PatternReport, PatternReportSpec
from opssight_operator.api.report_status import PatternReportStatus
from opssight_operator.api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.observation import (
    DetectorObservation,
    Frame,
    LoadedRule,
    PolicyObservation,
    QueryObservation,
    RuleObjectState,
    RuleObservation,
)
from opssight_operator.core.plan import RuleObject

NAN = float("nan")
NOW = 1_700_000_040.0  # 2023-11-14T22:14:00Z, on the grid of a minute
STEP = 60.0
STATUS_BYTES = 32 * 1024  # that a status may have, docs/decisions/0017


def a_meta(name: str, *, namespace: str = "shop", generation: int = 1, uid: str = "uid-1") -> ObjectMeta:
    return ObjectMeta(name=name, namespace=namespace, uid=uid, generation=generation)


def a_detector(
    name: str = "checkout-latency",
    *,
    namespace: str = "shop",
    generation: int = 1,
    status: AnomalyDetectorStatus | None = None,
    query: Mapping[str, Any] | None = None,
    **spec: Any,
) -> AnomalyDetector:
    """A detector of one query; ``query`` changes that query, everything else is a field of the spec in camelCase."""
    textbook = {"type": "ZScore"}  # its numbers can be worked out by hand
    fields = {"queries": [{"name": "p99", "expr": "latency_p99", **(query or {})}], "method": textbook, **spec}
    return AnomalyDetector(
        metadata=a_meta(name, namespace=namespace, generation=generation),
        spec=AnomalyDetectorSpec.model_validate(fields),
        status=status or AnomalyDetectorStatus(),
    )


def a_policy(
    name: str = "checkout-errors",
    *,
    namespace: str = "shop",
    generation: int = 1,
    status: ThresholdPolicyStatus | None = None,
    mode: str = "Recommend",
    **spec: Any,
) -> ThresholdPolicy:
    """A policy over an hour of history; everything else is a field of the spec in camelCase."""
    fields = {
        "expr": "error_ratio",
        "history": {"window": "1h", "step": "1m", "minDuration": "10m", "minCoverage": "0.5"},
        "delivery": {"mode": mode},
        **spec,
    }
    return ThresholdPolicy(
        metadata=a_meta(name, namespace=namespace, generation=generation),
        spec=ThresholdPolicySpec.model_validate(fields),
        status=status or ThresholdPolicyStatus(),
    )


def a_report(
    name: str = "morning",
    *,
    namespace: str = "shop",
    generation: int = 1,
    status: PatternReportStatus | None = None,
    **spec: Any,
) -> PatternReport:
    """A report by the defaults; everything else is a field of the spec in camelCase."""
    return PatternReport(
        metadata=a_meta(name, namespace=namespace, generation=generation),
        spec=PatternReportSpec.model_validate(spec),
        status=status or PatternReportStatus(),
    )


def a_source(name: str = "default", *, generation: int = 1, status: MetricsSourceStatus | None = None) -> MetricsSource:
    return MetricsSource(
        metadata=a_meta(name, namespace="", generation=generation),
        spec=MetricsSourceSpec(url="http://prometheus.monitoring.svc:9090"),
        status=status or MetricsSourceStatus(),
    )


def labels_of(text: str) -> dict[str, str]:
    """``service=a,code=500`` as labels."""
    return dict(part.split("=", 1) for part in text.split(",") if part)


def a_frame(
    columns: Mapping[str, Sequence[float]], *, end: float = NOW, step: float = STEP, warnings: Sequence[str] = ()
) -> Frame:
    """A frame whose newest row is at ``end``; each column is named by its labels, ``service=a``."""
    rows = max((len(values) for values in columns.values()), default=0)
    values = np.full((rows, len(columns)), np.nan)
    for i, column in enumerate(columns.values()):
        values[:, i] = column
    times = end - step * np.arange(rows - 1, -1, -1, dtype=np.float64)
    return Frame(times, values, tuple(labels_of(name) for name in columns), tuple(warnings))


def a_detector_observation(
    training: Frame, judged: Frame, *, name: str = "p99", rule: RuleObservation | None = None, volume: Any = None
) -> DetectorObservation:
    return DetectorObservation((QueryObservation(name, training, judged, volume),), rule or RuleObservation())


def a_policy_observation(history: Frame, *, rule: RuleObservation | None = None, **more: Any) -> PolicyObservation:
    return PolicyObservation(history, rule or RuleObservation(), **more)


def a_loaded_rule(rule: RuleObject, **changes: Any) -> RuleObservation:
    """What is observed once ``rule`` stands in Kubernetes and Prometheus has loaded it."""
    loaded = tuple(
        LoadedRule(
            **{
                "group": str(group["name"]),
                "name": entry.get("record") or entry["alert"],
                "kind": "recording" if "record" in entry else "alerting",
                "health": "ok",
                "labels": entry.get("labels", {}),
                "query": entry["expr"],
                "for_seconds": seconds(entry.get("for", "0s")) if "alert" in entry else None,
                "keep_firing_for_seconds": seconds(entry.get("keep_firing_for", "0s")) if "alert" in entry else None,
                **changes,
            }
        )
        for group in rule.groups
        for entry in group["rules"]
    )
    return RuleObservation(RuleObjectState.OURS, rule.digest, rule.groups, loaded)
