"""Numbers as text: in rules exactly as they are, in status rounded to what a person reads."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

READABLE_DIGITS = 6
_NOISE_DIGITS = 12  # float arithmetic is right up to here; digits beyond are rounding noise
_STATUS_LENGTH = 32


def decimal_text(value: float) -> str:
    """The shortest text that reads back as ``value``, without an exponent; ValueError for NaN and infinity."""
    if not math.isfinite(value):
        raise ValueError(f"a number must be finite to be written, not {value}")
    if value == 0:
        return "0"  # also for minus zero
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def readable(value: float, digits: int = READABLE_DIGITS) -> float:
    """``value`` rounded to significant digits; NaN and infinity stay."""
    if not math.isfinite(value):
        return value
    return float(Context(prec=digits, rounding=ROUND_HALF_EVEN).create_decimal(repr(float(value))))


def readable_towards(value: float, anchor: float, digits: int = READABLE_DIGITS) -> float:
    """``value`` rounded to significant digits, never farther from ``anchor`` than it was (both finite)."""
    without_noise = Context(prec=_NOISE_DIGITS).create_decimal(repr(float(value)))
    rounding = ROUND_FLOOR if value > anchor else ROUND_CEILING
    result = float(Context(prec=digits, rounding=rounding).create_decimal(without_noise))
    # One step of the last digit may be longer than the way to the anchor, and so may the noise of a large number.
    on_the_way = (result - anchor) * (value - anchor) > 0
    return result if on_the_way and abs(result - anchor) <= abs(value - anchor) * (1 + 1e-9) else value


def number_or_none(value: float | None) -> str | None:
    """``value`` as status shows it: rounded, without an exponent where that is short; None for unknown."""
    if value is None or not math.isfinite(value):
        return None
    rounded = readable(value)
    text = decimal_text(rounded)
    return text if len(text) <= _STATUS_LENGTH else repr(rounded)


def exact_text(value: float) -> str:
    """``value`` as it is, for a status field that is read back; with an exponent only where it is too long without."""
    text = decimal_text(value)
    return text if len(text) <= _STATUS_LENGTH else repr(float(value))


def number_text(value: float | None) -> str:
    """The same for a number that is known, or ``unknown`` in a sentence about one that is not."""
    return number_or_none(value) or "unknown"


def parsed(text: str | None) -> float | None:
    """The number behind a decimal string of a spec or a status; None stays None."""
    return None if text is None else float(text)
