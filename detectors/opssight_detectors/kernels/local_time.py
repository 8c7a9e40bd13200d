"""Local time of many instants at once: hour of day and day of week follow the zone, through DST."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from ..base import FloatArray

MONDAY = 4 * 86400.0  # 1970-01-05 was a Monday


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone of that IANA name; ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise ValueError(f"timeZone must be an IANA name such as Europe/Berlin, not {name!r}") from error


def local_seconds(times: FloatArray, zone: str) -> FloatArray:
    """Seconds since Monday 1970-01-05 00:00 on the wall clock of ``zone``, for ``times`` in UTC seconds.

    The offset is looked up once for each quarter of an hour that occurs, so a week of samples costs a
    few hundred look-ups. Times outside the years 1 to 9999 keep the offset 0.
    """
    times = np.asarray(times, dtype=np.float64)
    if zone == "UTC" or len(times) == 0:
        return np.asarray(times - MONDAY)
    quarters, index = np.unique(np.floor(times / 900.0), return_inverse=True)
    info = zone_of(zone)
    offsets = np.array([_offset(info, quarter * 900.0) for quarter in quarters])
    return np.asarray(times + offsets[index] - MONDAY)


def _offset(zone: ZoneInfo, time: float) -> float:
    from datetime import datetime

    try:
        offset = datetime.fromtimestamp(time, tz=zone).utcoffset()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return 0.0 if offset is None else offset.total_seconds()
