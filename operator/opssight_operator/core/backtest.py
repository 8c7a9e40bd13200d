"""What a detector or a threshold would have done over a history, walking forward: nothing is judged by what came later.

The history is cut into blocks. For each block a model, or a threshold, is learned from the training window before it,
and applied to it. The first block begins when the first training window is full. Unlike the operator, which keeps an
episode that is still open out of its training window, a block learns from all that came before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opssight_detectors.base import Detector, join
from opssight_detectors.episodes import EpisodeRules, episodes_of
from opssight_detectors.explain import explain_episode
from opssight_detectors.policy import Policy, apply_policy
from opssight_detectors.thresholds.base import Estimator
from opssight_detectors.thresholds.simulation import AlertRule, evaluations, simulate_on

FloatArray = NDArray[np.float64]
WEEK = 604_800.0
MAX_BLOCKS = 1000
Tick = Callable[[int, int], None]
"""Told how many blocks are done, of how many."""


def _silent(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How to walk: seconds that are learned from, and seconds that one model is used for."""

    training_seconds: float
    refit_seconds: float

    def __post_init__(self) -> None:
        for name in ("training_seconds", "refit_seconds"):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name):g}")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert that would have been raised, ``start <= time < end`` (seconds); ``series`` is the column."""

    series: int
    start: float
    end: float
    is_open: bool
    explanation: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Alerts against labelled incidents; a share of nothing is NaN. ``median_delay`` is in seconds."""

    incidents: int
    detected: int
    true_alerts: int
    precision: float
    recall: float
    median_delay: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """All alerts over ``judged_from <= time < judged_to``; ``share_of_time`` is over all series.

    ``share_judged`` of the samples there had a score or a threshold; NaN without a sample. The others raise no alert.
    """

    judged_from: float
    judged_to: float
    alerts: tuple[Alert, ...]
    episodes_per_week: float
    share_of_time: float
    share_judged: float
    agreement: Agreement | None


def backtest_detector(
    detector: Detector,
    times: FloatArray,
    values: FloatArray,
    walk: Walk,
    *,
    policy: Policy | None = None,
    rules: EpisodeRules | None = None,
    incidents: Sequence[tuple[float, float]] | None = None,
    tick: Tick = _silent,
    has_times: bool = True,
) -> Backtest:
    """Walk over ``values [time, series]``; an alert is an episode of scores above 1.

    Without times, when only the order of the samples is known, no sentence says since when.
    """
    parts = [detector.fit(times[t], values[t]).score(times[j], values[j]) for t, j in _blocks(times, walk, tick)]
    judged = slice(len(times) - sum(len(part.score) for part in parts), None)
    at, seen, step = times[judged], np.ascontiguousarray(values[judged]), _step(times)
    scores = apply_policy(join(parts), seen, policy or Policy())
    episodes = episodes_of(at, seen, scores, rules or EpisodeRules(gap_tolerance=3 * step, missing_tolerance=15 * step))
    alerts = [
        Alert(e.series, e.start, e.end + step, bool(e.is_open), explain_episode(e, scores, has_times=has_times))
        for e in episodes
    ]
    return _summed(alerts, at, step, seen, np.isfinite(scores.score), incidents)


def backtest_threshold(
    threshold: float | Estimator,
    times: FloatArray,
    values: FloatArray,
    walk: Walk,
    rule: AlertRule,
    *,
    incidents: Sequence[tuple[float, float]] | None = None,
    tick: Tick = _silent,
) -> Backtest:
    """Walk with a threshold for each series; a number is the same one for all. Of ``rule`` only the durations count."""
    limits = [
        np.broadcast_to(
            [threshold]
            if isinstance(threshold, float)
            else [threshold.estimate(times[t], values[t, [s]], rule.bound).value for s in range(values.shape[1])],
            (len(times[j]), values.shape[1]),
        )
        for t, j in _blocks(times, walk, tick)
    ]
    limit = np.concatenate(limits)
    at, seen, step = times[-len(limit) :], values[-len(limit) :], _step(times)
    # beyond a moving threshold is beyond zero once it is taken off
    durations = AlertRule(0.0, rule.bound, rule.for_seconds, rule.keep_firing_for_seconds)
    fired = simulate_on(evaluations(at, seen - limit), durations)
    alerts = []
    for series, start, end, is_open in zip(fired.series, fired.start, fired.end, fired.open, strict=True):
        row = int(np.searchsorted(at, start))
        told = f"observed {seen[row, series]:.4g}, threshold {limit[row, series]:.4g}"
        alerts.append(Alert(int(series), float(start), float(end), bool(is_open), told))
    alerts.sort(key=lambda alert: (alert.start, alert.series))
    return _summed(alerts, at, step, seen, np.isfinite(limit), incidents)


def agreement(alerts: Sequence[Alert], incidents: Sequence[tuple[float, float]]) -> Agreement:
    """An alert is true when it overlaps an incident, and an incident detected when an alert overlaps it."""
    firsts = [
        min(alert.start for alert in alerts if _overlap(alert, incident))
        for incident in incidents
        if any(_overlap(alert, incident) for alert in alerts)
    ]
    found = [incident for incident in incidents if any(_overlap(alert, incident) for alert in alerts)]
    delays = [max(0.0, first - start) for first, (start, _) in zip(firsts, found, strict=True)]
    true = sum(any(_overlap(alert, incident) for incident in incidents) for alert in alerts)
    return Agreement(
        incidents=len(incidents),
        detected=len(found),
        true_alerts=true,
        precision=true / len(alerts) if alerts else math.nan,
        recall=len(found) / len(incidents) if incidents else math.nan,
        median_delay=float(np.median(delays)) if delays else math.nan,
    )


def _overlap(alert: Alert, incident: tuple[float, float]) -> bool:
    return alert.start <= incident[1] and incident[0] < alert.end


def _blocks(times: FloatArray, walk: Walk, tick: Tick) -> Iterator[tuple[slice, slice]]:
    """Rows to learn from and rows to judge, block after block."""
    if not len(times) or times[-1] - times[0] < walk.training_seconds:
        span = float(times[-1] - times[0]) if len(times) else 0.0
        raise ValueError(
            f"training_seconds must be less than the history of {span:g} seconds, not {walk.training_seconds:g}"
        )
    first = int(np.searchsorted(times, times[0] + walk.training_seconds))
    blocks = float(times[-1] - times[first]) / walk.refit_seconds  # infinite for a tiny block
    if blocks >= MAX_BLOCKS:
        allowed = f"long enough for at most {MAX_BLOCKS} blocks"
        raise ValueError(f"refit_seconds must be {allowed}, not {walk.refit_seconds:g} ({blocks + 1:,.0f} blocks)")
    count = math.floor(blocks) + 1
    for number in range(count):
        tick(number, count)
        begins = times[first] + number * walk.refit_seconds
        rows = slice(*np.searchsorted(times, [begins, begins + walk.refit_seconds]).tolist())
        if rows.start < rows.stop:
            yield slice(int(np.searchsorted(times, begins - walk.training_seconds)), rows.start), rows


def _step(times: FloatArray) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0


def _summed(
    alerts: Sequence[Alert],
    at: FloatArray,
    step: float,
    seen: FloatArray,
    judged: NDArray[np.bool_],
    incidents: Sequence[tuple[float, float]] | None,
) -> Backtest:
    judged_from, judged_to = float(at[0]), float(at[-1] + step)
    span = judged_to - judged_from
    firing = sum(min(alert.end, judged_to) - alert.start for alert in alerts)
    samples = np.isfinite(seen)
    labelled = None if incidents is None else [i for i in incidents if i[1] >= judged_from and i[0] < judged_to]
    return Backtest(
        judged_from=judged_from,
        judged_to=judged_to,
        alerts=tuple(alerts),
        episodes_per_week=len(alerts) * WEEK / span,
        share_of_time=firing / (span * seen.shape[1]),
        share_judged=float((judged & samples).sum() / samples.sum()) if samples.any() else math.nan,
        agreement=None if labelled is None else agreement(alerts, labelled),
    )
