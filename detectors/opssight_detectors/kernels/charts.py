"""The baseline of a control chart, and the recurrences of the EWMA and CUSUM charts.

Sigma comes from the mean moving range, ``mean |x_t - x_(t-1)| / 1.128``, as for every chart of single
values (D. C. Montgomery, "Introduction to Statistical Quality Control", ch. 6): a shift inside the
training window does not widen it. The recurrences run along rows and vectorise across series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .moments import Moments, merge, moments_of

MOVING_RANGE_TO_SIGMA = 1.1283791670955126  # expected |difference| of two normal values, 2 / sqrt(pi)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean and moving range of each series; every array is ``[series]``."""

    values: Moments
    ranges: Moments
    last: FloatArray  # newest sample, NaN where there is none

    def sigma(self) -> FloatArray:
        """Short-term standard deviation; 0 where fewer than two samples are there."""
        return self.ranges.mean / MOVING_RANGE_TO_SIGMA


def baseline_of(values: FloatArray) -> Baseline:
    """The baseline of ``values [time, series]``; the moving range bridges missing samples."""
    ranges, last = _ranges(values, np.full(values.shape[1], np.nan))
    return Baseline(moments_of(values), moments_of(ranges), last)


def extend(baseline: Baseline, values: FloatArray) -> Baseline:
    """The baseline with more rows, one by one, so that the split into blocks does not matter."""
    values_moments, ranges_moments, last = baseline.values, baseline.ranges, baseline.last
    for row in values:
        values_moments = merge(values_moments, moments_of(row[None]))
        ranges_moments = merge(ranges_moments, moments_of(np.abs(row - last)[None]))
        last = np.where(np.isnan(row), last, row)
    return Baseline(values_moments, ranges_moments, last)


def ewma(z: FloatArray, weight: float, start: FloatArray) -> FloatArray:
    """``s = s + weight * (z - s)`` down ``z [time, series]``; a missing sample keeps the mean."""
    out = np.empty_like(z)
    state = start
    step = np.where(np.isnan(z), 0.0, weight)
    filled = np.where(np.isnan(z), 0.0, z)
    for row in range(len(z)):
        state = state + step[row] * (filled[row] - state)
        out[row] = state
    return out


def cusum(z: FloatArray, slack: float, top: float, start: FloatArray) -> FloatArray:
    """Upper and lower sums ``[time, 2, series]``: ``s = min(max(s +- z - slack, 0), top)``; NaN keeps them."""
    out = np.empty((len(z), 2, z.shape[1]))
    state = start
    missing: NDArray[np.bool_] = np.isnan(z)
    sides = np.stack([z, -z], axis=1) - slack
    for row in range(len(z)):
        moved = np.minimum(np.maximum(state + sides[row], 0.0), top)
        state = np.where(missing[row], state, moved) if missing[row].any() else moved
        out[row] = state
    return out


def _ranges(values: FloatArray, last: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance of each sample to the sample before it (bridging NaN), and the newest sample."""
    trail = np.concatenate([last[None], values])
    index = np.where(np.isnan(trail), 0, np.arange(len(trail))[:, None])
    latest = np.maximum.accumulate(index, axis=0)
    each = np.arange(values.shape[1])
    before = trail[latest[:-1], each]
    return np.abs(values - before), trail[latest[-1], each]
