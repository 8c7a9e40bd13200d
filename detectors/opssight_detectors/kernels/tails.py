"""How surprising a magnitude is among the magnitudes of its own past.

Each stream keeps a histogram of its past magnitudes in quarter-octave bins. Inside the body the
surprise of x is ``-log10`` of the share of the past that was at least x; beyond the quantile ``u``
above which 5 % lie, the tail is taken as exponential with the past's mean excess ``m``:
``-log10(share above u) + (x - u) / (m ln 10)``, after J. Pickands, "Statistical inference using
extreme order statistics" (1975). The tables are renewed after a share of new rows, not at each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

LOWEST_OCTAVE = -6
BINS_PER_OCTAVE = 4
BINS = 65
TAIL_SHARE = 0.05
MIN_COUNT = 20  # below it a stream has no opinion
LARGEST_SURPRISE = 5.0
FAR = 1e6  # beyond so many starts of the tail everything is as surprising

_EDGES = 2.0 ** (LOWEST_OCTAVE + np.arange(BINS) / BINS_PER_OCTAVE)
_CENTRES = _EDGES * 2.0 ** (0.5 / BINS_PER_OCTAVE)
_TO_LOG10 = np.float32(1.0 / np.log(10.0))


@dataclass(slots=True)
class Tails:
    """Histograms and the tables made of them; ``streams`` by ``series``."""

    counts: NDArray[np.float32]  # [stream, bin, series]
    body: NDArray[np.float32]  # surprise of each bin, same shape
    start: FloatArray  # u, [stream, series]
    slope: FloatArray  # 1 / (m ln 10), [stream, series]
    at_start: FloatArray  # surprise at u
    ready: NDArray[np.bool_]  # [stream, series]

    def copy(self) -> Tails:
        return Tails(*(getattr(self, name).copy() for name in self.__slots__))


def empty_tails(streams: int, series: int) -> Tails:
    """Tails that have seen nothing."""
    histogram = (streams, BINS, series)
    flat = (streams, series)
    return Tails(
        counts=np.zeros(histogram, np.float32),
        body=np.zeros(histogram, np.float32),
        start=np.ones(flat),
        slope=np.zeros(flat),
        at_start=np.zeros(flat),
        ready=np.zeros(flat, np.bool_),
    )


def bins_of(magnitudes: FloatArray) -> NDArray[np.int8]:
    """The bin of each magnitude; -1 for NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        position = (np.log2(magnitudes) - LOWEST_OCTAVE) * BINS_PER_OCTAVE
    clipped = np.clip(position, 0, BINS - 1)
    return np.where(np.isnan(clipped), -1, np.floor(clipped)).astype(np.int8)


def surprise(tails: Tails, magnitudes: FloatArray, bins: NDArray[np.int8]) -> FloatArray:
    """Surprise of ``magnitudes [row, stream, series]``, at most 5; 0 where a stream has no opinion."""
    streams, _, series = tails.body.shape
    base = (np.arange(streams) * (BINS * series))[:, None] + np.arange(series)
    inside = tails.body.reshape(-1)[base + np.maximum(bins, 0).astype(np.intp) * series]
    with np.errstate(invalid="ignore"):
        beyond = tails.at_start + (np.minimum(magnitudes, FAR * tails.start) - tails.start) * tails.slope
        value = np.where(magnitudes > tails.start, beyond, inside)
    known = tails.ready & (bins >= 0)
    return np.where(known, np.minimum(value, LARGEST_SURPRISE), 0.0)


def learn(tails: Tails, blocks: Sequence[NDArray[np.int8]]) -> None:
    """Add blocks of bins ``[row, stream, series]`` and renew the tables, in place."""
    streams, _, series = tails.counts.shape
    base = (np.arange(streams) * (BINS * series))[:, None] + np.arange(series)
    flat = tails.counts.reshape(-1)
    for bins in blocks:
        cells = base + bins.astype(np.intp) * series
        np.add.at(flat, cells[bins >= 0], np.float32(1))
    _renew(tails)


def _renew(tails: Tails) -> None:
    counts = tails.counts
    at_least = _from_the_top(counts)
    total = at_least[:, 0]
    np.divide(total[:, None] + np.float32(1), at_least + np.float32(0.5), out=tails.body)
    np.log(tails.body, out=tails.body)  # single precision: half the table, and several times the speed
    np.maximum(tails.body * _TO_LOG10, np.float32(0), out=tails.body)
    bin_of_start = np.maximum((at_least >= TAIL_SHARE * total[:, None]).sum(axis=1) - 1, 0)
    tail = np.take_along_axis(at_least, bin_of_start[:, None, :], axis=1)[:, 0].astype(np.float64)
    mass_at_least = _from_the_top(counts * _CENTRES.astype(np.float32)[:, None])
    tail_mass = np.take_along_axis(mass_at_least, bin_of_start[:, None, :], axis=1)[:, 0]
    tails.start = _EDGES[bin_of_start]
    excess = np.maximum(tail_mass / np.maximum(tail, 1e-9) - tails.start, 0.05 * tails.start)
    tails.slope = 1.0 / (excess * np.log(10.0))
    tails.at_start = np.log10((total + 1) / (tail + 0.5))
    tails.ready = total >= MIN_COUNT


def _from_the_top(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over this bin and those above it; of many series a loop over 65 bins is four times as fast as ``cumsum``."""
    if counts.shape[2] < 4:
        return counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    sums = np.empty_like(counts)
    sums[:, -1] = counts[:, -1]
    for row in range(counts.shape[1] - 2, -1, -1):
        np.add(sums[:, row + 1], counts[:, row], out=sums[:, row])
    return sums
