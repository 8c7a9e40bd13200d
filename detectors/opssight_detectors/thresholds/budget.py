"""The threshold that keeps to an alert budget: so many episodes a week, and no more.

People are woken by episodes, not by points, so the threshold is searched on simulated episodes, with
the duration and the keep-firing time of the rule that will use it. The number of episodes does not
fall steadily as a threshold rises (two episodes may part where one was), so the search starts at the
outermost peak, goes inwards, and stops before the first threshold that breaks the budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base import FloatArray
from .base import Bound, Estimate, as_block, coverage_of, unknown
from .simulation import AlertRule, Evaluations, evaluations, simulate_on
from .summary import WEEK

_MOST_CANDIDATES = 128  # thresholds simulated on the way in, evenly by rank of the peaks at first


@dataclass(frozen=True, slots=True)
class AlertBudget:
    """The innermost threshold with at most ``episodes_per_week`` simulated episodes, over all pooled series.

    ``for_seconds``, ``keep_firing_for_seconds`` and ``interval`` (None: the step of the history) are those of
    the rule. ``most_time_firing`` (a share from 0 to 1) refuses thresholds that would keep the budget by never
    resolving. The interval holds the thresholds whose simulated volume is what a true volume of the budget
    may show by chance (Poisson, 95 %).
    """

    episodes_per_week: float = 1.0
    for_seconds: float = 300.0
    keep_firing_for_seconds: float = 0.0
    interval: float | None = None
    most_time_firing: float = 0.1

    def __post_init__(self) -> None:
        if not (self.episodes_per_week > 0 and math.isfinite(self.episodes_per_week)):
            raise ValueError(f"episodes_per_week must be more than 0, not {self.episodes_per_week:g}")
        if not 0 < self.most_time_firing <= 1:
            raise ValueError(f"most_time_firing must be above 0 and at most 1, not {self.most_time_firing:g}")
        self._rule(0.0)  # refuses impossible durations

    def estimate(self, times: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The threshold of ``values [time, series]``; the budget is for all series together."""
        values = as_block(times, values)
        if not np.any(~np.isnan(values)):
            return unknown(values, "there is no sample")
        seen = evaluations(np.asarray(times, dtype=np.float64), bound.sign * values, self.interval)
        weeks = (seen.window[1] - seen.window[0]) / WEEK
        allowed = math.floor(self.episodes_per_week * weeks + 1e-9)
        peaks = _peak_levels(seen, self.for_seconds)
        samples, coverage = int(np.count_nonzero(~np.isnan(values))), coverage_of(values)
        if not len(peaks):
            reason = f"no sample lasts for {self.for_seconds:g} s, so that no threshold would ever fire"
            return unknown(values, reason)
        low, high = _poisson_bounds(self.episodes_per_week * weeks)
        best = self._innermost(seen, peaks, lambda count: count <= allowed)
        inner = self._innermost(seen, peaks, lambda count: count <= high)
        outer = self._innermost(seen, peaks, lambda count: count <= low) if low > 0 else math.nan
        notes = []
        if self.episodes_per_week * weeks < 1.0:
            notes.append(
                f"a history of {weeks:.2g} weeks is shorter than the time between two episodes of the budget: "
                "the threshold is the outermost peak, and how far beyond it should be is not known"
            )
        ends = (bound.sign * min(inner, best), bound.sign * outer)
        ends = ends if bound is Bound.UPPER else ends[::-1]
        return Estimate(bound.sign * best, *ends, samples, coverage, tuple(notes))

    def _innermost(self, seen: Evaluations, peaks: FloatArray, accepts: Callable[[int], bool]) -> float:
        """The lowest of the descending ``peaks`` before the first that is not accepted."""

        def holds(index: int) -> bool:
            found = simulate_on(seen, self._rule(float(peaks[index])))
            firing = float(found.durations.sum()) / ((seen.window[1] - seen.window[0]) * max(found.n_series, 1))
            return accepts(len(found)) and firing <= self.most_time_firing

        tried = np.unique(np.geomspace(1, len(peaks), min(_MOST_CANDIDATES, len(peaks))).astype(np.intp)) - 1
        good = 0
        for index in tried.tolist():
            if not holds(index):
                break
            good = index
        else:
            return float(peaks[good])
        bad = index
        while bad - good > 1:
            middle = (good + bad) // 2
            if holds(middle):
                good = middle
            else:
                bad = middle
        return float(peaks[good])

    def _rule(self, threshold: float) -> AlertRule:
        return AlertRule(threshold, Bound.UPPER, self.for_seconds, self.keep_firing_for_seconds, interval=self.interval)


def _peak_levels(seen: Evaluations, for_seconds: float) -> FloatArray:
    """The levels below which a further peak fires, descending: local maxima of the lowest value within ``for``."""
    pending = math.ceil(for_seconds / seen.interval - 1e-6)
    values = np.where(np.isnan(seen.values), -np.inf, seen.values)
    if len(values) <= pending:
        return np.zeros(0)
    lasting = values[: len(values) - pending]
    reach = 1  # rows that the minimum spans so far; doubled each time
    spans = values
    while reach <= pending:
        step = min(reach, pending + 1 - reach)
        spans = np.minimum(spans[:-step], spans[step:])
        reach += step
        lasting = spans
    edge = np.full((1, lasting.shape[1]), -np.inf)
    before, after = np.concatenate((edge, lasting[:-1])), np.concatenate((lasting[1:], edge))
    levels = np.unique(lasting[(lasting >= before) & (lasting >= after) & (lasting > -np.inf)])
    return np.asarray(levels[::-1], dtype=np.float64)


def _poisson_bounds(mean: float) -> tuple[int, int]:
    """The 2.5 % and 97.5 % quantiles of a Poisson distribution."""
    if mean > 200.0:
        half = 1.959963984540054 * math.sqrt(mean)
        return math.floor(mean - half), math.ceil(mean + half)
    mass = total = math.exp(-mean)
    count, low = 0, 0 if total >= 0.025 else -1
    while total < 0.975:
        count += 1
        mass *= mean / count
        total += mass
        if low < 0 and total >= 0.025:
            low = count
    return low, count
