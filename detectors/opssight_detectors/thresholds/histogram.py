"""Decaying histograms of many series at once.

The decay is the forward decay of Cormode et al. (ICDE 2009), as in the recommender of the Vertical Pod
Autoscaler: instead of shrinking what is old, new samples weigh more.

Bins (see ``bins``) are kept in *pages* of 32 neighbours, a quarter of an octave, sorted, a few pages a
series: memory follows the range that values occupy, and a quantile is found in the sums of the pages
first and then within one page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .bins import Keys, keys_of, middles_of

PAGE = 32  # bins in a page
MAX_PAGES = 128  # a series: 32 octaves; beyond it the smallest magnitudes count as zero
BLOCK_SERIES = 12  # series built together from a long history
_TINY = 1e-12  # what rounding may do to a share of the weight
_SMALLEST = np.finfo(np.float64).tiny
_EMPTY = np.int32(np.iinfo(np.int32).max)  # the page number of a free slot; sorts last
_MAX_GROWTH = 60.0  # halvings between two renormalisations; 2**60 times a week's samples fits a float32
_TABLE_FROM = 256  # samples a series from which a table of all page numbers beats comparing
_PAGES_BELOW_ZERO = 1 << 14
_PAGE_NUMBERS = 1 << 15  # all possible ones

Weights = NDArray[np.float32]


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
        self.pages: Keys = np.full((n_series, 1), _EMPTY, dtype=np.int32)
        self.counts: Weights = np.zeros((n_series, 1, PAGE), dtype=np.float32)
        self.page_sums: FloatArray = np.zeros((n_series, 1))
        self.smallest: Keys = np.zeros(n_series, dtype=np.int32)  # magnitudes below this key count as zero

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
            width = max(part.pages.shape[1] for part in parts)
            for part in parts:
                part._widen(width)
            bank.reference = parts[0].reference
            bank.pages = np.concatenate([part.pages for part in parts])
            bank.counts = np.concatenate([part.counts for part in parts])
            bank.page_sums = np.concatenate([part.page_sums for part in parts])
            bank.smallest = np.concatenate([part.smallest for part in parts])
        return bank

    @property
    def n_series(self) -> int:
        """How many histograms there are."""
        return len(self.pages)

    @property
    def total(self) -> FloatArray:
        """Weight of all samples of each series, relative to a sample at ``reference``."""
        return np.asarray(self.page_sums.sum(axis=1))

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
        self._add(series, self._storable(series, keys), weights)

    def quantiles(self, probabilities: Sequence[float] | FloatArray) -> FloatArray:
        """``[probability, series]``: the middle of the bin that holds the quantile; NaN without samples.

        The quantile is the smallest bin at or below which at least that share of the weight lies.
        """
        total = self.total
        shares = np.clip(np.asarray(probabilities, dtype=np.float64), _TINY, 1.0 - _TINY)
        if not len(shares) or not self.n_series:
            return np.full((len(shares), self.n_series), np.nan)
        target = shares[:, None] * total
        page_cumulative = _running_sums(self.page_sums.T)
        rows = np.arange(self.n_series)
        last_page = np.maximum((self.pages != _EMPTY).sum(axis=1) - 1, 0)
        slot = np.minimum(np.stack([_how_many_below(page_cumulative, wanted) for wanted in target]), last_page)
        before = np.where(slot > 0, page_cumulative[np.maximum(slot - 1, 0), rows], 0.0)
        flat_slot = rows * self.pages.shape[1] + slot
        within = _running_sums(self.counts.reshape(-1, PAGE).take(flat_slot.ravel(), axis=0).T)
        # the page's own sum is rounded apart from its bins, so the target is put on the scale of the bins
        scale = within[-1] / np.maximum(self.page_sums.take(flat_slot), _SMALLEST).ravel()
        offset = _how_many_below(within, (target - before).ravel() * scale).reshape(slot.shape)
        keys = self.pages.reshape(-1)[flat_slot].astype(np.int64) * PAGE + np.minimum(offset, PAGE - 1)
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
        series, slot, offset = np.nonzero(other.counts)
        keys = other.pages[series, slot] * PAGE + offset.astype(np.int32)
        weights = (other.counts[series, slot, offset] * factor).astype(np.float32)
        self._add(series, self._storable(series, keys), weights.astype(np.float64))

    def bins(self, series: int) -> tuple[Keys, FloatArray]:
        """Keys (ascending) and weights of the bins of one series that hold anything."""
        slot, offset = np.nonzero(self.counts[series])
        keys = self.pages[series, slot] * PAGE + offset.astype(np.int32)
        return keys, self.counts[series, slot, offset].astype(np.float64)

    def add_bins(self, keys: Keys, weights: FloatArray, series: int = 0) -> None:
        """Add weight to bins of one series; the inverse of ``bins``."""
        owner = np.full(len(keys), series)
        rounded = weights.astype(np.float32).astype(np.float64)
        self._add(owner, self._storable(owner, keys), rounded)

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
            self.counts *= np.float32(shrink)
            self.page_sums = self.counts.sum(axis=2, dtype=np.float64)
            self.reference = newest
        return np.exp2(np.maximum((times - self.reference) / self.half_life, -1000.0))

    def _add(self, series: NDArray[np.intp], keys: Keys, weights: FloatArray) -> None:
        """Add weight (exact in float32) to bins; flat arrays, an entry a sample."""
        slot = self._find(series, keys >> 5)
        if len(slot) and int(slot.min()) < 0:
            self._make_room(series[slot < 0], keys[slot < 0] >> 5)
            keys = self._storable(series, keys)
            slot = self._find(series, keys >> 5)
        flat_slot = series * self.pages.shape[1] + slot
        flat_bin = flat_slot * PAGE + (keys & (PAGE - 1))
        if len(keys) * 8 < self.counts.size:
            np.add.at(self.counts.reshape(-1), flat_bin, weights.astype(np.float32))
            np.add.at(self.page_sums.reshape(-1), flat_slot, weights)
        else:
            added = np.bincount(flat_bin, weights, minlength=self.counts.size).reshape(self.counts.shape)
            self.counts += added.astype(np.float32)
            self.page_sums += added.sum(axis=2)

    def _storable(self, series: NDArray[np.intp], keys: Keys) -> Keys:
        """The keys with those that are too small for their series put to zero."""
        if not self.smallest.any():
            return keys
        return np.where(np.abs(keys) < self.smallest[series], 0, keys).astype(np.int32)

    def _find(self, series: NDArray[np.intp], pages: Keys) -> NDArray[np.intp]:
        """The slot of each (series, page), -1 where there is none yet."""
        if len(pages) < _TABLE_FROM * self.n_series:
            same = self.pages[series] == pages[:, None]
            slot = np.asarray(same.argmax(axis=1))
            slot[~same[np.arange(len(slot)), slot]] = -1
            return slot
        table = np.full(self.n_series * _PAGE_NUMBERS, -1, dtype=np.int16)
        owner, place = np.nonzero(self.pages != _EMPTY)
        table[_page_id(owner, self.pages[owner, place])] = place
        return table[_page_id(series, pages)].astype(np.intp)

    def _make_room(self, series: NDArray[np.intp], pages: Keys) -> None:
        """Give series the pages that they miss; where there are too many, the smallest magnitudes become zero."""
        asked = _page_id(series, pages)
        if len(asked) < _TABLE_FROM * self.n_series:
            asked = np.unique(asked)
        else:
            seen = np.zeros(self.n_series * _PAGE_NUMBERS, dtype=np.bool_)
            seen[asked] = True
            asked = np.flatnonzero(seen)
        owners = asked // _PAGE_NUMBERS
        changed = np.unique(owners)
        row, place = np.nonzero(self.pages[changed] != _EMPTY)
        held = _page_id(changed[row], self.pages[changed[row], place])
        every = np.union1d(held, asked)
        crowded = np.flatnonzero(np.bincount(every // _PAGE_NUMBERS, minlength=self.n_series) > MAX_PAGES)
        if len(crowded):
            for index in crowded:
                mine = every[every // _PAGE_NUMBERS == index]
                self._forget_small(int(index), mine % _PAGE_NUMBERS - _PAGES_BELOW_ZERO)
            keys = self._storable(series, pages * PAGE)
            missing = self._find(series, keys >> 5) < 0
            if missing.any():
                self._make_room(series[missing], keys[missing] >> 5)
            return
        self._rearrange(changed, row, place, held, every)

    def _rearrange(
        self,
        changed: NDArray[np.intp],
        row: NDArray[np.intp],
        place: NDArray[np.intp],
        held: NDArray[np.intp],
        every: NDArray[np.intp],
    ) -> None:
        """Sort ``every`` page id into the rows of the ``changed`` series, with what ``held`` ones hold."""
        new_row = np.searchsorted(changed, every // _PAGE_NUMBERS)
        per_row = np.bincount(new_row, minlength=len(changed))
        new_place = np.arange(len(every)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
        self._widen(_width_for(int(per_row.max())))
        width = self.pages.shape[1]
        pages = np.full((len(changed), width), _EMPTY, dtype=np.int32)
        counts = np.zeros((len(changed), width, PAGE), dtype=np.float32)
        page_sums = np.zeros((len(changed), width))
        pages[new_row, new_place] = every % _PAGE_NUMBERS - _PAGES_BELOW_ZERO
        target = new_place[np.searchsorted(every, held)]
        counts[row, target] = self.counts[changed[row], place]
        page_sums[row, target] = self.page_sums[changed[row], place]
        self.pages[changed], self.counts[changed], self.page_sums[changed] = pages, counts, page_sums

    def _forget_small(self, index: int, pages: NDArray[np.intp]) -> None:
        """Raise the smallest magnitude of one series until its pages fit, and move what is below into zero."""
        sizes = np.sort(np.where(pages >= 0, pages, -pages - 1))
        smallest = (int(sizes[-(MAX_PAGES - 2)]) + 1) * PAGE
        keys, weights = self.bins(index)
        self.smallest[index] = smallest
        self.pages[index] = _EMPTY
        self.counts[index] = 0.0
        self.page_sums[index] = 0.0
        owner = np.full(len(keys), index)
        self._add(owner, self._storable(owner, keys), weights)

    def _widen(self, width: int) -> None:
        extra = width - self.pages.shape[1]
        if extra > 0:
            self.pages = np.pad(self.pages, ((0, 0), (0, extra)), constant_values=_EMPTY)
            self.counts = np.pad(self.counts, ((0, 0), (0, extra), (0, 0)))
            self.page_sums = np.pad(self.page_sums, ((0, 0), (0, extra)))


def _running_sums(parts: NDArray[np.floating]) -> FloatArray:
    """Cumulative sums down the first axis, whole rows at a time: numpy's own runs along each column and is slower."""
    sums = np.array(parts, dtype=np.float64, order="C")
    for row in range(1, len(sums)):
        sums[row] += sums[row - 1]
    return sums


def _how_many_below(sums: FloatArray, target: FloatArray) -> NDArray[np.intp]:
    """How many rows of ``sums`` (at most 255) are below the target of their column."""
    return np.asarray((sums < target).view(np.uint8).sum(axis=0, dtype=np.uint8), dtype=np.intp)


def _page_id(series: NDArray[np.intp], pages: Keys) -> NDArray[np.intp]:
    """One number for each (series, page), in their order."""
    return series * _PAGE_NUMBERS + (pages + _PAGES_BELOW_ZERO)


def _width_for(pages: int) -> int:
    """Slots to have for this many pages: the next of 1, 2, 4, 8, 12, 16, ..., so that few insertions move anything."""
    return pages if pages <= 2 else -(-pages // 4) * 4
