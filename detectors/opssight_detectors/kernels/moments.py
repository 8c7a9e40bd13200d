"""Count, mean and sum of squared deviations of each column, NaN left out, and how to add to them.

Merging follows Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing
sample variances" (1979); it is stable where sums of squares cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base import FloatArray


@dataclass(frozen=True, slots=True)
class Moments:
    """The first two moments of each column; every array is ``[series]``."""

    count: FloatArray
    mean: FloatArray  # 0 where count is 0
    squares: FloatArray  # sum of squared deviations from the mean

    def deviation(self) -> FloatArray:
        """Population standard deviation, NaN where there is no sample."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(self.squares / self.count)


def moments_of(values: FloatArray) -> Moments:
    """Moments of ``values [time, series]``; two passes, so the deviation is exact to rounding."""
    there = ~np.isnan(values)
    count = there.sum(axis=0).astype(np.float64)
    divisor = np.maximum(count, 1.0)
    mean = np.where(there, values, 0.0).sum(axis=0) / divisor
    deviation = np.where(there, values - mean, 0.0)
    drift = deviation.sum(axis=0) / divisor
    mean = mean + drift  # the second pass also removes the rounding of the first
    squares = np.einsum("ts,ts->s", deviation, deviation) - count * drift * drift
    return Moments(count, mean, np.maximum(squares, 0.0))


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of both samples together."""
    count = a.count + b.count
    share = b.count / np.maximum(count, 1.0)
    delta = b.mean - a.mean
    return Moments(count, a.mean + delta * share, a.squares + b.squares + delta * delta * a.count * share)
