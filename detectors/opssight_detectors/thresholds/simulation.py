"""The alerts that a rule would have raised over a history, episode by episode.

An alerting rule is a state machine for each series: pending while its expression is beyond the
threshold, firing once that has lasted for ``for``, and firing on for ``keep_firing_for`` after the
expression came back or its sample was gone (rules/alerting.go of Prometheus is the reference, and the
tests run against it). Here the same answer comes from whole runs of the expression at once: runs that
are at most ``keep_firing_for`` apart are one chain, and a chain fires from the first of its runs that
lasts long enough. With a level of recovery the runs of a chain are those beyond that level, and the ones
that make it fire are those beyond the threshold. ``tests/oracles/thresholds_simulation.py`` is the state
machine itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .base import Bound

WEEK = 7 * 86400.0
_ROUNDING = 1e-6  # seconds; times are milliseconds in Prometheus, so two instants this close are one


@dataclass(frozen=True, slots=True)
class AlertRule:
    """``expression > threshold`` (``<`` for a lower bound) with its durations in seconds.

    ``interval`` is the evaluation interval; None evaluates at each row. ``lookback`` is how long a
    sample is good for: 0 for the answer of a range query, which has looked back already, so that a
    missing cell means that the expression had no answer; 300 for raw scrapes. ``recovery`` is the level
    behind which a firing alert ends, the threshold itself where it is None.
    """

    threshold: float
    bound: Bound = Bound.UPPER
    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 0.0
    interval: float | None = None
    lookback: float = 0.0
    recovery: float | None = None

    def __post_init__(self) -> None:
        if math.isnan(self.threshold):
            raise ValueError("threshold must be a number, not NaN")
        if self.recovery is not None and not (self.threshold - self.recovery) * self.bound.sign >= 0:
            raise ValueError(f"recovery must be behind the threshold {self.threshold:g}, not {self.recovery:g}")
        for name in ("for_seconds", "keep_firing_for_seconds", "lookback"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be 0 or more seconds, not {value:g}")
        if self.interval is not None and not (self.interval > 0 and math.isfinite(self.interval)):
            raise ValueError(f"interval must be more than 0 seconds, not {self.interval:g}")


@dataclass(frozen=True, slots=True)
class Episodes:
    """Episodes of firing, ordered by series and start; arrays have one entry an episode.

    ``start`` is the evaluation that fired and ``end`` the first one that did not (seconds). Where
    ``open`` is set the alert was still firing at the last evaluation, and ``end`` is one interval later.
    ``window`` is that of the evaluations: from the first answer to the last.
    """

    series: NDArray[np.intp]
    start: FloatArray
    end: FloatArray
    open: NDArray[np.bool_]
    window: tuple[float, float]
    n_series: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def weeks(self) -> float:
        """The length of the window."""
        return (self.window[1] - self.window[0]) / WEEK

    @property
    def durations(self) -> FloatArray:
        """Seconds that each episode lasted."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Evaluations:
    """What a rule's expression answered at each evaluation: the part of a simulation that no threshold changes.

    Build it once to simulate many thresholds. ``times [evaluation]`` are evenly spaced, ``values``
    ``[evaluation, series]`` hold NaN where the expression had no answer. ``window`` reaches from the first evaluation
    at which any series had one to the last, plus an interval: what was not there yet is no time without alerts.
    """

    times: FloatArray
    values: FloatArray
    interval: float
    window: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        answered = np.flatnonzero((~np.isnan(self.values)).any(axis=1))
        first, last = (answered[0], answered[-1]) if len(answered) else (0, -1)
        # The class is frozen for everybody else.
        object.__setattr__(self, "window", (float(self.times[first]), float(self.times[last]) + self.interval))

    @property
    def weeks(self) -> float:
        """The length of the window."""
        return (self.window[1] - self.window[0]) / WEEK


def evaluations(
    times: FloatArray, values: FloatArray, interval: float | None = None, lookback: float = 0.0
) -> Evaluations:
    """Put samples on the grid of a rule's evaluations.

    An evaluation sees the newest row at or before it, as Prometheus does, when that row is younger than
    a step of the history (or than ``lookback``, within which older samples stand in for missing ones).
    """
    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if len(times) == 0 or times.ndim != 1 or len(values) != len(times):
        raise ValueError(f"values must be [time, series] with a row for each of {len(times)} times, not {values.shape}")
    gaps = np.diff(times)
    if len(gaps) and gaps.min() <= 0:
        raise ValueError("times must ascend")
    step = float(np.median(gaps)) if len(gaps) else (interval or 60.0)
    every = step if interval is None else interval
    even = len(gaps) == 0 or bool((np.abs(gaps - step) < _ROUNDING).all())
    if even and abs(every - step) < _ROUNDING and lookback == 0:
        return Evaluations(times, values, every)
    grid = times[0] + every * np.arange(math.floor((times[-1] - times[0] + _ROUNDING) / every) + 1)
    newest = np.searchsorted(times, grid + _ROUNDING, side="right") - 1
    if lookback == 0:
        seen = values[newest]
        seen[grid - times[newest] > step - _ROUNDING] = np.nan
        return Evaluations(grid, seen, every)
    rows = np.where(np.isnan(values), -1, np.arange(len(times))[:, None])
    last_sample = np.maximum.accumulate(rows, axis=0)[newest]
    seen = np.take_along_axis(values, np.maximum(last_sample, 0), axis=0)
    age = grid[:, None] - times[np.maximum(last_sample, 0)]
    seen[(last_sample < 0) | (age > lookback - _ROUNDING)] = np.nan
    return Evaluations(grid, seen, every)


def simulate(times: FloatArray, values: FloatArray, rule: AlertRule) -> Episodes:
    """The episodes of ``rule`` over ``values [time, series]`` sampled at ``times [time]`` (seconds, ascending)."""
    return simulate_on(evaluations(times, values, rule.interval, rule.lookback), rule)


def simulate_on(seen: Evaluations, rule: AlertRule) -> Episodes:
    """The same on evaluations that are already on their grid.

    A rule that is evaluated more often than there are rows sees each row several times; these are counted, not made.
    """
    clock = _Clock.of(seen, rule.interval)
    pending = math.ceil(rule.for_seconds / clock.interval - _ROUNDING)  # evaluations from active to firing
    keep = math.ceil(rule.keep_firing_for_seconds / clock.interval - _ROUNDING)
    beyond = _beyond(seen, rule.threshold, rule.bound)
    begun = clock.runs(beyond)
    held = begun if rule.recovery is None else clock.runs(_beyond(seen, rule.recovery, rule.bound))

    follows = np.zeros(len(held.series), dtype=np.bool_)  # the run is within keep_firing_for of the one before
    follows[1:] = (held.series[1:] == held.series[:-1]) & (held.first[1:] <= held.after[:-1] + keep)
    chain = np.cumsum(~follows) - 1
    long_enough = np.flatnonzero(begun.first + pending < begun.after)
    fired, at = np.unique(chain[held.around(begun)[long_enough]], return_index=True)
    start = begun.first[long_enough[at]] + pending
    last_of_chain = np.flatnonzero(np.append(~follows[1:], True))[fired] if len(held.series) else fired
    end = held.after[last_of_chain] + keep
    return Episodes(
        series=held.series[last_of_chain],
        start=clock.began + clock.interval * start.astype(np.float64),
        end=clock.began + clock.interval * np.minimum(end, clock.count),
        open=end >= clock.count,
        window=clock.window(seen),
        n_series=beyond.shape[1],
    )


def _beyond(seen: Evaluations, level: float, bound: Bound) -> NDArray[np.bool_]:
    return seen.values > level if bound is Bound.UPPER else seen.values < level


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of True, ordered by series and time: the first evaluation of each, and the one after its last."""

    series: NDArray[np.intp]
    first: NDArray[np.intp]
    after: NDArray[np.intp]

    def around(self, inner: _Runs) -> NDArray[np.intp]:
        """Which of these runs holds each of the ``inner`` ones, which lie in one of them each."""
        if inner is self:
            return np.arange(len(self.series))
        width = 1 + max(int(self.after.max(initial=0)), int(inner.after.max(initial=0)))
        begins = self.series * width + self.first
        holder: NDArray[np.intp] = np.searchsorted(begins, inner.series * width + inner.first, side="right") - 1
        return holder


@dataclass(frozen=True, slots=True)
class _Clock:
    """The evaluations of a rule over rows: when the first is, how far apart they are, and how many."""

    began: float
    interval: float
    count: int
    per_row: float

    @classmethod
    def of(cls, seen: Evaluations, interval: float | None) -> _Clock:
        every = min(interval or seen.interval, seen.interval)
        per_row = seen.interval / every
        count = math.floor((len(seen.times) - 1) * per_row + _ROUNDING) + 1
        return cls(float(seen.times[0]), every, count, per_row)

    def window(self, seen: Evaluations) -> tuple[float, float]:
        """From the first evaluation with an answer to the last, in seconds."""
        if self.per_row == 1.0:
            return seen.window
        answered: NDArray[np.bool_] = np.any(~np.isnan(seen.values), axis=1, keepdims=True)
        runs = self.runs(answered)
        seen_at_all = runs.first < runs.after  # a row that comes after the last evaluation is not
        first = runs.first[seen_at_all].min(initial=self.count)
        after = runs.after[seen_at_all].max(initial=0)
        if first >= after:
            first, after = 0, self.count
        return self.began + self.interval * float(first), self.began + self.interval * float(after)

    def runs(self, beyond: NDArray[np.bool_]) -> _Runs:
        series, first, after = _runs(beyond)
        return _Runs(series, self._evaluation(first), self._evaluation(after))

    def _evaluation(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """The first evaluation at or after each row."""
        if self.per_row == 1.0:
            return rows
        evaluation: NDArray[np.intp] = np.ceil(rows * self.per_row - _ROUNDING).astype(np.intp)
        return np.minimum(evaluation, np.intp(self.count))


def _runs(beyond: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Runs of True in each column: column, first row, and the row after the last; ordered by column and row."""
    edges = np.zeros((beyond.shape[1], beyond.shape[0] + 1), dtype=np.bool_)
    edges[:, 1:-1] = (beyond[1:] != beyond[:-1]).T
    if len(beyond):
        edges[:, 0] = beyond[0]
        edges[:, -1] = beyond[-1]
    column, row = np.nonzero(edges)
    return column[::2], row[::2], row[1::2]
