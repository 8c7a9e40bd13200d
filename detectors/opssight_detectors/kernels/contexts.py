"""How new a value is in its context: after these values, at this time of day.

The value is put into bins of the range seen so far. For each context (none, the last value, the last
two, the hour, the hour and the last value) the share of its past that fell into the same bin gives a
surprise, ``-log10((count + a) / (total + a * bins))``. The idea is that of M. Smirnov's Contextual
Anomaly Detector and of context mixing in data compression (M. Mahoney, 2005), in its plainest form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

SMOOTHING = 0.1
HOURS = 24
LARGEST_SURPRISE = 5.0

Symbols = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ContextPlan:
    """Which alphabet and which past each context looks at; every array has one entry a context."""

    alphabet: NDArray[np.intp]  # which row of symbols
    size: NDArray[np.intp]  # letters of that alphabet
    hour_weight: NDArray[np.intp]  # the cell is the sum of weight * (hour, last symbol, the one before)
    last_weight: NDArray[np.intp]
    before_weight: NDArray[np.intp]
    offset: NDArray[np.intp]  # first cell of the context's table
    total_offset: NDArray[np.intp]
    cells: int
    totals: int

    def __len__(self) -> int:
        return len(self.alphabet)


def plan_contexts(sizes: tuple[int, ...], kinds: tuple[tuple[str, ...], ...]) -> ContextPlan:
    """The layout for alphabets of these sizes; ``kinds`` of each: none, last, last2, hour, hour-last."""
    columns: list[tuple[int, int, int, int, int, int]] = []
    for row, (size, names) in enumerate(zip(sizes, kinds, strict=True)):
        weights = {
            "none": (0, 0, 0, 1),
            "last": (0, 1, 0, size),
            "last2": (0, size, 1, size * size),
            "hour": (1, 0, 0, HOURS),
            "hour-last": (size, 1, 0, HOURS * size),
        }
        columns += [(row, size, *weights[name]) for name in names]
    table = np.array(columns, dtype=np.intp).T
    alphabet, size_of, hour, last, before, contexts = table
    cells = contexts * size_of
    return ContextPlan(
        alphabet=alphabet,
        size=size_of,
        hour_weight=hour,
        last_weight=last,
        before_weight=before,
        offset=np.cumsum(cells) - cells,
        total_offset=np.cumsum(contexts) - contexts,
        cells=int(cells.sum()),
        totals=int(contexts.sum()),
    )


@dataclass(slots=True)
class Contexts:
    """Counts of each context, and the last two symbols."""

    counts: NDArray[np.float32]  # [cell, series]
    totals: NDArray[np.float32]  # [context value, series]
    last: Symbols  # [alphabet, series]
    before: Symbols
    seen: NDArray[np.int64]  # [series]

    def copy(self) -> Contexts:
        return Contexts(*(getattr(self, name).copy() for name in self.__slots__))


def empty_contexts(plan: ContextPlan, series: int) -> Contexts:
    """Counts that have seen nothing."""
    alphabets = int(plan.alphabet.max()) + 1
    return Contexts(
        counts=np.zeros((plan.cells, series), np.float32),
        totals=np.zeros((plan.totals, series), np.float32),
        last=np.zeros((alphabets, series), np.intp),
        before=np.zeros((alphabets, series), np.intp),
        seen=np.zeros(series, np.int64),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows of symbols fall in the flat tables; NaN rows are marked by ``there``."""

    cells: Symbols  # [row, context, series]
    contexts: Symbols
    there: NDArray[np.bool_]  # [row, series]


def place_of(
    plan: ContextPlan, contexts: Contexts, symbols: Symbols, hours: Symbols, there: NDArray[np.bool_]
) -> Place:
    """The places of ``symbols [row, alphabet, series]`` at ``hours [row]``; moves the last symbols on, in place.

    A missing row repeats the symbol before it.
    """
    if not there.all():
        symbols = symbols.copy()
        for row in range(len(symbols)):
            earlier = symbols[row - 1] if row else contexts.last
            symbols[row] = np.where(there[row], symbols[row], earlier)
    trail = np.concatenate([contexts.before[None], contexts.last[None], symbols])
    contexts.before, contexts.last = trail[-2], trail[-1]
    value = (
        plan.hour_weight[:, None] * hours[:, None, None]
        + plan.last_weight[:, None] * trail[1:-1][:, plan.alphabet]
        + plan.before_weight[:, None] * trail[:-2][:, plan.alphabet]
    )
    each = np.arange(symbols.shape[2])
    series = len(each)
    cells = plan.offset[:, None] + value * plan.size[:, None] + symbols[:, plan.alphabet]
    return Place(cells * series + each, (plan.total_offset[:, None] + value) * series + each, there)


def novelty(plan: ContextPlan, contexts: Contexts, place: Place) -> FloatArray:
    """Surprise ``[row, context, series]``, at most 5; 0 where nothing is there or nothing is known."""
    count = contexts.counts.reshape(-1)[place.cells]
    total = contexts.totals.reshape(-1)[place.contexts]
    total += (SMOOTHING * plan.size[:, None]).astype(np.float32)
    count += np.float32(SMOOTHING)
    total /= count
    value = np.log(total, out=total) * (1.0 / np.log(10.0))  # single precision takes a fifth of the time
    known = place.there[:, None] & (contexts.seen >= 4)
    return np.where(known, np.minimum(value, LARGEST_SURPRISE), 0.0)


def learn(contexts: Contexts, places: Sequence[Place]) -> None:
    """Count judged rows, in place; missing rows count nothing."""
    for place in places:
        if place.there.all():
            np.add.at(contexts.counts.reshape(-1), place.cells.reshape(-1), np.float32(1))
            np.add.at(contexts.totals.reshape(-1), place.contexts.reshape(-1), np.float32(1))
        else:
            counted = np.broadcast_to(place.there[:, None], place.cells.shape)
            np.add.at(contexts.counts.reshape(-1), place.cells[counted], np.float32(1))
            np.add.at(contexts.totals.reshape(-1), place.contexts[counted], np.float32(1))
        contexts.seen += place.there.sum(axis=0)
