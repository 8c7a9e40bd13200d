"""A threshold for each hour of the week, as a value: what it is now, as text, and at any time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from opssight_detectors.thresholds.calendar import HOURS_OF_WEEK, hours_of_week
from opssight_detectors.thresholds.summary import zone_of

from .numbers import exact_text
from .observation import FloatArray

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class HourTable:
    """168 thresholds, the first for Monday 00:00 to 00:59 in ``time_zone``."""

    values: tuple[float, ...]
    time_zone: str

    def at(self, times: FloatArray) -> FloatArray:
        """The thresholds that hold at ``times [time]``, seconds in UTC."""
        return np.array(self.values)[hours_of_week(np.asarray(times, dtype=np.float64), zone_of(self.time_zone))]

    def now(self, now: float) -> float:
        """The threshold of this hour."""
        return float(self.at(np.array([now]))[0])

    @property
    def runs(self) -> list[tuple[int, int, float]]:
        """First hour, the hour after the last, and the threshold that holds between them."""
        changes = [0, *(h for h in range(1, HOURS_OF_WEEK) if self.values[h] != self.values[h - 1]), HOURS_OF_WEEK]
        return [(start, end, self.values[start]) for start, end in pairwise(changes)]

    @property
    def text(self) -> str:
        """``0:0.12 7:0.2 19:0.12``: from which hour of the week on which threshold holds."""
        return " ".join(f"{start}:{exact_text(value)}" for start, _, value in self.runs)

    @classmethod
    def parse(cls, text: str, time_zone: str) -> HourTable:
        """The table of such a text; ValueError for any other."""
        starts, values = [], []
        for part in text.split():
            hour, _, value = part.partition(":")
            starts.append(int(hour))
            values.append(float(value))
        if not starts or starts[0] != 0 or sorted(set(starts)) != starts or starts[-1] >= HOURS_OF_WEEK:
            raise ValueError(f"a table must begin at hour 0 and its hours must ascend below 168, not {text!r}")
        return cls.of_runs(zip(starts, [*starts[1:], HOURS_OF_WEEK], values, strict=True), time_zone)

    @classmethod
    def of_runs(cls, runs: Iterable[tuple[int, int, float]], time_zone: str) -> HourTable:
        """The table of runs that follow each other without a gap."""
        return cls(tuple(value for start, end, value in runs for _ in range(start, end)), time_zone)


def calmed(values: Sequence[float], band: float, sign: float) -> tuple[float, ...]:
    """``values`` in which neighbours within ``band`` (a fraction) of each other share the outermost of them.

    A difference that is not worth a change is not worth a line in the rule. ``sign`` is +1 when outermost is highest.
    """
    result: list[float] = []
    start = 0
    for end in range(1, len(values) + 1):
        together = values[start : end + 1]
        if end == len(values) or max(together) - min(together) > band * max(abs(value) for value in together):
            result.extend([max(values[start:end], key=lambda value: value * sign)] * (end - start))
            start = end
    return tuple(result)


def hour_name(hour: int) -> str:
    """``Mon 09:00``."""
    return f"{DAYS[hour // 24]} {hour % 24:02}:00"
