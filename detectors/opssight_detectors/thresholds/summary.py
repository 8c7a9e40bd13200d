"""What simulated episodes would mean to the people who are paged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from .simulation import Episodes

NIGHT = (22, 6)  # from 22:00 to 06:00


@dataclass(frozen=True, slots=True)
class VolumeSummary:
    """The volume of alerts of one rule.

    Durations are seconds, NaN without episodes; an open episode counts with what it has lasted so far.
    ``share_firing`` is the share of time in which at least one series was firing, from 0 to 1.
    """

    episodes: int
    weeks: float
    episodes_per_week: float
    night_episodes_per_week: float
    median_seconds: float
    longest_seconds: float
    share_firing: float


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this IANA name; ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time zone must be an IANA name such as Europe/Berlin, not {name!r}") from error


def summary(episodes: Episodes, night: tuple[int, int] = NIGHT, time_zone: str = "UTC") -> VolumeSummary:
    """Count episodes; ``night`` is (from, until) in whole hours of ``time_zone`` and may span midnight."""
    for hour in night:
        if not 0 <= hour <= 24:
            raise ValueError(f"night must be hours from 0 to 24, not {hour}")
    zone = zone_of(time_zone)
    weeks = episodes.weeks
    at_night = sum(_is_night(datetime.fromtimestamp(start, zone).hour, night) for start in episodes.start.tolist())
    durations = episodes.durations
    return VolumeSummary(
        episodes=len(episodes),
        weeks=weeks,
        episodes_per_week=len(episodes) / weeks,
        night_episodes_per_week=at_night / weeks,
        median_seconds=float(np.median(durations)) if len(episodes) else float("nan"),
        longest_seconds=float(durations.max()) if len(episodes) else float("nan"),
        share_firing=share_firing(episodes),
    )


def _is_night(hour: int, night: tuple[int, int]) -> bool:
    start, end = night
    return start <= hour < end if start <= end else hour >= start or hour < end


def share_firing(episodes: Episodes) -> float:
    """The share of the window in which at least one series was firing, from 0 to 1."""
    # With keep_firing_for an alert outlives the last answer.
    return min(_time_covered(episodes) / (episodes.window[1] - episodes.window[0]), 1.0)


def _time_covered(episodes: Episodes) -> float:
    """Seconds in which at least one episode lasts."""
    if not len(episodes):
        return 0.0
    order = np.argsort(episodes.start, kind="stable")
    start, end = episodes.start[order], episodes.end[order]
    reached = np.maximum.accumulate(end)
    before = np.concatenate(([-np.inf], reached[:-1]))
    return float(np.maximum(reached - np.maximum(start, before), 0.0).sum())
