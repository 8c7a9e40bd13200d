"""Times as text, and windows on the grid of a query's step. The clock itself is always an argument."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_ROUNDING = 1e-6  # seconds; two instants this close are one


def rfc3339(seconds: float) -> str:
    """UTC time of ``seconds`` since the epoch, with milliseconds only where there are any."""
    millis = round(seconds * 1000)
    text = datetime.fromtimestamp(millis // 1000, UTC).isoformat()[:19]
    return f"{text}.{millis % 1000:03d}Z" if millis % 1000 else f"{text}Z"


def whole_second(seconds: float) -> str:
    """The same, cut to the second, as conditions have it."""
    return rfc3339(math.floor(seconds))


def seconds_of(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; ValueError for text that is none."""
    return datetime.fromisoformat(text).timestamp()


def on_grid(seconds: float, step: float) -> float:
    """The newest instant of the grid of ``step`` (multiples of it since the epoch) at or before ``seconds``."""
    return math.floor(seconds / step + _ROUNDING) * step
