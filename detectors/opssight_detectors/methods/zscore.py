"""The textbook z-score.

    score = |x - mean| / (sensitivity * deviation)

with mean and population standard deviation of the training window. Source: W. A. Shewhart, "Economic
Control of Quality of Manufactured Product" (1931); the deviation has a floor (see ``calibration``).
Works for steady, roughly normal metrics. A season, a trend or outliers in the window widen the band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base import FloatArray, Scores, as_block
from ..calibration import ABSOLUTE_FLOOR, RELATIVE_FLOOR, floored, score_band
from ..kernels.moments import Moments, merge, moments_of
from ..parameters import check_parameters, parameter


@dataclass(frozen=True, slots=True)
class ZScore:
    """Mean and standard deviation of the training window."""

    sensitivity: float = parameter(2.0, "how many standard deviations are normal", low=1e-6, high=100)
    min_samples: int = parameter(3, "how many samples a series needs before it is judged", low=2, high=1_000_000)
    absolute_floor: float = parameter(ABSOLUTE_FLOOR, "smallest deviation, in the unit of the metric", low=1e-300)
    relative_floor: float = parameter(RELATIVE_FLOOR, "smallest deviation, as a share of the mean", low=0, high=1)

    def __post_init__(self) -> None:
        check_parameters(self)

    def fit(self, times: FloatArray, values: FloatArray) -> ZScoreModel:
        _, values = as_block(times, values)
        return ZScoreModel(self, moments_of(values))


@dataclass(frozen=True, slots=True)
class ZScoreModel:
    """Three numbers a series: 24 bytes."""

    detector: ZScore
    moments: Moments

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        _, values = as_block(times, values)
        it = self.detector
        spread = floored(self.moments.deviation(), self.moments.mean, it.absolute_floor, it.relative_floor)
        return score_band(values, self.moments.mean, it.sensitivity * spread, self.moments.count >= it.min_samples)

    def update(self, times: FloatArray, values: FloatArray) -> ZScoreModel:
        _, values = as_block(times, values)
        moments = self.moments
        for row in range(len(values)):
            moments = merge(moments, _moments_of_row(values[row]))
        return ZScoreModel(self.detector, moments)


def _moments_of_row(row: FloatArray) -> Moments:
    there = ~np.isnan(row)
    return Moments(there.astype(np.float64), np.where(there, row, 0.0), np.zeros_like(row))
