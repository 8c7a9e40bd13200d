"""A percentile of history in which old samples count less and less."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .base import Bound, Estimate, as_block, coverage_of, unknown
from .bins import middles_of
from .confidence import binomial_bounds, mean_run_length
from .histogram import HistogramBank

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class DecayingHistogram:
    """The ``percentile`` of samples whose weight halves every ``half_life`` seconds, moved by ``margin``.

    The value is within 0.4 % of a sample (see ``bins``). The interval counts samples by their effective
    number (Kish): the square of the sum of the weights over the sum of their squares.
    """

    percentile: float = 95.0
    half_life: float = DAY
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.percentile < 100.0:
            raise ValueError(f"percentile must be above 0 and below 100, not {self.percentile:g}")
        if not self.half_life > 0.0:
            raise ValueError(f"half_life must be more than 0 seconds, not {self.half_life:g}")
        if not (self.margin >= 0.0 and math.isfinite(self.margin)):
            raise ValueError(f"margin must be a number of 0 or more, not {self.margin:g}")

    def estimate(self, times: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The threshold of ``values [time, series]``, pooled; ages count from the newest sample."""
        values = as_block(times, values)
        there = ~np.isnan(values)
        rows, _ = np.nonzero(there)
        if not len(rows):
            return unknown(values, "there is no sample")
        bank = HistogramBank(1, self.half_life)
        bank.update(times[rows], bound.sign * values[there][:, None])
        return self._of_bank(bank, 0, times, values, bound)

    def estimate_each(self, times: FloatArray, values: FloatArray, bound: Bound) -> tuple[Estimate, ...]:
        """One threshold for each column."""
        values = as_block(times, values)
        if not len(times):
            return tuple(unknown(values[:, [i]], "there is no sample") for i in range(values.shape[1]))
        bank = HistogramBank.of(times, bound.sign * values, self.half_life)
        return tuple(
            self._of_bank(bank, column, times, values[:, [column]], bound) for column in range(values.shape[1])
        )

    def _of_bank(
        self, bank: HistogramBank, series: int, times: FloatArray, values: FloatArray, bound: Bound
    ) -> Estimate:
        there = ~np.isnan(values)
        samples = int(np.count_nonzero(there))
        keys, weights = bank.bins(series)
        if not samples:
            return unknown(values, "there is no sample")
        if not weights.sum() > 0:  # rounded to nothing beside series that are still alive
            return self.estimate(times, values, bound)
        p = self.percentile / 100.0
        raw = _weighted_quantile(keys, weights, p)
        per_row = there.sum(axis=1).astype(np.float64)
        newest = times[np.flatnonzero(per_row)[-1]]
        row_weights = np.exp2(np.minimum(times - newest, 0.0) / self.half_life)
        row_weights[per_row == 0] = 0.0
        effective = (row_weights @ per_row) ** 2 / (row_weights**2 @ per_row)
        run_length = mean_run_length(bound.sign * values > raw)
        pieces = max(math.ceil(effective / run_length), 1)
        low, high = binomial_bounds(pieces, p)
        lower = _weighted_quantile(keys, weights, low / pieces) if low >= 1 else math.nan
        upper = _weighted_quantile(keys, weights, (high + 1) / pieces) if high < pieces else math.nan
        notes = []
        if effective * (1.0 - p) < 1.0:
            notes.append(
                f"{samples} samples weigh as much as {effective:.3g}, which are few: "
                f"less than one is expected beyond percentile {self.percentile:g}"
            )
        ends = (self._placed(lower, bound), self._placed(upper, bound))
        ends = ends if bound is Bound.UPPER else ends[::-1]
        return Estimate(self._placed(raw, bound), *ends, samples, coverage_of(values), tuple(notes))

    def _placed(self, mirrored: float, bound: Bound) -> float:
        """The value in the unit of the metric, with the margin away from normal."""
        value = mirrored * bound.sign
        return value + bound.sign * self.margin * abs(value)


def _weighted_quantile(keys: NDArray[np.int32], weights: FloatArray, p: float) -> float:
    """Middle of the first bin at or below which a share ``p`` of the weight lies."""
    cumulative = np.cumsum(weights)
    index = int(np.searchsorted(cumulative, min(p, 1.0) * cumulative[-1] * (1 - 1e-12)))
    return float(middles_of(keys[min(index, len(keys) - 1)][None])[0])
