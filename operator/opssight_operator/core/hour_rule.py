"""Rules whose recorded threshold follows the hour of the week by itself, without the operator.

PromQL's ``hour()`` and ``day_of_week()`` know UTC alone. So the group records the local hour of the week
first, from the offset of the time zone and the instants at which it changes, for three years to come: no
summer needs the operator. Then each threshold is a chain of ``vector(threshold) and on () (hour in run)``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from opssight_detectors.thresholds.calendar import HOURS_OF_WEEK, utc_offsets
from opssight_detectors.thresholds.summary import zone_of

from .conventions import HOUR_RECORD
from .hours import HourTable
from .numbers import decimal_text
from .observation import Labels
from .promql import selector

YEARS = 3
_DAY = 86400
_TERM = re.compile(r"vector\(([^()]+)\)and\s?on\(\)\([^{]+\{[^}]*\}>=([0-9.e+]+)<([0-9.e+]+)\)")


def hour_rule(time_zone: str, now: float, labels: Labels) -> dict[str, Any]:
    """The rule that records the local hour of the week, 0 for Monday 00:00; the same text for a whole year."""
    local = f"vector({_local_seconds(time_zone, now)})"
    return {
        "record": HOUR_RECORD,
        "expr": f"(day_of_week({local}) + 6) % 7 * 24 + hour({local})",
        "labels": dict(labels),
    }


def table_expression(table: HourTable, labels: Labels) -> str:
    """PromQL with the threshold of the hour that ``hour_rule`` recorded with these labels."""
    hour = selector(HOUR_RECORD, labels)
    terms = [f"vector({decimal_text(value)}) and on () ({hour} >= {start} < {end})" for start, end, value in table.runs]
    return " or ".join(terms)


def table_of(expression: str, time_zone: str) -> HourTable | None:
    """The table in such an expression, as we write it and as Prometheus prints it; None for any other."""
    terms = re.sub(r"\s+", "", expression).replace(")or", ") or").split(" or")
    runs = []
    for term in terms:
        found = _TERM.fullmatch(term)
        if found is None:
            return None
        value, start, end = (float(part) for part in found.groups())
        runs.append((int(start), int(end), value))
    if runs[0][0] != 0 or runs[-1][1] != HOURS_OF_WEEK:
        return None
    if any(end != start for (_, end, _), (start, _, _) in pairwise(runs)):
        return None
    return HourTable.of_runs(runs, time_zone)


def _local_seconds(time_zone: str, now: float) -> str:
    """PromQL for the local time in seconds: the offset at the start of this year, and each change from then on."""
    first, changes = offset_changes(time_zone, now)
    text = "time()" + _signed(first)
    for instant, step in changes:
        text += f"{_signed(step)} * (time() >= bool {instant})"
    return text


def offset_changes(time_zone: str, now: float) -> tuple[int, list[tuple[int, int]]]:
    """The offset in seconds at the start of this year (UTC), and its changes in three years: instant and step."""
    zone = zone_of(time_zone)
    year = datetime.fromtimestamp(now, UTC).year
    start, end = (int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (year, year + YEARS))
    days = np.arange(start, end + 1, _DAY, dtype=np.float64)
    offsets = utc_offsets(days, zone)
    changes = []
    for day in np.flatnonzero(np.diff(offsets)):
        low, high = int(days[day]), int(days[day + 1])
        while high - low > 1:
            middle = (low + high) // 2
            same = int(utc_offsets(np.array([float(middle)]), zone)[0]) == int(offsets[day])
            low, high = (middle, high) if same else (low, middle)
        changes.append((high, int(offsets[day + 1] - offsets[day])))
    return int(offsets[0]), changes


def _signed(seconds: int) -> str:
    return "" if seconds == 0 else f" {'+' if seconds > 0 else '-'} {abs(seconds)}"
