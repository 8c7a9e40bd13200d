"""The z-score of medians.

    score = |x - median| / (sensitivity * 1.4826 * MAD)

with the median and the median absolute deviation of the training window; 1.4826 makes the MAD of a
normal sample its standard deviation. Source: B. Iglewicz & D. Hoaglin, "How to Detect and Handle
Outliers" (1993). Up to half of the window may be outliers before the band moves. Where more than half
of the samples are equal the MAD is 0; then the mean absolute deviation speaks (times 1.2533, as there).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, Scores, as_block
from ..calibration import ABSOLUTE_FLOOR, RELATIVE_FLOOR, floored, score_band
from ..kernels.order import NORMAL_CONSISTENCY, median_and_mad
from ..parameters import check_parameters, parameter

MEAN_CONSISTENCY = 1.2533141373155003  # sqrt(pi / 2): mean absolute deviation -> sigma
REFRESH_SHARE = 0.01  # the order statistics are taken anew when a hundredth of the samples is new


@dataclass(frozen=True, slots=True)
class RobustZScore:
    """Median and median absolute deviation of the training window."""

    sensitivity: float = parameter(3.0, "how many robust standard deviations are normal", low=1e-6, high=100)
    min_samples: int = parameter(3, "how many samples a series needs before it is judged", low=2, high=1_000_000)
    absolute_floor: float = parameter(ABSOLUTE_FLOOR, "smallest deviation, in the unit of the metric", low=1e-300)
    relative_floor: float = parameter(RELATIVE_FLOOR, "smallest deviation, as a share of the median", low=0, high=1)

    def __post_init__(self) -> None:
        check_parameters(self)

    def fit(self, times: FloatArray, values: FloatArray) -> RobustZScoreModel:
        _, values = as_block(times, values)
        return _learned(self, values)


@dataclass(frozen=True, slots=True)
class RobustZScoreModel:
    """The order statistics and the samples they came from: 8 bytes a sample."""

    detector: RobustZScore
    samples: FloatArray
    recent: tuple[FloatArray, ...]  # rows that the order statistics do not know yet
    count: NDArray[np.intp]
    median: FloatArray
    spread: FloatArray

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        _, values = as_block(times, values)
        it = self.detector
        spread = floored(self.spread, self.median, it.absolute_floor, it.relative_floor)
        return score_band(values, self.median, it.sensitivity * spread, self.count >= it.min_samples)

    def update(self, times: FloatArray, values: FloatArray) -> RobustZScoreModel:
        _, values = as_block(times, values)
        model = self
        for row in range(len(values)):
            model = model._with_row(values[row])
        return model

    def _with_row(self, row: FloatArray) -> RobustZScoreModel:
        recent = (*self.recent, row)
        if len(recent) < REFRESH_SHARE * len(self.samples):
            return RobustZScoreModel(self.detector, self.samples, recent, self.count, self.median, self.spread)
        return _learned(self.detector, np.concatenate([self.samples, np.stack(recent)]))


def _learned(detector: RobustZScore, values: FloatArray) -> RobustZScoreModel:
    median, mad = median_and_mad(values)
    there = ~np.isnan(values)
    count = there.sum(axis=0)
    mean_deviation = np.where(there, np.abs(values - median), 0.0).sum(axis=0) / np.maximum(count, 1)
    spread = np.where(mad > 0, NORMAL_CONSISTENCY * mad, MEAN_CONSISTENCY * mean_deviation)
    return RobustZScoreModel(detector, values, (), count, median, spread)
