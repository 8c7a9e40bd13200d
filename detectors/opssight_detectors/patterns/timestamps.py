"""Times as people write them, to seconds since the epoch; and back to wall-clock hours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

_LATEST_SECONDS = 32_503_680_000.0  # the year 3000: a larger number is milliseconds or finer
HOUR = 3600.0
DAY = 86_400.0


def parse_times(values: Sequence[object], column: str, naive_zone: tzinfo | None) -> FloatArray:
    """Seconds since the epoch of numbers, datetimes and ISO 8601 texts; ``None`` and "" give NaN.

    Times without an offset are read in ``naive_zone``. Raises ``ValueError`` naming the row when a value is no time,
    or when some times carry an offset and others do not and ``naive_zone`` does not say what those mean.
    """
    out = np.full(len(values), np.nan)
    with_offset = without_offset = -1
    for row, value in enumerate(values):
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            raise ValueError(f"row {row + 1}: {column} is {value!r}, which is no time")
        if isinstance(value, (int, float, np.integer, np.floating)):
            out[row] = _seconds(float(value), row, column)
            continue
        moment = value if isinstance(value, datetime) else _moment(value, row, column)
        if isinstance(moment, float):
            out[row] = moment
            continue
        if moment.tzinfo is None:
            without_offset = row
            moment = moment.replace(tzinfo=naive_zone or UTC)
        else:
            with_offset = row
        if naive_zone is None and with_offset >= 0 and without_offset >= 0:
            raise ValueError(
                f"{column} mixes time zones: row {with_offset + 1} has an offset, row {without_offset + 1} has none; "
                "write an offset to every time, or say which time zone the others are in"
            )
        out[row] = moment.timestamp()
    return out


def _moment(value: object, row: int, column: str) -> datetime | float:
    text = str(value).strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        raise ValueError(
            f"row {row + 1}: {column} is {text[:40]!r}, which is no time; allowed are ISO 8601 "
            "(2026-03-01T06:00:00Z) and seconds since 1970"
        ) from None
    return _seconds(number, row, column)


def _seconds(number: float, row: int, column: str) -> float:
    if math.isnan(number):
        return math.nan
    if not 0.0 <= number <= _LATEST_SECONDS:
        hint = "; it looks like milliseconds, divide by 1000" if number > _LATEST_SECONDS else ""
        raise ValueError(f"row {row + 1}: {column} is {number:g}, not seconds since 1970{hint}")
    return number


def local_seconds(times: FloatArray, zone: tzinfo) -> FloatArray:
    """Wall-clock seconds: ``times [n]`` plus the offset of ``zone`` at each of them.

    Offsets are looked up once a quarter of an hour, the finest step at which any zone changes.
    """
    quarters, index = np.unique(np.floor_divide(times, 900.0), return_inverse=True)
    offsets = np.array([_offset(quarter * 900.0, zone) for quarter in quarters])
    return times + offsets[index] if quarters.size else times.copy()


def _offset(time: float, zone: tzinfo) -> float:
    return (datetime.fromtimestamp(time, zone).utcoffset() or timedelta()).total_seconds()


def hour_of_day(local: FloatArray) -> NDArray[np.int64]:
    """0 to 23, from wall-clock seconds ``[n]``."""
    return np.floor_divide(local % DAY, HOUR).astype(np.int64)


def day_number(local: FloatArray) -> NDArray[np.int64]:
    """Days since Thursday, 1 January 1970, from wall-clock seconds ``[n]``."""
    return np.floor_divide(local, DAY).astype(np.int64)


def day_of_week(local: FloatArray) -> NDArray[np.int64]:
    """0 (Monday) to 6 (Sunday), from wall-clock seconds ``[n]``."""
    return (day_number(local) + 3) % 7
