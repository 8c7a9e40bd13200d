"""Times as text, and windows on the grid of a query's step. The clock itself is always an argument."""

from __future__ import annotations

import math
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_ASKED = 3600.0  # seconds; a server that wants more is asked again all the same
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


def pause_asked(retry_after: str, now: float) -> float:
    """The seconds of a Retry-After header, which are a number or a date; 0 when it says nothing of sense."""
    if retry_after.isdecimal():
        seconds = float(retry_after)
    else:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - now
        except ValueError:
            return 0.0
    return min(max(0.0, seconds), LONGEST_ASKED)


def on_grid(seconds: float, step: float) -> float:
    """The newest instant of the grid of ``step`` (multiples of it since the epoch) at or before ``seconds``."""
    return math.floor(seconds / step + _ROUNDING) * step


def beat_between(earlier: float, later: float, heartbeat: float, uid: str) -> bool:
    """Whether a beat, one each ``heartbeat`` seconds with its phase from ``uid``, lies between; 0 never beats."""
    if heartbeat <= 0:
        return False
    phase = zlib.crc32(uid.encode()) % 1000 / 1000 * heartbeat
    return (later + phase) // heartbeat != (earlier + phase) // heartbeat
