"""Peaks over threshold: how far out must a threshold lie to be exceeded once in a thousand, or rarer?

Beyond a high level the excesses of almost any distribution follow a generalised Pareto one (Pickands,
1975), so a threshold can be asked for that is rarer than anything history holds. The fit is judged
before it is believed: where the tail cannot be fitted the answer says why, and falls back to what was
seen or to no threshold at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..base import FloatArray
from . import gpd
from .base import Bound, Estimate, as_block, coverage_of, unknown
from .confidence import mean_run_length, quantile_interval
from .percentile import Percentile, interpolated

FEWEST_PEAKS = 30
FEWEST_EPISODES = 10
FEWEST_VALUES = 10
_LARGEST_TAIL_SHARE = 0.2  # beyond it the level is not high, and its excesses need not be Pareto
_WORST_DISTANCE = 1.2  # times the root of the evidence; a good fit of two parameters stays below in 99 of 100
_HEAVIEST_SHAPE = 1.0  # from here on the mean excess is infinite
_MOST_ABRUPT_SHAPE = -0.5  # below it the likelihood has not its usual form (Smith, Biometrika 72, 1985)
_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class PeaksOverThreshold:
    """The threshold that a share ``rate`` of all samples is beyond (0.001 is one in a thousand).

    ``level`` is the quantile from which on excesses are fitted; it is lowered for short histories until
    there are 30 excesses. ``margin`` moves the threshold away from normal.
    """

    rate: float = 0.001
    level: float = 0.98
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < 1.0:
            raise ValueError(f"rate must be above 0 and below 1, not {self.rate:g}")
        if not 0.5 <= self.level < 1.0:
            raise ValueError(f"level must be 0.5 or more and below 1, not {self.level:g}")
        if not (self.margin >= 0.0 and math.isfinite(self.margin)):
            raise ValueError(f"margin must be a number of 0 or more, not {self.margin:g}")

    def estimate(self, times: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The threshold of ``values [time, series]``, pooled."""
        values = as_block(times, values)
        mirrored = bound.sign * values
        ordered = np.sort(mirrored[~np.isnan(mirrored)])
        n = len(ordered)
        if n == 0:
            return unknown(values, "there is no sample")
        share = min(max(1.0 - self.level, FEWEST_PEAKS / n), _LARGEST_TAIL_SHARE)
        if self.rate >= share:
            return self._as_seen(
                times, values, bound, f"rate {self.rate:g} is no tail: it is the percentile of history"
            )
        level = interpolated(ordered, 1.0 - share)
        excesses = ordered[np.searchsorted(ordered, level, side="right") :] - level
        run_length = mean_run_length(mirrored > level)
        doubt = _doubt(excesses, run_length, self.rate * n)
        if doubt:
            return self._as_seen(times, values, bound, f"the tail cannot be fitted: {doubt}")
        evidence = len(excesses) / run_length
        tail = gpd.fit(excesses)
        distance = gpd.distance(excesses, tail) * math.sqrt(evidence)
        if tail.shape >= _HEAVIEST_SHAPE:
            return self._as_seen(
                times, values, bound, f"the tail is too heavy to be fitted: its shape is {tail.shape:.2g}"
            )
        if distance > _WORST_DISTANCE:
            why = "the tail cannot be fitted: the excesses follow no Pareto distribution"
            return self._as_seen(times, values, bound, why)
        beyond = len(excesses) / n
        best = level + tail.exceeded_by(self.rate / beyond)
        seen = f"{len(excesses)} samples in {evidence:.0f} episodes lie beyond {bound.sign * level:.6g}"
        notes = [f"{seen}; the shape of the tail is {tail.shape:.2g}"]
        if tail.shape < _MOST_ABRUPT_SHAPE:
            notes.append("the tail ends so abruptly that the outer end of the interval is not known")
            low, _ = quantile_interval(ordered, 1.0 - self.rate, run_length)
            lower, upper = float(np.minimum(low, best)), math.nan
        else:
            lower, upper = self._interval(excesses, tail, beyond, level, best, evidence)
        ends = (self._placed(lower, bound), self._placed(upper, bound))
        ends = ends if bound is Bound.UPPER else ends[::-1]
        return Estimate(self._placed(best, bound), *ends, n, coverage_of(values), tuple(notes))

    def _interval(
        self, excesses: FloatArray, tail: gpd.Tail, beyond: float, level: float, best: float, evidence: float
    ) -> tuple[float, float]:
        """The profile interval, widened by what the number of excesses itself leaves open."""
        share = self.rate / beyond
        lower, upper = gpd.return_level_interval(excesses, tail, share, evidence)
        slope = tail.scale * share**-tail.shape  # of the return level by the logarithm of the number of excesses
        counted = _NORMAL_975 * slope / math.sqrt(evidence)
        return (
            best - math.hypot(best - level - lower, counted),
            best + math.hypot(level + upper - best, counted),
        )

    def _as_seen(self, times: FloatArray, values: FloatArray, bound: Bound, why: str) -> Estimate:
        """The empirical quantile where history holds it, else no threshold."""
        seen = Percentile(100.0 * (1.0 - self.rate), self.margin).estimate(times, values, bound)
        if seen.samples * self.rate < 1.0:
            rare = f"{seen.samples} samples are too few to have seen one in {1.0 / self.rate:.6g}"
            return unknown(values, why, rare)
        return replace(seen, notes=(why, *seen.notes))

    def _placed(self, mirrored: float, bound: Bound) -> float:
        """The value in the unit of the metric, with the margin away from normal."""
        value = mirrored * bound.sign
        return value + bound.sign * self.margin * abs(value)


def _doubt(excesses: FloatArray, run_length: float, wanted: float) -> str | None:
    """Why these excesses cannot be fitted, or None. ``wanted`` samples shall be beyond the threshold."""
    if len(excesses) < FEWEST_PEAKS // 2:
        return f"{len(excesses)} samples beyond a high level are too few"
    if len(excesses) / run_length < FEWEST_EPISODES:
        return f"all {len(excesses)} samples beyond a high level belong to {len(excesses) / run_length:.0f} episodes"
    if len(excesses) <= wanted:  # of equal values at the level none is beyond it
        return f"{len(excesses)} samples beyond a high level are no more than were asked for"
    distinct = len(np.unique(excesses))
    if distinct < FEWEST_VALUES:
        return f"there are only {distinct} different values beyond a high level"
    return None
