"""Decimal numbers in a text to floats, thousands at a time, exact to the last bit.

Prometheus writes each sample as text, and reading that text is nearly all the work of a fetch. Here numpy does it
for a whole piece of an answer: eight digits are three multiplications of one 64-bit word, and the decimal point is
divided out in double-double arithmetic, whose result is rounded once. What this cannot read for certain (exponents,
NaN, infinities, more digits than 64 bits hold, a quotient too close to the middle of two floats) is left to
``float``, one by one.

The eight-digit step is the well-known "SIMD within a register" reduction; the exact product is Dekker's (1971).
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opssight_operator.core.observation import FloatArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Positions = NDArray[np.intp]

WORD = 8
REACH = 3 * WORD  # bytes in front of a number's end that are looked at
NORMAL_NAN = np.uint64(0x7FF8000000000001).view(np.float64)
"""What a sample that is not a number becomes: Prometheus' own bits, so that it differs from "no sample"."""

_NUMBER = re.compile(rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|Inf)|NaN")
_ZERO, _MINUS = np.uint8(ord("0")), np.uint8(ord("-"))
_POINT = np.uint8(ord(".") ^ ord("0"))
_PAIRS, _FOURS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_TEN_1, _TEN_2, _TEN_4 = np.uint64(10 << 8 | 1), np.uint64(100 << 16 | 1), np.uint64(10_000 << 32 | 1)
_1, _8, _16, _32 = (np.uint64(n) for n in (1, 8, 16, 32))
_ABOVE_9, _HIGH_BITS = np.uint64(0x7676767676767676), np.uint64(0x8080808080808080)
_POINT_WORD = np.uint64(_POINT)
_LARGEST_PART = np.uint64(999)
_WORD = np.uint8(WORD)
_LENGTHS = range(REACH + 1)
_SPLIT = 134217729.0  # 2**27 + 1
_DOUBT = 2.0**-40
# by the number of digits behind the point plus one, 0 for a number without a point
_POWERS = np.array([1.0, *(float(10**k) for k in range(23))])  # exact, as 5**22 < 2**53
_POWERS_HIGH = _SPLIT * _POWERS - (_SPLIT * _POWERS - _POWERS)
_POWERS_LOW = _POWERS - _POWERS_HIGH
_TENS = np.array([min(10**k, 2**64 - 1) for k in range(24)], dtype=np.uint64)  # beyond 10**19 a quotient is 0 anyway
_SURPLUS = np.array([0, *(min(9 * 10**k, 2**64 - 1) for k in range(23))], dtype=np.uint64)


def _masks(words: int) -> Words:
    """For each length, the bytes of so many words in a row that belong to a number at their end, ``[length, word]``."""
    kept = [[min(max(length - WORD * (words - 1 - word), 0), WORD) for word in range(words)] for length in _LENGTHS]
    return np.array([[(1 << 64) - (1 << (64 - 8 * n)) for n in row] for row in kept], dtype=np.uint64)


_MASKS = {words: _masks(words) for words in (1, 2, 3)}


def decimals(text: Bytes, starts: Positions, ends: Positions) -> FloatArray:
    """The numbers ``text[start:end]``, as ``float`` would read each; NaN becomes ``NORMAL_NAN``.

    At least ``REACH`` bytes must stand before the first end. Raises ``ValueError`` for what is no number.
    """
    if not len(starts):
        return np.empty(0)
    negative = text[starts] == _MINUS
    lengths = ends - starts - negative
    total, behind, bad = _digits(text, lengths, ends)
    if behind is None:
        values = total.astype(np.float64)
    else:
        values, doubtful = _scaled(total, behind)
        bad |= doubtful
    if negative.any():
        np.negative(values, out=values, where=negative)
    for index in np.flatnonzero(bad):
        values[index] = decimal(text[starts[index] : ends[index]].tobytes())
    return values


def windows(text: Bytes, width: int) -> NDArray[np.void]:
    """``text[i : i + width]`` for each ``i``, as one item of as many bytes that can be gathered at once."""
    return np.ndarray(shape=(max(len(text) - width + 1, 0),), dtype=f"V{width}", buffer=text, strides=(1,))


def eight_digits(word: Words) -> Words:
    """The number that eight bytes of 0 to 9 spell, the first in the lowest byte."""
    number = word * _TEN_1
    number >>= _8
    number &= _PAIRS
    number *= _TEN_2
    number >>= _16
    number &= _FOURS
    number *= _TEN_4
    number >>= _32
    return number


def no_digits(word: Words) -> Words:
    """Not zero where a byte is above 9."""
    found = word + _ABOVE_9
    found |= word
    found &= _HIGH_BITS
    return found


def _digits(
    text: Bytes, lengths: Positions, ends: Positions
) -> tuple[Words, NDArray[np.uint8] | None, NDArray[np.bool_]]:
    """What the numbers, without their signs, spell.

    All digits of each as one integer, with a 0 in the place of the point; the number of digits behind the point, plus
    one, or 0 without a point (None when none has one); and which are no plain numbers of at most 19 digits.
    """
    width = min(-(-int(lengths.max()) // WORD), REACH // WORD) or 1
    bad = (lengths > REACH) | (lengths < 1)
    mask = _MASKS[width].take(lengths, axis=0, mode="clip")
    digits = windows(text, WORD * width)[ends - WORD * width].view(np.uint8)
    digits ^= _ZERO
    points = (digits == _POINT).view("<u8").reshape(-1, width)
    words = digits.view("<u8").reshape(-1, width)
    points &= mask
    words &= mask
    del mask
    here = np.bitwise_count(points)
    n_points = _over_words(np.add, here)
    behind = None
    if n_points.any():
        before = np.bitwise_count(points - _1) >> 3  # bytes of the word before the point
        behind = _over_words(np.add, here * (_WORD - before))
        for word in range(width - 1):
            behind += here[:, word] * np.uint8(WORD * (width - 1 - word))
        bad |= (n_points > 1) | (behind >= len(_POWERS))
        points *= _POINT_WORD
        words ^= points
    del points
    bad |= _over_words(np.bitwise_or, no_digits(words)) != 0
    bad |= lengths <= n_points
    parts = eight_digits(words)
    total = parts[:, -1].copy()
    if width > 1:
        total += parts[:, -2] * _TENS[WORD]
    if width > 2:
        bad |= parts[:, 0] > _LARGEST_PART  # beyond 10**19
        total += parts[:, 0] * _TENS[2 * WORD]
    total[bad] = 0
    return total, behind, bad


def _over_words(combine: np.ufunc, words: NDArray[Any]) -> NDArray[Any]:
    """All words of each number combined; quicker than ``reduce``, which has few to combine."""
    found = words[:, 0].copy()
    for word in range(1, words.shape[1]):
        combine(found, words[:, word], out=found)
    return found


def _scaled(total: Words, behind: NDArray[np.uint8]) -> tuple[FloatArray, NDArray[np.bool_]]:
    """``total`` without the 0 in the place of the point, over its power of ten, correctly rounded; and where that is
    in doubt."""
    # total = whole * 10**behind + fraction, and wanted is (whole * 10**(behind - 1) + fraction) / 10**(behind - 1)
    behind = np.minimum(behind, np.uint8(len(_POWERS) - 1))
    whole = total // _TENS.take(behind)
    mantissa = total - whole * _SURPLUS.take(behind)
    high = mantissa.astype(np.float64)
    low = (mantissa - high.astype(np.uint64)).view(np.int64).astype(np.float64)
    divisor = _POWERS.take(behind)
    quotient = high / divisor
    # the exact product quotient * divisor = product + error
    split = _SPLIT * quotient
    quotient_high = split - (split - quotient)
    quotient_low = quotient - quotient_high
    divisor_high, divisor_low = _POWERS_HIGH.take(behind), _POWERS_LOW.take(behind)
    product = quotient * divisor
    error = (
        (quotient_high * divisor_high - product) + quotient_high * divisor_low + quotient_low * divisor_high
    ) + quotient_low * divisor_low
    rest = (((high - product) - error) + low) / divisor
    values = quotient + rest * (1 - _DOUBT)
    return values, values != quotient + rest * (1 + _DOUBT)


def decimal(text: bytes) -> float:
    """One number; NaN becomes ``NORMAL_NAN``. Raises ``ValueError`` for what is no number."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text[:40].decode(errors='replace')!r} is not a number")
    value = float(text)
    return float(NORMAL_NAN) if math.isnan(value) else value
