"""Which things begin together, or one before the other, more often than chance would have it.

Time is cut into bins; an *onset* is a bin in which an item begins and in whose predecessor it did not. Two items are
associated when onsets of the one fall near (or after) onsets of the other more often than if the onsets were shuffled
inside blocks of time. The blocks keep slow changes, such as day and night, from passing for an association; the tail
is exact (``stats.stratified_overlap_tail``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import Column
from .stats import benjamini_hochberg, binomial_tail, stratified_overlap_tail

BIN_SECONDS = 150.0
MIN_SUPPORT = 3
MAX_ITEMS = 100
_TOGETHER_BLOCK = 48  # bins: 2 hours
_AFTER_BLOCK = 144  # 6 hours
_AFTER_FIRST, _AFTER_LAST = 2, 24  # bins: from 5 minutes to one hour
_ONE_WAY = 0.05


@dataclass(frozen=True, slots=True)
class Onsets:
    """``began [bins, items]``; ``items`` are codes into the item column, the most frequent first."""

    began: NDArray[np.bool_]
    items: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Association:
    """Items ``first`` and ``second`` (positions in ``Onsets.items``) with what speaks for them.

    ``support`` counts onsets of the second near the first; ``confidence`` is the share of the first's onsets with the
    second near, ``coverage`` the share of the second's with the first near; ``lift`` is ``support`` over its mean when
    shuffled. ``adjusted_p_value`` is corrected for all pairs that were looked at.
    """

    first: int
    second: int
    support: int
    confidence: float
    coverage: float
    lift: float
    p_value: float
    adjusted_p_value: float


def onsets(item: Column, start: NDArray[np.float64], since: float, until: float) -> Onsets:
    """Onsets in ``[since, until)`` of the items that have enough of them.

    ``item [n]`` began at ``start [n]``; time is cut into whole blocks of bins, the last of which ends at ``until``.
    """
    blocks = max(1, int(np.ceil((until - since) / BIN_SECONDS / _AFTER_BLOCK)))
    bins = blocks * _AFTER_BLOCK
    index = np.floor_divide(start - (until - bins * BIN_SECONDS), BIN_SECONDS).astype(np.int64)
    index = np.clip(index, 0, bins - 1)
    counts = item.counts()
    frequent = np.flatnonzero(counts >= MIN_SUPPORT)
    frequent = frequent[np.argsort(-counts[frequent], kind="stable")][: 4 * MAX_ITEMS]
    position = np.full(counts.size + 1, frequent.size)  # rare and unknown items share the last column
    position[frequent] = np.arange(frequent.size)
    present = np.zeros((bins + 1, frequent.size + 1), dtype=bool)
    present[index + 1, position[item.codes]] = True
    began = (present[1:] & ~present[:-1])[:, :-1]
    onset_counts = began.sum(axis=0)
    enough = np.flatnonzero(onset_counts >= MIN_SUPPORT)
    enough = enough[np.argsort(-onset_counts[enough], kind="stable")][:MAX_ITEMS]
    return Onsets(np.ascontiguousarray(began[:, enough]), frequent[enough])


def near(began: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bins with an onset in them or next to them, ``[bins, items]``."""
    marked = began.copy()
    marked[1:] |= began[:-1]
    marked[:-1] |= began[1:]
    return marked


def after(began: NDArray[np.bool_], backwards: bool = False) -> NDArray[np.bool_]:
    """Bins from five minutes to an hour after an onset (before it, if ``backwards``), ``[bins, items]``."""
    marked = np.zeros_like(began)
    for lag in range(_AFTER_FIRST, _AFTER_LAST + 1):
        if lag >= began.shape[0]:
            break
        if backwards:
            marked[:-lag] |= began[lag:]
        else:
            marked[lag:] |= began[:-lag]
    return marked


def first_of_bursts(began: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Onsets without another of the same item in the hour before, ``[bins, items]``."""
    before = np.zeros((began.shape[0] + 1, began.shape[1]), dtype=np.int64)
    before[1:] = np.cumsum(began, axis=0)
    bins = np.arange(began.shape[0])
    quiet: NDArray[np.bool_] = before[bins] == before[np.maximum(bins - _AFTER_LAST, 0)]
    return began & quiet


def together(found: Onsets, alpha: float) -> list[Association]:
    """Pairs that begin within five minutes of each other, each pair once, the most certain first."""
    began, marked = found.began, near(found.began)
    overlap = _counts(marked, began)  # [i, j]: onsets of j near onsets of i
    pairs = [(i, j) for i in range(began.shape[1]) for j in range(i + 1, began.shape[1])]
    candidate = _unusual(overlap, marked, began, _TOGETHER_BLOCK)
    candidate &= candidate.T
    p_values = np.ones(len(pairs))
    for n, (i, j) in enumerate(pairs):
        if candidate[i, j]:
            p_values[n] = max(
                _tail(int(overlap[i, j]), marked[:, i], began[:, j], _TOGETHER_BLOCK),
                _tail(int(overlap[j, i]), marked[:, j], began[:, i], _TOGETHER_BLOCK),
            )
    return _significant(found, pairs, p_values, overlap, overlap.T, marked, alpha)


def precursors(found: Onsets, alpha: float, apart_from: set[tuple[int, int]]) -> list[Association]:
    """Ordered pairs where the second begins five minutes to an hour after the first, the most certain first.

    ``apart_from`` are pairs that begin together and are no news here. Of two directions the more certain is kept. A
    burst counts by its first onset alone: its others are announced by the first, not by another item. The second must
    also come after the first clearly more often than before it (sign test), or both merely keep the same hours.
    """
    found = Onsets(first_of_bursts(found.began), found.items)
    began, marked = found.began, after(found.began)
    overlap = _counts(marked, began)
    followed = _counts(began, after(found.began, backwards=True))  # [i, j]: onsets of i with j to come
    size = range(began.shape[1])
    pairs = [(i, j) for i in size for j in size if i != j]
    candidate = _unusual(overlap, marked, began, _AFTER_BLOCK) & (followed >= MIN_SUPPORT)
    p_values = np.ones(len(pairs))
    for n, (i, j) in enumerate(pairs):
        if not candidate[i, j] or (min(i, j), max(i, j)) in apart_from:
            continue
        after_it, before_it = int(overlap[i, j]), int(followed[j, i])
        if binomial_tail(after_it, after_it + before_it, 0.5) <= _ONE_WAY:
            p_values[n] = _tail(int(overlap[i, j]), marked[:, i], began[:, j], _AFTER_BLOCK)
    kept: dict[frozenset[int], Association] = {}
    for one in _significant(found, pairs, p_values, overlap, followed, marked, alpha):
        kept.setdefault(frozenset((one.first, one.second)), one)
    return list(kept.values())


def lead_times(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds from the latest start of the first to each start of the second within the hour, both ascending."""
    previous = np.searchsorted(first, second - _AFTER_FIRST * BIN_SECONDS, side="right") - 1
    lead = np.where(previous >= 0, second - first[np.maximum(previous, 0)], np.inf)
    return lead[lead <= (_AFTER_LAST + 1) * BIN_SECONDS]


def matched_rows(
    starts: NDArray[np.float64], item: Column, first: int, second: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of ``first`` and, for each, the nearest row of ``second`` (item codes) within five minutes of it."""
    a, b = np.flatnonzero(item.codes == first), np.flatnonzero(item.codes == second)
    if not a.size or not b.size:
        return a[:0], b[:0]
    right = np.clip(np.searchsorted(starts[b], starts[a]), 1, max(1, b.size - 1))
    left, right = b[right - 1], b[np.minimum(right, b.size - 1)]
    nearest = np.where(np.abs(starts[left] - starts[a]) <= np.abs(starts[right] - starts[a]), left, right)
    close = np.abs(starts[nearest] - starts[a]) <= 2 * BIN_SECONDS
    return a[close], nearest[close]


def _counts(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.rint(left.astype(np.float32).T @ right.astype(np.float32)).astype(np.int64)


def _unusual(
    overlap: NDArray[np.int64], marked: NDArray[np.bool_], drawn: NDArray[np.bool_], block: int
) -> NDArray[np.bool_]:
    """Pairs ``[items, items]`` more than three standard deviations above their mean; others have no small p-value."""
    blocks = (marked.shape[0] // block, block, marked.shape[1])
    marks = marked.reshape(blocks).sum(axis=1).astype(np.float64)
    draws = drawn.reshape(blocks).sum(axis=1).astype(np.float64)
    mean = marks.T @ draws / block
    variance = (marks * (block - marks)).T @ (draws * (block - draws)) / (block**2 * (block - 1))
    unusual: NDArray[np.bool_] = (overlap >= MIN_SUPPORT) & (overlap > mean + 3.0 * np.sqrt(variance))
    return unusual


def _tail(overlap: int, marked: NDArray[np.bool_], drawn: NDArray[np.bool_], block: int) -> float:
    marks, draws = marked.reshape(-1, block).sum(axis=1), drawn.reshape(-1, block).sum(axis=1)
    return stratified_overlap_tail(overlap, np.full(marks.size, block), marks, draws)


def _significant(
    found: Onsets,
    pairs: list[tuple[int, int]],
    p_values: NDArray[np.float64],
    overlap: NDArray[np.int64],
    followed: NDArray[np.int64],
    marked: NDArray[np.bool_],
    alpha: float,
) -> list[Association]:
    adjusted = benjamini_hochberg(p_values)
    began = found.began.sum(axis=0)
    share_marked = marked.mean(axis=0)
    associations = [
        Association(
            first=i,
            second=j,
            support=int(overlap[i, j]),
            confidence=float(followed[i, j] / began[i]),
            coverage=float(overlap[i, j] / began[j]),
            lift=float(overlap[i, j] / (share_marked[i] * began[j])),
            p_value=float(p_values[n]),
            adjusted_p_value=float(adjusted[n]),
        )
        for n, (i, j) in enumerate(pairs)
        if adjusted[n] <= alpha and p_values[n] < 1.0
    ]
    return sorted(associations, key=lambda one: (one.p_value, -one.support, one.first, one.second))
