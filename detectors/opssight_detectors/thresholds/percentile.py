"""A percentile of history with a margin: the textbook threshold.

The percentile is interpolated linearly between order statistics (type 7 of Hyndman and Fan, 1996,
numpy's default), its interval is distribution-free. A lower bound takes the mirrored percentile:
95 means that 95 % of the samples lie on the good side, so a lower bound is the 5th.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..base import FloatArray
from .base import Bound, Estimate, as_block, coverage_of, unknown
from .confidence import mean_run_length, quantile_interval

BLOCK_SERIES = 32  # columns sorted together, so that memory does not grow with the number of series


@dataclass(frozen=True, slots=True)
class Percentile:
    """The ``percentile`` (above 0, below 100) of history, moved away from normal by ``margin`` (0.1 is 10 %)."""

    percentile: float = 95.0
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.percentile < 100.0:
            raise ValueError(f"percentile must be above 0 and below 100, not {self.percentile:g}")
        if not (self.margin >= 0.0 and math.isfinite(self.margin)):
            raise ValueError(f"margin must be a number of 0 or more, not {self.margin:g}")

    def estimate(self, times: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The threshold of ``values [time, series]``, pooled."""
        values = as_block(times, values)
        pooled = values[~np.isnan(values)]
        pooled *= bound.sign
        pooled.sort()
        return self._of_ordered(pooled, values, bound)

    def estimate_each(self, times: FloatArray, values: FloatArray, bound: Bound) -> tuple[Estimate, ...]:
        """One threshold for each column, sorted in blocks of columns."""
        values = as_block(times, values)
        estimates: list[Estimate] = []
        for start in range(0, values.shape[1], BLOCK_SERIES):
            block = values[:, start : start + BLOCK_SERIES]
            ordered = np.sort(np.ascontiguousarray((block * bound.sign).T), axis=1)  # NaN sorts last
            samples = np.count_nonzero(~np.isnan(ordered), axis=1)
            for column, count in enumerate(samples):
                estimates.append(self._of_ordered(ordered[column, :count], block[:, column : column + 1], bound))
        return tuple(estimates)

    def _of_ordered(self, ordered: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The estimate from the ascending samples, mirrored for a lower bound."""
        n = len(ordered)
        if n == 0:
            return unknown(values, "there is no sample")
        p = self.percentile / 100.0
        raw = interpolated(ordered, p)
        run_length = mean_run_length(values * bound.sign > raw)
        low, high = quantile_interval(ordered, p, run_length)
        low, high = float(np.minimum(low, raw)), float(np.maximum(high, raw))  # interpolation may lie outside
        notes: list[str] = []
        if n * (1.0 - p) < 1.0:
            notes.append(
                f"{n} samples are few: less than one of them is expected beyond percentile {self.percentile:g}"
            )
        elif math.isnan(high):
            runs = f", which exceed it {run_length:.3g} in a row," if run_length >= 2 else ""
            outer = "upper" if bound is Bound.UPPER else "lower"
            notes.append(
                f"{n} samples{runs} are too few to say how far out the percentile may lie: "
                f"its interval has no {outer} end"
            )
        ends = (self._placed(low, bound), self._placed(high, bound))
        lower, upper = ends if bound is Bound.UPPER else ends[::-1]
        return Estimate(self._placed(raw, bound), lower, upper, n, coverage_of(values), tuple(notes))

    def _placed(self, mirrored: float, bound: Bound) -> float:
        """The value in the unit of the metric, with the margin away from normal."""
        value = mirrored * bound.sign
        return value + bound.sign * self.margin * abs(value)


def interpolated(ordered: FloatArray, p: float) -> float:
    """The quantile ``p`` of ascending samples, linear between its neighbours; equal to ``numpy.quantile``."""
    position = p * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    share = position - below
    low, high = float(ordered[below]), float(ordered[above])
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
