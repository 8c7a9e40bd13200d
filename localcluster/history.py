"""The past of the shop: samples of every series over a span, its incidents, and an OpenMetrics file of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .noise import uniform
from .shop_model import (
    CELL,
    DAY,
    FIRST_MONDAY,
    HOUR,
    KINDS,
    NAMESPACE,
    SERVICES,
    WEEK,
    Cells,
    Column,
    Floats,
    Incident,
    columns,
    last_deploy,
    rates,
)

INCIDENTS_A_WEEK = 3
QUIET = 2 * HOUR
"""Seconds at the end of a history without an incident, so that what is live begins in peace."""
TARGET_LABELS = (("namespace", NAMESPACE), ("job", "shop"), ("instance", "shop"))
"""What Prometheus adds when it scrapes the live shop; the history has it written out."""


@dataclass(frozen=True)
class Span:
    """Moments from ``start`` to ``end`` in seconds, ``step`` apart, and 15 s apart in the last ``fine`` seconds.

    The fine part lets ``rate(x[1m])`` of a live system look back over the seam. All four are multiples of 15 s.
    """

    start: float
    end: float
    step: float
    fine: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end), ("step", self.step), ("fine", self.fine)):
            if value % CELL:
                raise ValueError(f"{name} is {value} s; it must be a multiple of {CELL} s")
        if self.step <= 0:
            raise ValueError(f"step is {self.step} s; it must be above 0")
        if self.end <= self.start:
            raise ValueError(f"end {self.end} must be after start {self.start}")

    @classmethod
    def ending_at(cls, end: float, days: float, step: float) -> Span:
        """The span that ends with the last full 15 s before ``end``, its last hour fine."""
        end = math.floor(end / CELL) * CELL
        return cls(end - math.floor(days * DAY / step) * step, end, step, min(HOUR, days * DAY))

    def moments(self) -> Floats:
        """All moments, ``[time]``."""
        seam = self.start + max(0, math.ceil((self.end - self.fine - self.start) / self.step)) * self.step
        coarse = np.arange(self.start, seam, self.step) if self.fine else np.arange(self.start, self.end + 1, self.step)
        return np.concatenate((coarse, np.arange(seam, self.end + 1, CELL) if self.fine else coarse[:0]))


@dataclass(frozen=True)
class History:
    """What was sampled."""

    moments: Floats
    """``[time]``, seconds."""
    columns: tuple[Column, ...]
    values: Floats
    """``[time, columns]``."""
    incidents: tuple[Incident, ...]


def incidents(start: float, end: float, seed: int) -> tuple[Incident, ...]:
    """The incidents between two moments that are over ``QUIET`` before the end: three a week, 20 to 55 minutes long."""
    found = []
    for week in range(int((start - FIRST_MONDAY) // WEEK), int((end - FIRST_MONDAY) // WEEK) + 1):
        for number in range(INCIDENTS_A_WEEK):
            ticket = week * INCIDENTS_A_WEEK + number
            day, hour, length, who = (
                float(uniform(np.array([ticket]), seed, f"incident {part}")[0])
                for part in ("day", "hour", "length", "who")
            )
            # one in each third of the week, in waking hours
            begins = FIRST_MONDAY + week * WEEK + (number + 0.9 * day) * WEEK / INCIDENTS_A_WEEK
            begins = math.floor(begins / DAY) * DAY + (7 + 14 * hour) * 3600
            begins = math.floor(begins / 60) * 60
            service = SERVICES[int(who * len(SERVICES))].name
            found.append(Incident(service, KINDS[ticket % 3], begins, begins + 60 * math.floor(20 + 35 * length)))
    return tuple(one for one in found if one.end > start and one.end <= end - QUIET)


def counters_at(moments: Floats, seed: int, past: tuple[Incident, ...]) -> Floats:
    """Every series at each moment, ``[time, columns]``; counters since the last deployment.

    The moments ascend and are multiples of 15 s.
    """
    series = columns()
    first = min(last_deploy(column.service, moments[0]) for column in series)
    cells: Cells = np.arange(first // CELL, int(moments[-1] // CELL) + 1, dtype=np.int64)
    levels = rates(cells, seed, past)
    at = (moments // CELL).astype(np.int64) - cells[0]
    values: Floats = levels[at]
    for number, column in enumerate(series):
        if not column.cumulative:
            continue
        # what had been counted before each cell, less what had been at the deployment before each moment
        counted = np.concatenate(([0.0], np.cumsum(levels[:, number]) * CELL))
        deploys = np.array([last_deploy(column.service, moment) for moment in _daily(moments)])
        deploy = deploys[np.searchsorted(deploys, moments, side="right") - 1]
        since = counted[at] - counted[np.maximum(deploy // CELL - cells[0], 0)]
        values[:, number] = np.floor(since) if column.whole else since
    return values


def history(span: Span, seed: int = 1) -> History:
    """All samples of a span; a pure function of its arguments."""
    moments = span.moments()
    # counters remember incidents that were over before the span began
    past = incidents(span.start - 2 * WEEK, span.end, seed)
    values = counters_at(moments, seed, past)
    return History(moments, columns(), values, incidents(span.start, span.end, seed))


def write_openmetrics(path: Path, span: Span, seed: int = 1) -> History:
    """Write the history of a span as an OpenMetrics file for promtool, and return it."""
    past = history(span, seed)
    stamps = [f" {moment:.0f}\n" for moment in past.moments]

    def lines(number: int) -> Iterator[str]:
        column, values = past.columns[number], past.values[:, number]
        prefix = f"{column.sample}{{{_labels(column)}}} "
        shown = values.astype(np.int64).tolist() if column.whole else np.round(values, 4).tolist()
        return (f"{prefix}{value}{stamp}" for value, stamp in zip(shown, stamps, strict=True))

    keys = [_group(column) for column in past.columns]
    previous = ""
    with path.open("w") as out:
        for (family, _), group in itertools.groupby(sorted(range(len(keys)), key=keys.__getitem__), keys.__getitem__):
            members = list(group)
            if family != previous:
                out.write(f"# TYPE {family} {past.columns[members[0]].kind}\n")
            previous = family
            for moment in zip(*map(lines, members), strict=True):
                out.writelines(moment)
        out.write("# TYPE up gauge\n")
        labels = ",".join(f'{name}="{value}"' for name, value in TARGET_LABELS)
        out.writelines(f"up{{{labels}}} 1{stamp}" for stamp in stamps)
        out.write("# EOF\n")
    return past


def series_after(span: Span, now: float, seed: int = 1) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    """What a scrape every 15 s would have seen since the end of ``span``: labels and samples of every series."""
    moments = np.arange(span.end + CELL, now, CELL)
    if not len(moments):
        return []
    values = counters_at(moments, seed, incidents(span.start - 2 * WEEK, span.end, seed))
    found = []
    for number, column in enumerate(columns()):
        labels = {"__name__": column.sample} | dict((*column.labels, *TARGET_LABELS))
        found.append((labels, list(zip(moments.tolist(), values[:, number].tolist(), strict=True))))
    up = {"__name__": "up"} | dict(TARGET_LABELS)
    return [*found, (up, [(moment, 1.0) for moment in moments.tolist()])]


def _daily(moments: Floats) -> Iterator[float]:
    yield from np.arange(moments[0], moments[-1], DAY)
    yield float(moments[-1])


def _group(column: Column) -> tuple[str, str]:
    """What the format wants together at each moment: all parts of one histogram, else one series."""
    return column.family, column.service if column.kind == "histogram" else _labels(column)


def _labels(column: Column) -> str:
    return ",".join(f'{name}="{value}"' for name, value in (*column.labels, *TARGET_LABELS))
