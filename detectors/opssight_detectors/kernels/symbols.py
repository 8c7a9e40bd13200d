"""The letters that contexts count: a value as its bin in the range so far, as its deviation and as its change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

RANGE_SIZES = (4, 6, 8, 12, 20)  # bins of the range seen so far
DEVIATION_EDGES = np.array([-2, -1, -0.3, 0.3, 1, 2, 3, 5])  # in standard deviations from the mean
CHANGE_EDGES = np.array([-4, -1.5, -0.3, 0.3, 1.5, 4])  # in mean absolute changes
ALPHABETS = (*RANGE_SIZES, len(DEVIATION_EDGES) + 1, len(CHANGE_EDGES) + 1)  # letters of each

_SIZES = np.array(RANGE_SIZES)[:, None]


@dataclass(slots=True)
class Scale:
    """What the letters are measured by; every array is ``[series]``."""

    low: FloatArray  # the range seen so far
    high: FloatArray
    previous: FloatArray
    change: FloatArray  # mean absolute change

    def copy(self) -> Scale:
        return Scale(*(getattr(self, name).copy() for name in self.__slots__))


def empty_scale(series: int) -> Scale:
    """A scale that has seen nothing."""
    return Scale(np.full(series, np.inf), np.full(series, -np.inf), np.full(series, np.nan), np.zeros(series))


def symbols_of(
    scale: Scale,
    x: FloatArray,
    there: NDArray[np.bool_],
    mean: FloatArray,
    spread: FloatArray,
    known: NDArray[np.bool_],
) -> tuple[NDArray[np.intp], FloatArray]:
    """Letters ``[row, alphabet, series]`` of ``x [row, series]``, and its changes; moves range and newest value on.

    ``mean`` and ``spread`` are those of the past, where they are ``known``; all ``[series]``.
    """
    low = np.minimum.accumulate(np.fmin(x, np.inf), axis=0)
    high = np.maximum.accumulate(np.fmax(x, -np.inf), axis=0)
    low, high = np.minimum(low, scale.low), np.maximum(high, scale.high)
    scale.low, scale.high = low[-1], high[-1]
    width = np.where(high > low, high - low, 1.0)
    share = np.where(there, (x - low) / width, 0.0)[:, None]
    in_range = np.minimum((share * _SIZES).astype(np.intp), _SIZES - 1)

    deviation = (x - mean) / np.maximum(spread, 1e-9 + 1e-3 * np.abs(mean))
    deviation = np.where(there & known, deviation, 0.0)

    index = np.where(there, np.arange(1, len(x) + 1)[:, None], 0)
    trail = np.concatenate([scale.previous[None], x])
    before = np.concatenate([np.zeros_like(index[:1]), np.maximum.accumulate(index, axis=0)])
    step = x - trail[before[:-1], np.arange(x.shape[1])]
    scale.previous = trail[before[-1], np.arange(x.shape[1])]
    moves = scale.change > 1e-150
    change = np.where(~np.isnan(step) & moves, step, 0.0) / np.where(moves, scale.change, 1.0)
    derived = [
        np.searchsorted(DEVIATION_EDGES, deviation, side="right"),
        np.searchsorted(CHANGE_EDGES, change, side="right"),
    ]
    return np.concatenate([in_range, np.stack(derived, axis=1)], axis=1), step


def learn(scale: Scale, changes: Sequence[FloatArray], counted: FloatArray) -> None:
    """Take the changes of judged blocks into their mean, in place; ``counted`` samples of each series so far."""
    steps = np.abs(np.concatenate(changes))
    moved = ~np.isnan(steps)
    share = np.minimum(moved.sum(axis=0) / np.maximum(counted, 1.0), 1.0)
    mean = np.where(moved, steps, 0.0).sum(axis=0) / np.maximum(moved.sum(axis=0), 1)
    scale.change = scale.change + share * (mean - scale.change)
