"""Means and variances of many windows that end at each row of a block, from two cumulative sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

Lengths = NDArray[np.intp]


class WindowSums:
    """Cumulative sums of ``history [time, series]``; the block to judge is its last ``rows`` rows.

    Values are centred by ``centre [series]`` first, so that the sums of squares do not cancel.
    """

    def __init__(self, history: FloatArray, rows: int, centre: FloatArray) -> None:
        centred = history - centre
        self._sums = np.zeros((len(history) + 1, history.shape[1]))
        np.cumsum(centred, axis=0, out=self._sums[1:])
        self._squares = np.zeros_like(self._sums)
        np.cumsum(np.square(centred, out=centred), axis=0, out=self._squares[1:])
        self._stop = np.arange(len(history) - rows, len(history)) + 1  # one past each judged row

    def available(self, lengths: Lengths) -> NDArray[np.bool_]:
        """Whether so many rows of history are there, ``[row, length, 1]``."""
        return (self._stop[:, None] >= lengths)[:, :, None]

    def mean(self, lengths: Lengths, back: Lengths | int = 0) -> FloatArray:
        """Centred mean of the last ``lengths`` rows, ending ``back`` rows earlier: ``[row, length, series]``."""
        start, stop, size = self._bounds(lengths, back)
        return np.asarray((self._sums[stop] - self._sums[start]) / size)

    def mean_and_variance(self, lengths: Lengths, back: Lengths | int = 0) -> tuple[FloatArray, FloatArray]:
        """Centred mean and population variance of the same windows."""
        start, stop, size = self._bounds(lengths, back)
        mean = (self._sums[stop] - self._sums[start]) / size
        variance = (self._squares[stop] - self._squares[start]) / size - mean * mean
        return mean, np.maximum(variance, 0.0)

    def _bounds(self, lengths: Lengths, back: Lengths | int) -> tuple[Lengths, Lengths, FloatArray]:
        stop = np.maximum(self._stop[:, None] - back, 0) + np.zeros_like(lengths)
        start = np.maximum(stop - lengths, 0)
        return start, stop, np.maximum(stop - start, 1)[:, :, None].astype(np.float64)
