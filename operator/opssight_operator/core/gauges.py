"""The samples that a resource exports on the operator's own /metrics."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from ..api.anomaly_detector import AnomalyDetector
from ..api.pattern_report import PatternReport
from ..api.report_status import PatternReportStatus
from ..api.threshold_policy import ThresholdPolicy
from ..api.threshold_status import ThresholdStatus
from .conventions import (
    CHANGED_GAUGE,
    EXPECTED_GAUGE,
    FEWEST_GAUGE,
    LOWER_GAUGE,
    MOST_GAUGE,
    OBSERVED_GAUGE,
    PROPOSED_GAUGE,
    PROPOSED_SIMULATED_GAUGE,
    REPORT_FINDINGS_GAUGE,
    REPORT_HIGHLIGHTS_GAUGE,
    REPORT_INCIDENTS_GAUGE,
    REPORT_NEXT_GAUGE,
    REPORT_TIME_GAUGE,
    SCORE_GAUGE,
    SIMULATED_GAUGE,
    THRESHOLD_GAUGE,
    UPPER_GAUGE,
    VALUE_GAUGE,
)
from .hours import HourTable
from .judgement import SeriesJudgement, SeriesKey
from .observation import Labels
from .plan import Gauge
from .rules import threshold_labels
from .timing import seconds_of


def threshold_gauges(
    policy: ThresholdPolicy, thresholds: Iterable[tuple[Labels, float | None, float | None]]
) -> tuple[Gauge, ...]:
    """Gauges of ``(labels, current, proposed)``; what is unknown is not exported."""
    gauges: list[Gauge] = []
    for labels, current, proposed in thresholds:
        own = threshold_labels(policy, labels)
        if current is not None:
            gauges.append(Gauge(THRESHOLD_GAUGE, own, current))
        if proposed is not None:
            gauges.append(Gauge(PROPOSED_GAUGE, own, proposed))
    return tuple(gauges)


def quality_gauges(policy: ThresholdPolicy, thresholds: Iterable[ThresholdStatus]) -> tuple[Gauge, ...]:
    """What the listed thresholds promise, what came of it, and since when they are in force."""
    gauges: list[Gauge] = []
    for threshold in thresholds:
        own = threshold_labels(policy, threshold.labels)
        simulation, outcome = threshold.simulation, threshold.outcome
        if simulation is not None:
            for name, one in ((SIMULATED_GAUGE, simulation.current), (PROPOSED_SIMULATED_GAUGE, simulation.proposed)):
                if one is not None:
                    gauges.append(Gauge(name, own, float(one.episodes_per_week)))
        if outcome is not None and outcome.observed_episodes is not None:
            gauges.append(Gauge(OBSERVED_GAUGE, own, outcome.observed_episodes))
            gauges.append(Gauge(FEWEST_GAUGE, own, outcome.fewest))
            gauges.append(Gauge(MOST_GAUGE, own, outcome.most))
        if threshold.changed_at is not None:
            gauges.append(Gauge(CHANGED_GAUGE, own, seconds_of(threshold.changed_at)))
    return tuple(gauges)


def held_threshold_gauges(policy: ThresholdPolicy, now: float) -> tuple[Gauge, ...] | None:
    """The last good thresholds from status; None (leave as exported) when status could not hold them all."""
    status = policy.status
    if status.count > len(status.thresholds):
        return None
    held = [(t.labels, _held(policy, t, now), None) for t in status.thresholds]
    return (*threshold_gauges(policy, held), *quality_gauges(policy, status.thresholds))


def _held(policy: ThresholdPolicy, threshold: ThresholdStatus, now: float) -> float | None:
    """The threshold of this hour."""
    if threshold.hours is not None and policy.spec.seasonal is not None:
        return HourTable.parse(threshold.hours, policy.spec.seasonal.time_zone).now(now)
    return None if threshold.current is None else float(threshold.current)


def report_gauges(report: PatternReport, status: PatternReportStatus) -> tuple[Gauge, ...]:
    """When the next report is due, and what the newest one has."""
    last = status.last_report
    own = {"namespace": report.metadata.namespace, "report": report.metadata.name}
    due = () if status.next_run_at is None else (Gauge(REPORT_NEXT_GAUGE, own, seconds_of(status.next_run_at)),)
    if last is None:
        return due
    return (
        *due,
        Gauge(REPORT_INCIDENTS_GAUGE, own, last.incidents),
        Gauge(REPORT_HIGHLIGHTS_GAUGE, own, len(status.highlights)),
        Gauge(REPORT_TIME_GAUGE, own, seconds_of(last.to)),
        *(Gauge(REPORT_FINDINGS_GAUGE, {**own, "section": one.name}, one.findings) for one in status.sections),
    )


def series_labels(own: Mapping[str, str], series: Labels) -> dict[str, str]:
    """Labels of a series with ``own`` ones on top; a label of the series that differs is kept as ``exported_<name>``.

    That is what Prometheus does with a scraped label that collides with the target's.
    """
    labels = dict(own)
    for name, value in series.items():
        if name == "__name__" or own.get(name) == value:
            continue
        free = name
        while free in labels or (free != name and free in series):
            free = f"exported_{free}"
        labels[free] = value
    return labels


def score_gauges(
    detector: AnomalyDetector, judged: Iterable[SeriesJudgement], anomalous: Collection[SeriesKey], limit: int
) -> tuple[Gauge, ...]:
    """Gauges of the newest point of at most ``limit`` series, the anomalous ones first; unknown numbers are absent."""
    own = {"namespace": detector.metadata.namespace, "detector": detector.metadata.name}
    series = sorted(judged, key=lambda s: s.key not in anomalous)[:limit]
    metrics: dict[str, set[str]] = defaultdict(set)
    for one in series:
        metrics[one.query].add(one.labels.get("__name__", ""))
    gauges: list[Gauge] = []
    for one in series:
        labels = dict(one.labels)
        if len(metrics[one.query]) > 1:
            labels["metric"] = labels.get("__name__", "")  # or two series would be one
        exported = series_labels({**own, "query": one.query}, labels)
        gauges.extend(
            Gauge(name, exported, value)
            for name, value in (
                (SCORE_GAUGE, one.score),
                (EXPECTED_GAUGE, one.expected),
                (LOWER_GAUGE, one.lower),
                (UPPER_GAUGE, one.upper),
                (VALUE_GAUGE, one.value),
            )
            if math.isfinite(value)
        )
    return tuple(gauges)
