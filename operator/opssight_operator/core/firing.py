"""Does an alert fire at a threshold now, and for how long has it done so?

The expression may have come back while its alert fires on, with ``keepFiringFor`` or above a level of recovery, so that
both are asked. How long is read from the history window, so that a restart knows as much as any other evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..api.threshold_policy import ThresholdPolicySpec
from .evidence import Evidence
from .hours import HourTable
from .observation import Frame, Labels, LoadedRule
from .rules import Level

_MISSING_ROWS = 2  # after a sample, for which it speaks; a late scrape ends no incident
_MOSTLY = 0.9  # of the time: a dip of a noisy series does not begin it anew


@dataclass(frozen=True, slots=True)
class Firing:
    """How many series are beyond the threshold now, whether its alert fires, and for how many seconds either was so."""

    series: int = 0
    alert: bool = False
    seconds: float = 0.0


def firing_at(level: Level | None, evidence: Evidence, alerts: Frame | None = None, rule_fires: bool = False) -> Firing:
    """What fires at the threshold ``level``; ``alerts`` has a sample wherever the alert fired, of any label."""
    seen = evidence.seen
    if level is None or seen is None:
        return Firing()
    moved = level.at(seen.times)[:, None] if isinstance(level, HourTable) else np.full((len(seen.times), 1), level)
    last = _last_known(seen.values[-1 - _MISSING_ROWS :])
    series = int(np.count_nonzero((last - moved[-1]) * evidence.bound.sign > 0))
    alerted = _rows_of(alerts, evidence)
    alert = rule_fires or bool(alerted[-1])
    if series == 0 and not alert:
        return Firing()
    fires = ((seen.values - moved) * evidence.bound.sign > 0).any(axis=1) | alerted
    known = (~np.isnan(seen.values)).any(axis=1) | alerted
    fires[-1] = known[-1] = True
    return Firing(series, alert, _lasting(seen.times[known], fires[known]))


def fires_in(rules: Sequence[LoadedRule] | None, spec: ThresholdPolicySpec) -> bool:
    """Whether Prometheus lists the alert of the policy among ``rules`` as one that fires, whatever its labels."""
    patch = spec.delivery.patch if spec.delivery.mode == "Patch" else None
    name, labels = (patch.alert, patch.labels) if patch else (spec.alert.name, spec.alert.labels)
    return any(
        rule.firing > 0 and rule.kind == "alerting" and rule.name == name and labels.items() <= rule.labels.items()
        for rule in rules or ()
    )


def _last_known(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The newest sample of each series in ``rows [time, series]``; NaN where there is none."""
    newest = np.array(rows[-1])
    for row in rows[-2::-1]:
        missing = np.isnan(newest)
        newest[missing] = row[missing]
    return newest


def _rows_of(alerts: Frame | None, evidence: Evidence) -> NDArray[np.bool_]:
    """The rows of the history in which an alert of these labels fired; one that lacks a label speaks for all."""
    seen = evidence.seen
    fired = np.zeros(0 if seen is None else len(seen.times), dtype=np.bool_)
    if alerts is None or seen is None:
        return fired
    columns = [column for column, labels in enumerate(alerts.labels) if _may_be_of(labels, evidence.labels)]
    times = alerts.times[np.isfinite(alerts.values[:, columns]).any(axis=1)]
    rows = np.rint((times - seen.times[0]) / seen.interval).astype(np.intp)
    fired[rows[(rows >= 0) & (rows < len(fired))]] = True
    return fired


def _may_be_of(alert: Labels, threshold: Labels) -> bool:
    return all(alert.get(name, value) == value for name, value in threshold.items())


def _lasting(times: NDArray[np.float64], fires: NDArray[np.bool_]) -> float:
    """Seconds up to the newest row in which ``fires`` was mostly true, from a row on in which it was."""
    backwards = fires[::-1]
    share = np.cumsum(backwards) / np.arange(1, len(backwards) + 1)
    first = int(np.flatnonzero(backwards & (share >= _MOSTLY))[-1])
    return float(times[-1] - times[-1 - first])
