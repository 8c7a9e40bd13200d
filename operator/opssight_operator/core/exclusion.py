"""History that must teach nothing: past incidents as queries, as periods, and cut out of a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from opssight_detectors.thresholds.hygiene import Exclusion, without

from ..api.base import duration, seconds
from ..api.history import Exclude
from ..api.threshold_policy import ThresholdPolicySpec
from .conventions import SCORE_GAUGE
from .observation import FloatArray, Frame, Labels
from .promql import selector
from .science import checked
from .timing import seconds_of


def incident_query(spec: ThresholdPolicySpec, namespace: str, step: float) -> str | None:
    """PromQL with a sample in each step in which something that is excluded went on; None when nothing is asked for."""
    exclude = spec.history.exclude
    if exclude is None:
        return None
    within = f"[{duration(step)}]"
    parts = [f"max_over_time({firing_selector(alert.name, alert.labels)}{within})" for alert in exclude.alerts]
    for name in exclude.detectors:
        score = selector(SCORE_GAUGE, {"namespace": namespace, "detector": name})
        parts.append(f"max_over_time({score}{within}) > 1")
    if not parts:
        return None
    by = f" by ({', '.join(spec.per_labels)})" if spec.per_labels else ""
    return f"max{by} ({' or '.join(parts)})"


def firing_selector(name: str, labels: Labels) -> str:
    """The series that Prometheus keeps of a firing alert."""
    return selector("ALERTS", {"alertname": name, "alertstate": "firing", **labels})


def check_exclude(spec: ThresholdPolicySpec) -> None:
    """Refuse times that are none."""
    fixed_periods(spec.history.exclude)


def fixed_periods(exclude: Exclude | None) -> list[Exclusion]:
    """The ranges of the spec; raises ``InvalidSpec``."""
    ranges = exclude.ranges if exclude else []
    return [
        checked(
            f"history.exclude.ranges[{i}]",
            lambda one=one: Exclusion(seconds_of(one.start), seconds_of(one.end)),  # type: ignore[misc]
        )
        for i, one in enumerate(ranges)
    ]


def cleaned(spec: ThresholdPolicySpec, history: Frame, incidents: Frame | None) -> FloatArray:
    """``history.values [time, series]`` with NaN where history must teach nothing; the same array when all may."""
    exclude = spec.history.exclude
    if exclude is None:
        return history.values
    values = without(history.times, history.values, fixed_periods(exclude))
    if incidents is None or incidents.n_series == 0:
        return values
    periods = incident_periods(history, incidents, spec.per_labels, seconds(spec.history.step))
    return without(history.times, values, periods, seconds(exclude.before), seconds(exclude.after))


def incident_periods(history: Frame, incidents: Frame, per_labels: Sequence[str], step: float) -> list[Exclusion]:
    """The runs of samples in ``incidents``.

    An incident with a label of ``per_labels`` counts for the series with that value, any other for all series.
    """
    found: list[Exclusion] = []
    for column, labels in enumerate(incidents.labels):
        own = {name: labels[name] for name in per_labels if labels.get(name)}
        columns = _columns_with(history.labels, own) if own else None
        if columns == ():
            continue
        for first, last in runs_of(np.isfinite(incidents.values[:, column])):
            start, end = float(incidents.times[first]), float(incidents.times[last]) + step
            found.append(Exclusion(start, end, columns))
    return found


def _columns_with(series: Sequence[Labels], own: Labels) -> tuple[int, ...]:
    return tuple(column for column, labels in enumerate(series) if all(labels.get(name) == own[name] for name in own))


def runs_of(present: NDArray[np.bool_], gap: int = 0) -> list[tuple[int, int]]:
    """First and last row of each run of True; runs with at most ``gap`` rows between them are one."""
    edges = np.diff(np.concatenate(([False], present, [False])).astype(np.int8))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    apart = first[1:] - last[:-1] - 1 > gap
    starts, ends = np.concatenate(([True], apart)), np.concatenate((apart, [True]))
    if len(first) == 0:
        return []
    return list(zip(first[starts].tolist(), last[ends].tolist(), strict=True))


def exclusion_note(share: float) -> tuple[str, ...]:
    """What the notes of a threshold say of ``share`` of its samples that was left out."""
    return (f"history.exclude took {share:.2%} of the samples",) if share > 0 else ()
