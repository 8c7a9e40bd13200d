"""A measure judged by the series' own past: its high quantile and its past alarms.

Two gentle corrections bring series of different temper to one boundary. The measure is divided by a
constant plus its own past 99th percentile, so a restless series needs more. Then earlier episodes that
peaked at least as high take ``weight * log10(1 + number)``, so what keeps happening stops being news.
Past peaks fade with the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

QUANTILE = 0.99
OFFSET = 2.0
SCALE = 3.0
WEIGHT = 0.6
HOLD_ROWS = 144  # records closer than this are one episode
MEMORY_ROWS = 20_000.0
YOUNG = 60  # samples before which records are not remembered

TOP = 5.0
_VALUE_BINS = 250
_PEAK_BINS = 100


@dataclass(slots=True)
class Budget:
    """Histogram of the measure, its high quantile, and the peaks of past episodes."""

    values: NDArray[np.float32]  # [bin, series]
    high: FloatArray  # the 99th percentile, [series]
    peaks: FloatArray  # [bin, series]: fading number of past peaks in this bin or above
    peak: FloatArray  # of the newest episode
    age: FloatArray  # rows since that peak
    count: FloatArray

    def copy(self) -> Budget:
        return Budget(*(getattr(self, name).copy() for name in self.__slots__))


def empty_budget(series: int) -> Budget:
    """A budget that has seen nothing."""
    return Budget(
        values=np.zeros((_VALUE_BINS, series), np.float32),
        high=np.zeros(series),
        peaks=np.zeros((_PEAK_BINS, series)),
        peak=np.full(series, -np.inf),
        age=np.full(series, np.inf),
        count=np.zeros(series),
    )


def judge(budget: Budget, measure: FloatArray) -> FloatArray:
    """The corrected measure of ``measure [row, series]``, NaN where it is NaN; remembers the peaks, in place."""
    relative = SCALE * measure / (OFFSET + budget.high)
    there = ~np.isnan(relative)
    bins = _bins(relative, _PEAK_BINS)
    each = np.arange(measure.shape[1])
    corrected = np.empty_like(relative)
    for row in range(len(relative)):
        corrected[row] = relative[row] - WEIGHT * np.log10(1.0 + budget.peaks[bins[row], each])
        budget.count += there[row]
        budget.age += 1
        renews = budget.age <= HOLD_ROWS
        record = there[row] & (budget.count > YOUNG) & (~renews | (relative[row] > budget.peak))
        for series in np.flatnonzero(record):
            if renews[series]:
                _count_peak(budget, int(series), budget.peak[series], -1.0)
            budget.peak[series] = relative[row, series]
            budget.age[series] = 0.0
            _count_peak(budget, int(series), budget.peak[series], 1.0)
    return corrected


def learn(budget: Budget, measures: Sequence[FloatArray]) -> None:
    """Take judged blocks ``[row, series]`` into the quantile, and let past peaks fade, in place."""
    measure = np.concatenate(measures)
    there = ~np.isnan(measure)
    cells = _bins(measure, _VALUE_BINS) * measure.shape[1] + np.arange(measure.shape[1])
    np.add.at(budget.values.reshape(-1), cells[there], np.float32(1))
    above = np.cumsum(budget.values[::-1], axis=0)[::-1]
    bin_of_high = np.maximum((above > (1.0 - QUANTILE) * above[0]).sum(axis=0) - 1, 0)
    budget.high = np.where(above[0] > 0, (bin_of_high + 0.5) * (TOP / _VALUE_BINS), 0.0)
    budget.peaks = budget.peaks * np.exp(-len(measure) / MEMORY_ROWS)


def _count_peak(budget: Budget, series: int, peak: float, change: float) -> None:
    below = budget.peaks[: min(max(int(peak * (_PEAK_BINS / TOP)), 0), _PEAK_BINS - 1) + 1, series]
    np.maximum(below + change, 0.0, out=below)


def _bins(values: FloatArray, bins: int) -> NDArray[np.intp]:
    scaled = np.where(np.isnan(values), 0.0, values) * (bins / TOP)
    return np.clip(scaled, 0, bins - 1).astype(np.intp)
