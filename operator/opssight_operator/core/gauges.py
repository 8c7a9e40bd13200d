"""The samples that a resource exports on the operator's own /metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..api.threshold_policy import ThresholdPolicy
from .conventions import PROPOSED_GAUGE, THRESHOLD_GAUGE
from .observation import Labels
from .plan import Gauge
from .rules import threshold_labels


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


def held_threshold_gauges(policy: ThresholdPolicy) -> tuple[Gauge, ...] | None:
    """The last good thresholds from status; None (leave as exported) when status could not hold them all."""
    status = policy.status
    if status.count > len(status.thresholds):
        return None
    return threshold_gauges(
        policy, [(t.labels, None if t.current is None else float(t.current), None) for t in status.thresholds]
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
