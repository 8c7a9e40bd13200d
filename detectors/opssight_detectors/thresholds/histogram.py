"""Decaying histograms of many series at once.

The decay is the forward decay of Cormode et al. (ICDE 2009), as in the recommender of the Vertical Pod
Autoscaler: instead of shrinking what is old, new samples weigh more.

A quantile is found in the sums of the pages (see ``pages``) first and then within one page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .bins import Keys, keys_of, middles_of
from .pages import PAGE, PagedCounts

BLOCK_SERIES = 12  # series built together from a long history
_TINY = 1e-12  # what rounding may do to a share of the weight
_SMALLEST = np.finfo(np.float64).tiny
_MAX_GROWTH = 60.0  # halvings between two renormalisations; 2**60 times a week's samples fits a float32


class HistogramBank:
    """One decaying histogram for each of ``n_series`` series.

    ``half_life`` is in seconds; infinity does not decay. The bank is mutable state: ``update`` learns
    in place. It depends on nothing but the samples it was given, so that a rebuild from history gives
    the same bank up to rounding.
    """

    def __init__(self, n_series: int, half_life: float = math.inf) -> None:
        if not half_life > 0:
            raise ValueError(f"half_life must be more than 0 seconds, not {half_life:g}")
        self.half_life = half_life
        self.reference = -math.inf  # the time at which a sample weighs 1
        self.table = PagedCounts(n_series)

    @classmethod
    def of(cls, times: FloatArray, values: FloatArray, half_life: float = math.inf) -> HistogramBank:
        """The bank of a whole history ``values [time, series]``, built in blocks of series."""
        parts = []
        for start in range(0, values.shape[1], BLOCK_SERIES):
            block = values[:, start : start + BLOCK_SERIES]
            part = cls(block.shape[1], half_life)
            part.update(times, block)
            parts.append(part)
        bank = cls(0, half_life)
        if parts:
            bank.reference = parts[0].reference
            bank.table = PagedCounts.stacked([part.table for part in parts])
        return bank

    @property
    def n_series(self) -> int:
        """How many histograms there are."""
        return self.table.n_series

    @property
    def total(self) -> FloatArray:
        """Weight of all samples of each series, relative to a sample at ``reference``."""
        return np.asarray(self.table.page_sums.sum(axis=1))

    def update(self, times: FloatArray, values: FloatArray) -> None:
        """Learn ``values [time, series]`` at ``times [time]`` (seconds); what is not finite is no sample."""
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or values.shape != (len(times), self.n_series):
            raise ValueError(f"values must have the shape ({len(times)}, {self.n_series}), not {values.shape}")
        if not len(times):
            return
        row_weights = self._weights_at(np.asarray(times, dtype=np.float64)).astype(np.float32).astype(np.float64)
        there = np.isfinite(values)
        if there.all():
            series = np.tile(np.arange(self.n_series), len(values))
            keys = keys_of(values).ravel()
            weights = np.repeat(row_weights, self.n_series)
        else:
            rows, series = np.nonzero(there)
            keys = keys_of(values[there])
            weights = row_weights[rows]
        self.table.add(series, self.table.storable(series, keys), weights)

    def quantiles(self, probabilities: Sequence[float] | FloatArray) -> FloatArray:
        """``[probability, series]``: the middle of the bin that holds the quantile; NaN without samples.

        The quantile is the smallest bin at or below which at least that share of the weight lies.
        """
        total = self.total
        shares = np.clip(np.asarray(probabilities, dtype=np.float64), _TINY, 1.0 - _TINY)
        if not len(shares) or not self.n_series:
            return np.full((len(shares), self.n_series), np.nan)
        target = shares[:, None] * total
        table = self.table
        page_cumulative = _running_sums(table.page_sums.T)
        rows = np.arange(self.n_series)
        slot = np.stack([_how_many_below(page_cumulative, wanted) for wanted in target])
        slot = np.minimum(slot, table.last_slot)
        before = np.where(slot > 0, page_cumulative[np.maximum(slot - 1, 0), rows], 0.0)
        flat_slot = rows * table.pages.shape[1] + slot
        within = _running_sums(table.counts.reshape(-1, PAGE).take(flat_slot.ravel(), axis=0).T)
        # the page's own sum is rounded apart from its bins, so the target is put on the scale of the bins
        scale = within[-1] / np.maximum(table.page_sums.take(flat_slot), _SMALLEST).ravel()
        offset = _how_many_below(within, (target - before).ravel() * scale).reshape(slot.shape)
        keys = table.pages.reshape(-1)[flat_slot].astype(np.int64) * PAGE + np.minimum(offset, PAGE - 1)
        found = middles_of(keys)
        found[:, total <= 0] = np.nan
        return found

    def merge(self, other: HistogramBank) -> None:
        """Add the samples of another bank of as many series; half-lives must be equal."""
        if other.n_series != self.n_series or other.half_life != self.half_life:
            raise ValueError(
                f"only banks of equal size and half-life can be merged: {self.n_series} series and "
                f"{self.half_life:g} s, not {other.n_series} series and {other.half_life:g} s"
            )
        if other.reference == -math.inf:
            return
        factor = float(self._weights_at(np.array([other.reference]))[0])
        series, slot, offset = np.nonzero(other.table.counts)
        keys = other.table.pages[series, slot] * PAGE + offset.astype(np.int32)
        weights = (other.table.counts[series, slot, offset] * factor).astype(np.float32)
        self.table.add(series, self.table.storable(series, keys), weights.astype(np.float64))

    def bins(self, series: int) -> tuple[Keys, FloatArray]:
        """Keys (ascending) and weights of the bins of one series that hold anything."""
        return self.table.bins(series)

    def add_bins(self, keys: Keys, weights: FloatArray, series: int = 0) -> None:
        """Add weight to bins of one series; the inverse of ``bins``."""
        owner = np.full(len(keys), series)
        rounded = weights.astype(np.float32).astype(np.float64)
        self.table.add(owner, self.table.storable(owner, keys), rounded)

    def _weights_at(self, times: FloatArray) -> FloatArray:
        """Weights of samples at these times; moves the reference on when they would grow too large."""
        newest = float(times.max())
        if math.isinf(self.half_life):
            self.reference = max(self.reference, newest)
            return np.ones(len(times))
        if self.reference == -math.inf:
            self.reference = newest
        elif (newest - self.reference) / self.half_life > _MAX_GROWTH:
            shrink = 0.5 ** ((newest - self.reference) / self.half_life)
            self.table.scale(shrink)
            self.reference = newest
        return np.exp2(np.maximum((times - self.reference) / self.half_life, -1000.0))


def _running_sums(parts: NDArray[np.floating]) -> FloatArray:
    """Cumulative sums down the first axis, whole rows at a time: numpy's own runs along each column and is slower."""
    sums = np.array(parts, dtype=np.float64, order="C")
    for row in range(1, len(sums)):
        sums[row] += sums[row - 1]
    return sums


def _how_many_below(sums: FloatArray, target: FloatArray) -> NDArray[np.intp]:
    """How many rows of ``sums`` (at most 255) are below the target of their column."""
    return np.asarray((sums < target).view(np.uint8).sum(axis=0, dtype=np.uint8), dtype=np.intp)
