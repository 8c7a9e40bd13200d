"""Local time for many instants at once: the hour of the week, daylight saving included."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

QUARTER = 900  # seconds; no time zone changes its offset within one
HOURS_OF_WEEK = 168


def utc_offsets(times: FloatArray, zone: ZoneInfo) -> NDArray[np.int64]:
    """Seconds to add to UTC ``times`` for the local time; the zone is asked once a quarter of an hour."""
    quarters, index = np.unique(np.floor_divide(times, QUARTER).astype(np.int64), return_inverse=True)
    offsets = [_offset(int(quarter) * QUARTER, zone) for quarter in quarters.tolist()]
    return np.array(offsets, dtype=np.int64)[index]


def hours_of_week(times: FloatArray, zone: ZoneInfo) -> NDArray[np.int64]:
    """0 for Monday 00:00 to 00:59 local time, up to 167 for Sunday 23:00 to 23:59."""
    local = np.floor(times).astype(np.int64) + utc_offsets(times, zone)
    days_since_thursday = local // 86400  # the epoch began on a Thursday
    return np.asarray((days_since_thursday + 3) % 7 * 24 + local % 86400 // 3600, dtype=np.int64)


def _offset(time: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(time, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
