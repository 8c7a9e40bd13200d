"""One decaying histogram in at most 4 kB.

Layout, little endian: version (1 byte), flags (1), reference time and half-life (8 each), total weight
(8), smallest kept magnitude (4), number of bins (2), the first key (4), then the gap to each next key as
a base-128 varint, then the weight of each bin as a float16, in a unit that keeps counts below 2048 exact.
What rounding takes from a bin the next one gets, so that errors do not add up and quantiles stay in their bins.
Where the bins do not fit, those on the side away from the guarded tail become one bin.
"""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .base import Bound
from .bins import Keys
from .histogram import HistogramBank

MAX_BYTES = 4096
_VERSION = 1
_SMALLEST = 2.0**-24  # float16 above zero: a bin never vanishes
_HEADER = struct.Struct("<BBdddiHi")


def to_bytes(bank: HistogramBank, series: int = 0, keep: Bound = Bound.UPPER) -> bytes:
    """One series of a bank as at most ``MAX_BYTES`` bytes; ``keep`` is the tail that must stay exact."""
    keys, weights = bank.bins(series)
    while True:
        body = _body(keys, weights)
        excess = _HEADER.size + len(body) - MAX_BYTES
        if excess <= 0:
            break
        keys, weights = _without(-(-excess // 3), keys, weights, keep)
    first = int(keys[0]) if len(keys) else 0
    header = (bank.reference, bank.half_life, float(weights.sum()), int(bank.table.smallest[series]), len(keys), first)
    return _HEADER.pack(_VERSION, 0, *header) + body


def from_bytes(data: bytes) -> HistogramBank:
    """The bank of one series that ``to_bytes`` wrote; ValueError when the bytes are something else."""
    if len(data) < _HEADER.size or data[0] != _VERSION:
        raise ValueError(f"a histogram must begin with version {_VERSION} and a header of {_HEADER.size} bytes")
    _, _, reference, half_life, total, smallest, count, first = _HEADER.unpack_from(data)
    gaps, used = _varints(data[_HEADER.size :], max(count - 1, 0))
    rest = data[_HEADER.size + used :]
    if len(rest) != 2 * count:
        raise ValueError(f"a histogram of {count} bins must carry {2 * count} bytes of weights, not {len(rest)}")
    shares = np.frombuffer(rest, dtype="<f2")
    bank = HistogramBank(1, half_life)
    bank.reference = reference
    if count:
        keys = np.cumsum(np.concatenate(([first], gaps))).astype(np.int32)
        weights = shares.astype(np.float64) * (total / max(float(shares.sum(dtype=np.float64)), 1e-300))
        bank.add_bins(keys, weights)
        bank.table.smallest[0] = smallest
    return bank


def _body(keys: Keys, weights: FloatArray) -> bytes:
    gaps = np.diff(keys.astype(np.int64))
    size = np.ones(len(gaps), dtype=np.int64)
    for more in (7, 14):
        size += gaps >= 1 << more
    out = bytearray()
    for gap, length in zip(gaps.tolist(), size.tolist(), strict=True):
        for _ in range(length - 1):
            out.append(gap & 127 | 128)
            gap >>= 7  # noqa: PLW2901
        out.append(gap)
    return bytes(out) + _rounded(weights).tobytes()


def _rounded(weights: FloatArray) -> NDArray[np.float16]:
    """The weights in a power of two of which the largest has 11 bits, as many as a float16 holds."""
    _, exponent = math.frexp(float(weights.max(initial=0.0)) or 1.0)
    shares = np.ldexp(weights, 11 - exponent)
    kept = shares.astype("<f2")
    if (kept == shares).all():
        return kept
    owed = 0.0
    for index, share in enumerate(shares.tolist()):
        kept[index] = max(share + owed, _SMALLEST)
        owed += share - float(kept[index])
    return kept


def _varints(data: bytes, count: int) -> tuple[NDArray[np.int64], int]:
    found: list[int] = []
    position = 0
    while len(found) < count:
        value = shift = 0
        while True:
            if position >= len(data):
                raise ValueError(f"a histogram of {count + 1} bins ends after {len(found) + 1}")
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found.append(value)
    return np.array(found, dtype=np.int64), position


def _without(surplus: int, keys: Keys, weights: FloatArray, keep: Bound) -> tuple[Keys, FloatArray]:
    """The bins with the ``surplus`` + 1 farthest from the guarded tail in one."""
    merged = surplus + 1
    if keep is Bound.UPPER:
        return keys[surplus:], np.concatenate(([weights[:merged].sum()], weights[merged:]))
    return keys[:-surplus], np.concatenate((weights[:-merged], [weights[-merged:].sum()]))
