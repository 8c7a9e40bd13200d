"""A series against its siblings at the same moment: the pods of one workload, the disks of one array.

    r      = x - median of the others;   usual = median of r over the training window
    Median:   score = |r - usual| / (sensitivity * spread)
    Density:  score = distance of (x - usual) to its k-th nearest peer / (sensitivity * usual such distance)

The spread is the MAD of r over the training window, or that of all peers at this moment, whichever is
larger: what hits all of them is no outlier. k is 3, or fewer where there are fewer peers. Compare
R. Hampel's identifier (1974) and the k-nearest-neighbour distance of S. Ramaswamy et al. (2000).

Works for siblings that share their load, from the first minutes on. It cannot see what all of them
share, and unlike siblings (a leader, a canary) only through their usual distance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, PointState, Scores, as_block
from ..calibration import ABSOLUTE_FLOOR, RELATIVE_FLOOR, floored
from ..kernels.order import NORMAL_CONSISTENCY, median_and_mad, median_of
from ..parameters import check_parameters, parameter

NEAREST = 3
_SLOW = 200.0  # samples over which updates move the usual distance


@dataclass(frozen=True, slots=True)
class PeerOutlier:
    """A series against the other series of the same query at the same moment."""

    measure: str = parameter("Median", "distance from the median or to the nearest", choices=("Median", "Density"))
    sensitivity: float = parameter(5.0, "how many robust standard deviations are normal", low=1e-6, high=100)
    min_peers: int = parameter(3, "how many other series must have a sample", low=2, high=10_000)
    min_samples: int = parameter(3, "how many samples a series needs before it is judged", low=1, high=1_000_000)

    compares_series = True  # the columns of a block are judged against one another

    def __post_init__(self) -> None:
        check_parameters(self)

    def fit(self, times: FloatArray, values: FloatArray) -> PeerOutlierModel:
        _, values = as_block(times, values)
        distance = values - _median_of_others(values)
        usual, mad = median_and_mad(distance)
        count = (~np.isnan(distance)).sum(axis=0).astype(np.float64)
        usual = np.where(np.isnan(usual), 0.0, usual)
        nearest = median_of(_nearest(values - usual)) if len(values) else np.zeros(values.shape[1])
        return PeerOutlierModel(
            self,
            usual,
            np.where(np.isnan(mad), 0.0, NORMAL_CONSISTENCY * mad),
            np.where(np.isnan(nearest), 0.0, nearest),
            count,
        )


@dataclass(frozen=True, slots=True)
class PeerOutlierModel:
    """Four numbers a series: 32 bytes."""

    detector: PeerOutlier
    usual: FloatArray
    spread: FloatArray
    nearest: FloatArray
    count: FloatArray

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        _, values = as_block(times, values)
        it = self.detector
        there = ~np.isnan(values)
        others = there.sum(axis=1, keepdims=True) - there
        centre = _median_of_others(values)
        expected = centre + self.usual
        ready = (others >= it.min_peers) & (self.count >= it.min_samples)
        if it.measure == "Median":
            crowd = NORMAL_CONSISTENCY * _mad_of_rows(values - expected)[:, None]
            half = it.sensitivity * floored(np.fmax(self.spread, crowd), expected, ABSOLUTE_FLOOR, RELATIVE_FLOOR)
            score = np.abs(values - expected) / half
        else:
            half = it.sensitivity * floored(self.nearest, expected, ABSOLUTE_FLOOR, RELATIVE_FLOOR)
            score = _nearest(values - self.usual) / half
        known = ready & there
        expected = np.where(ready, expected, np.nan)
        warming = np.where(ready, PointState.SCORED, PointState.WARMING_UP)
        return Scores(
            score=np.where(known, score, np.nan),
            expected=expected,
            lower=expected - half,
            upper=expected + half,
            state=np.where(there, warming, PointState.NO_DATA).astype(np.int8),
        )

    def update(self, times: FloatArray, values: FloatArray) -> PeerOutlierModel:
        _, values = as_block(times, values)
        model = self
        for row in values:
            model = model._with_row(row[None])
        return model

    def _with_row(self, row: FloatArray) -> PeerOutlierModel:
        """Medians follow by steps of a share of the spread (stochastic approximation of the median)."""
        distance = (row - _median_of_others(row))[0]
        there = ~np.isnan(distance)
        count = self.count + there
        share = 1.0 / np.minimum(np.maximum(count, 1.0), _SLOW)
        first = there & (self.count == 0)
        gap = np.where(there, distance - self.usual, 0.0)
        pace = np.maximum(self.spread, np.abs(gap) * share)
        usual = np.where(first, distance, self.usual + np.where(there, np.sign(gap) * share * pace, 0.0))
        spread = self.spread + np.where(
            there & ~first, share * (np.sign(np.abs(gap) - self.spread / NORMAL_CONSISTENCY) * pace), 0.0
        )
        return replace(self, usual=usual, spread=np.maximum(spread, 0.0), count=count)


def _median_of_others(values: FloatArray) -> FloatArray:
    """For each sample the median of the other samples of its row; NaN where there is none."""
    order = np.sort(values, axis=1)  # NaN last
    count = (~np.isnan(values)).sum(axis=1, keepdims=True)
    rank = np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1)
    others = np.maximum(count - 1, 0)

    def without_self(position: NDArray[np.intp]) -> FloatArray:
        index = np.clip(position + (position >= rank), 0, values.shape[1] - 1)
        return np.take_along_axis(order, index, axis=1)

    low, high = (others - 1) // 2 + np.zeros_like(rank), others // 2 + np.zeros_like(rank)
    missing = np.isnan(values)
    middle = 0.5 * (without_self(low) + without_self(high))
    return np.where(missing | (others == 0), np.nan, middle)


def _mad_of_rows(residual: FloatArray) -> FloatArray:
    _, mad = median_and_mad(np.ascontiguousarray(residual.T))
    return mad


def _nearest(values: FloatArray) -> FloatArray:
    """Distance of each sample to its ``NEAREST``-th nearest neighbour in its row."""
    out = np.full_like(values, np.nan)
    for row, x in enumerate(values):
        there = np.flatnonzero(~np.isnan(x))
        if len(there) < 2:
            continue
        known = x[there]
        gaps = np.sort(np.abs(known[:, None] - known), axis=1)
        out[row, there] = gaps[:, min(NEAREST, len(there) - 1)]
    return out
