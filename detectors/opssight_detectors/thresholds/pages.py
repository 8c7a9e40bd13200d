"""Counts of many series in sorted pages of neighbouring bins.

A page is 32 bins, a quarter of an octave. A series has as many pages as its values occupy, so that memory
follows their range; beyond 128 pages (32 octaves) its smallest magnitudes count as zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .bins import Keys

PAGE = 32  # bins in a page
MAX_PAGES = 128
_EMPTY = np.int32(np.iinfo(np.int32).max)  # the page number of a free slot; sorts last
_TABLE_FROM = 256  # samples a series from which a table of all page numbers beats comparing
_PAGES_BELOW_ZERO = 1 << 14
_PAGE_NUMBERS = 1 << 15  # all possible ones

Weights = NDArray[np.float32]


class PagedCounts:
    """Weights of bins: ``pages [series, slot]``, ``counts [series, slot, 32]`` and their ``page_sums``.

    ``smallest [series]`` is the key below which a magnitude counts as zero. Mutable, and private to a bank.
    """

    def __init__(self, n_series: int) -> None:
        self.pages: Keys = np.full((n_series, 1), _EMPTY, dtype=np.int32)
        self.counts: Weights = np.zeros((n_series, 1, PAGE), dtype=np.float32)
        self.page_sums: FloatArray = np.zeros((n_series, 1))
        self.smallest: Keys = np.zeros(n_series, dtype=np.int32)

    @classmethod
    def stacked(cls, parts: list[PagedCounts]) -> PagedCounts:
        """All series of the parts, in their order."""
        whole = cls(0)
        if parts:
            width = max(part.pages.shape[1] for part in parts)
            for part in parts:
                part.widen(width)
            whole.pages = np.concatenate([part.pages for part in parts])
            whole.counts = np.concatenate([part.counts for part in parts])
            whole.page_sums = np.concatenate([part.page_sums for part in parts])
            whole.smallest = np.concatenate([part.smallest for part in parts])
        return whole

    @property
    def n_series(self) -> int:
        """How many series there are."""
        return len(self.pages)

    @property
    def last_slot(self) -> NDArray[np.intp]:
        """The last slot of each series that is in use, 0 when none is."""
        return np.asarray(np.maximum((self.pages != _EMPTY).sum(axis=1) - 1, 0), dtype=np.intp)

    def scale(self, factor: float) -> None:
        """Multiply every weight."""
        self.counts *= np.float32(factor)
        self.page_sums = self.counts.sum(axis=2, dtype=np.float64)

    def bins(self, series: int) -> tuple[Keys, FloatArray]:
        """Keys (ascending) and weights of the bins of one series that hold anything."""
        slot, offset = np.nonzero(self.counts[series])
        keys = self.pages[series, slot] * PAGE + offset.astype(np.int32)
        return keys, self.counts[series, slot, offset].astype(np.float64)

    def add(self, series: NDArray[np.intp], keys: Keys, weights: FloatArray) -> None:
        """Add weight (exact in float32) to bins; flat arrays, an entry a sample."""
        slot = self._find(series, keys >> 5)
        if len(slot) and int(slot.min()) < 0:
            self._make_room(series[slot < 0], keys[slot < 0] >> 5)
            keys = self.storable(series, keys)
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

    def storable(self, series: NDArray[np.intp], keys: Keys) -> Keys:
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
            keys = self.storable(series, pages * PAGE)
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
        self.widen(_width_for(int(per_row.max())))
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
        self.add(owner, self.storable(owner, keys), weights)

    def widen(self, width: int) -> None:
        extra = width - self.pages.shape[1]
        if extra > 0:
            self.pages = np.pad(self.pages, ((0, 0), (0, extra)), constant_values=_EMPTY)
            self.counts = np.pad(self.counts, ((0, 0), (0, extra), (0, 0)))
            self.page_sums = np.pad(self.page_sums, ((0, 0), (0, extra)))


def _page_id(series: NDArray[np.intp], pages: Keys) -> NDArray[np.intp]:
    """One number for each (series, page), in their order."""
    return series * _PAGE_NUMBERS + (pages + _PAGES_BELOW_ZERO)


def _width_for(pages: int) -> int:
    """Slots to have for this many pages: the next of 1, 2, 4, 8, 12, 16, ..., so that few insertions move anything."""
    return pages if pages <= 2 else -(-pages // 4) * 4
