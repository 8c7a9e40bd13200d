"""Which report is due: a function of the schedule, of what status remembers, and of now.

``status.nextRunAt`` is the memory: whatever came due since then is one report, the latest of them, so that an outage
of three days is followed by one report and not by three. A schedule that was changed, suspended or is new begins
with the next time that it names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..api.base import seconds
from ..api.pattern_report import PatternReport, PatternReportSpec
from ..errors import InvalidSpec
from .cron import Cron
from .timing import on_grid, seconds_of

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class DueReport:
    """A report that is to be made; times in seconds since the epoch.

    ``label`` tells it from the others of its resource and is the same however often the report is tried.
    """

    history_start: float
    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Timetable:
    """What is due now, and when the next one is after that; None when there is none."""

    due: DueReport | None
    next_at: float | None
    zone: tzinfo


def timetable(report: PatternReport, now: float, min_interval: float = 0.0) -> Timetable:
    """What is due at ``now``, never two within ``min_interval`` seconds; raises ``InvalidSpec``."""
    spec, status = report.spec, report.status
    zone = zone_named(spec.schedule.time_zone)
    if spec.schedule.type == "Once":
        generation = report.metadata.generation
        done = status.last_report is not None and status.last_report.generation == generation
        due = None if done else due_report(spec, on_grid(now, MINUTE), f"once-{generation}")
        return Timetable(due, None, zone)
    cron = cron_of(spec)
    remembered = None if status.next_run_at is None else seconds_of(status.next_run_at)
    if remembered is None or remembered > now:
        made = -math.inf if status.last_report is None else seconds_of(status.last_report.to)
        return Timetable(None, _after(cron, max(now, made + min_interval - 1.0), zone), zone)
    end = cron.latest(remembered, now, zone) or remembered
    label = datetime.fromtimestamp(end, UTC).strftime("%Y%m%d-%H%M")
    return Timetable(due_report(spec, end, label), _after(cron, max(now, end + min_interval - 1.0), zone), zone)


def due_report(spec: PatternReportSpec, end: float, label: str) -> DueReport:
    """The report about the time before ``end``."""
    start = end - seconds(spec.lookback)
    return DueReport(start - seconds(spec.history), start, end, label)


def cron_of(spec: PatternReportSpec) -> Cron:
    """The cron expression; raises ``InvalidSpec``."""
    try:
        return Cron.parse(spec.schedule.cron)
    except ValueError as error:
        raise InvalidSpec(f"schedule.cron is {spec.schedule.cron}: {error}") from None


def zone_named(name: str) -> tzinfo:
    """The time zone; raises ``InvalidSpec`` when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSpec(
            f"schedule.timeZone is {name}; it must be the name of a time zone such as UTC or Europe/Berlin"
        ) from None


def _after(cron: Cron, now: float, zone: tzinfo) -> float:
    try:
        return cron.after(now, zone)
    except ValueError as error:
        raise InvalidSpec(f"schedule.cron: {error}") from None
