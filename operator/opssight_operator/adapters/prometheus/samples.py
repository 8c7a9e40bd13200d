"""The samples of a piece of an answer: ``[1700000000,"0.5"],[1700000060,"0.25"]`` to times and floats.

The text that Prometheus writes has one shape, with times of ten digits, and is read as a whole by numpy. Text of any
other shape, such as times with a fraction, is read as ordinary JSON. Both give the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from opssight_operator.core.observation import FloatArray

from .decimals import REACH, Words, decimal, decimals, eight_digits, windows

Milliseconds = NDArray[np.int64]

_LATEST = 2.0**43  # seconds
SMALL = 2048  # bytes; below that, starting numpy takes longer than reading the text one by one
_BETWEEN = b"],["  # two samples
_HEAD = 18  # bytes from the last two of the value before to the value: 2 + '"],[' + 10 digits + ',"'
_FRONT = b"0" * REACH + b'"'
_BACK = b"0" * REACH
_QUOTE = np.uint8(ord('"'))
_EXPECTED = np.uint64(int.from_bytes(b'"],[00', "little"))
_ZEROS = np.uint64(0x3030303030303030)
# sums that reach the highest bit of a byte that is not as expected: no 0 in the first four, above 9 in the others
_TWO_DIGITS = np.uint64(0x76767F7F7F7F)
_EIGHT_DIGITS, _HIGH_BITS = np.uint64(0x7676767676767676), np.uint64(0x8080808080808080)
_BYTE, _TWO = np.uint64(0xFF), np.uint64(0xFFFF)
_8, _16, _32 = np.uint64(8), np.uint64(16), np.uint64(32)
_TEN, _HUNDRED_MILLIONS = np.uint64(10), np.uint64(10**8)
_COMMA_QUOTE = np.uint64(int.from_bytes(b',"', "little"))
_decode = msgspec.json.Decoder(list[tuple[float, str]]).decode


Buffer = bytes | memoryview


class Samples:
    """What several pieces of text held: for each piece how many samples, and all of them in one row."""

    __slots__ = ("counts", "moments", "values")

    def __init__(self, counts: list[int], moments: Milliseconds, values: FloatArray) -> None:
        self.counts = counts
        self.moments = moments
        self.values = values


def read_samples(pieces: Sequence[Buffer]) -> Samples:
    """The samples of each piece; a piece is what stands between ``[[`` and ``]]``.

    Raises ``msgspec.MsgspecError`` or ``ValueError`` for what are no samples.
    """
    if sum(len(piece) for piece in pieces) >= SMALL:
        samples = _at_once(pieces)
        if samples is not None:
            return samples
    return _one_by_one(pieces)


def _one_by_one(pieces: Sequence[Buffer]) -> Samples:
    counts: list[int] = []
    moments: list[int] = []
    values: list[float] = []
    for piece in pieces:
        pairs = _decode(b"".join((b"[[", piece, b"]]")))
        counts.append(len(pairs))
        moments.extend(milliseconds(seconds) for seconds, _ in pairs)
        values.extend(decimal(text.encode()) for _, text in pairs)
    return Samples(counts, np.array(moments, dtype=np.int64), np.array(values, dtype=np.float64))


def milliseconds(seconds: float) -> int:
    """A time as Prometheus counts it; ``ValueError`` for one beyond all calendars."""
    if not abs(seconds) < _LATEST:
        raise ValueError(f"{seconds} is not a time")
    return round(seconds * 1000)


def _at_once(pieces: Sequence[Buffer]) -> Samples | None:
    """All samples, or None when the text has not the usual shape."""
    text = np.frombuffer(_BETWEEN.join((_FRONT, *pieces, _BACK)), dtype=np.uint8)
    quotes = np.flatnonzero(text == _QUOTE)
    if len(quotes) % 2 == 0 or quotes[-1] + 1 != len(text) - len(_BACK) - len(_BETWEEN):
        return None
    starts, ends = quotes[1::2] + 1, quotes[2::2]
    heads = windows(text, REACH)[starts - _HEAD].view("<u8").reshape(-1, 3)
    seconds = _seconds(heads)
    if seconds is None:
        return None
    del heads
    lengths = np.array([len(piece) + len(_BETWEEN) for piece in pieces])
    borders = np.searchsorted(starts, np.cumsum(lengths) + len(_FRONT) + len(_BETWEEN))
    counts: list[int] = np.diff(borders, prepend=0).tolist()
    return Samples(counts, seconds * 1000, decimals(text, starts, ends))


def _seconds(heads: Words) -> Milliseconds | None:
    """The times in front of the values, or None unless each head is ``"],[`` + ten digits + ``,"``."""
    before = (heads[:, 0] >> _16) ^ _EXPECTED
    low = heads[:, 1] ^ _ZEROS
    faults = ((before + _TWO_DIGITS) | before | (low + _EIGHT_DIGITS) | low) & _HIGH_BITS
    faults |= (heads[:, 2] & _TWO) ^ _COMMA_QUOTE
    if np.bitwise_or.reduce(faults):
        return None
    high = before >> _32  # the first digit in the lowest byte, the second in the next
    seconds = ((high * _TEN + (high >> _8)) & _BYTE) * _HUNDRED_MILLIONS + eight_digits(low)
    return seconds.view(np.int64)
