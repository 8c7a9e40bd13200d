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
_LARGEST_PART = np.uint64(999)
_SPLIT = 134217729.0  # 2**27 + 1
_DOUBT = 2.0**-40
# by the number of digits behind the point plus one, 0 for a number without a point
_POWERS = np.array([1.0, *(float(10**k) for k in range(23))])  # exact, as 5**22 < 2**53
_POWERS_HIGH = _SPLIT * _POWERS - (_SPLIT * _POWERS - _POWERS)
_POWERS_LOW = _POWERS - _POWERS_HIGH
_TENS = np.array([min(10**k, 2**64 - 1) for k in range(24)], dtype=np.uint64)  # beyond 10**19 a quotient is 0 anyway
_SURPLUS = np.array([0, *(min(9 * 10**k, 2**64 - 1) for k in range(23))], dtype=np.uint64)


def _masks(skipped: int) -> Words:
    """For each length, the bytes of a word that belong to a number which ends ``skipped`` bytes after it."""
    kept = [min(max(length - skipped, 0), WORD) for length in range(REACH + 1)]
    return np.array([(1 << 64) - (1 << (64 - 8 * n)) for n in kept], dtype=np.uint64)


_MASKS = tuple(_masks(WORD * word) for word in range(3))


def decimals(text: Bytes, starts: Positions, ends: Positions) -> FloatArray:
    """The numbers ``text[start:end]``, as ``float`` would read each; NaN becomes ``NORMAL_NAN``.

    At least ``REACH`` bytes must stand before the first end. Raises ``ValueError`` for what is no number.
    """
    if not len(starts):
        return np.empty(0)
    negative = text[starts] == _MINUS
    lengths = ends - starts - negative
    total, behind, bad = _digits(windows(text, REACH)[ends - REACH], lengths)
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
    pairs = (word * _TEN_1 >> _8) & _PAIRS
    fours = (pairs * _TEN_2 >> _16) & _FOURS
    return fours * _TEN_4 >> _32


def _digits(rows: NDArray[np.void], lengths: Positions) -> tuple[Words, NDArray[np.uint8] | None, NDArray[np.bool_]]:
    """What the right-aligned numbers in ``rows`` spell.

    All digits of each as one integer, with a 0 in the place of the point; the number of digits behind the point, plus
    one, or 0 without a point (None when none has one); and which are no plain numbers of at most 19 digits.
    """
    digits = rows.view(np.uint8) ^ _ZERO
    odd = digits > 9
    points = (digits == _POINT).view("<u8").reshape(-1, 3)
    digits *= ~odd
    odd_words, words = odd.view("<u8").reshape(-1, 3), digits.view("<u8").reshape(-1, 3)
    longest = int(lengths.max())
    bad = (lengths > REACH) | (lengths < 1)
    lengths = lengths.clip(0, REACH)
    total = np.zeros(len(words), dtype=np.uint64)
    behind = np.zeros(len(words), dtype=np.uint8)
    n_points = np.zeros(len(words), dtype=np.uint8)
    for number in range((min(longest, REACH) + WORD - 1) // WORD):
        mask = _MASKS[number].take(lengths)
        point = points[:, 2 - number] & mask
        bad |= (odd_words[:, 2 - number] & mask) != point
        here = np.bitwise_count(point)
        if here.any():
            n_points += here
            before = np.bitwise_count(point - _1) >> 3  # bytes of the word before the point
            behind += here * (np.uint8(WORD * (number + 1)) - before)
        part = eight_digits(words[:, 2 - number] & mask)
        if number == 2:
            bad |= part > _LARGEST_PART  # beyond 10**19
        total += part * _TENS[WORD * number] if number else part
    bad |= lengths <= n_points
    if not n_points.any():
        return total, None, bad
    bad |= (n_points > 1) | (behind >= len(_POWERS))
    total[bad] = 0
    return total, behind, bad


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
