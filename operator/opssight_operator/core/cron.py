"""Cron expressions: the moments at which they come, in a time zone, by the clock on the wall.

A fixed hour that the clock leaves out in spring comes at the moment of the jump; one that it shows twice in autumn
comes once. With ``*`` for the hour every hour that passes counts, and one that is left out does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _WEEKDAYS),
)
_LONGEST = timedelta(days=41 * 366)  # a Sunday the 29th of February may be forty years away
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """What each field allows; ``every_hour``: there is a ``*`` for it; ``either_day``: one day field is enough."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    every_hour: bool
    either_day: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """The expression of five fields; ``ValueError`` names the field that cannot be, or says that it never comes."""
        fields = text.split()
        if len(fields) != len(_FIELDS):
            raise ValueError(f'"{text}" has {len(fields)} fields; it must have five, such as 0 6 * * *')
        sets = [_field(field, *known) for field, known in zip(fields, _FIELDS, strict=True)]
        cron = cls(
            text=text,
            minutes=tuple(sorted(sets[0])),
            hours=tuple(sorted(sets[1])),
            days=frozenset(sets[2]),
            months=frozenset(sets[3]),
            weekdays=frozenset(sets[4]),
            every_hour="*" in fields[1],
            either_day="*" not in fields[2] and "*" not in fields[4],
        )
        if not any(cron._on(day) for day in _days(date(2000, 1, 1), _LONGEST)):
            raise ValueError(f'"{text}" never comes, because none of its months has that day')
        return cron

    def after(self, moment: float, zone: tzinfo) -> float:
        """The first time after ``moment``; both are seconds since the epoch."""
        day = datetime.fromtimestamp(moment, zone).date() - _DAY
        for one in _days(day, _LONGEST):
            if self._on(one):
                later = [at for at in self._moments(one, zone) if at > moment]
                if later:
                    return min(later)
        raise ValueError(f'"{self.text}" does not come within {_LONGEST.days} days')

    def latest(self, since: float, until: float, zone: tzinfo) -> float | None:
        """The last time in ``[since, until]``, or None when there is none."""
        day, first = (
            datetime.fromtimestamp(until, zone).date() + _DAY,
            datetime.fromtimestamp(since, zone).date() - _DAY,
        )
        while day >= first:
            if self._on(day):
                found = [at for at in self._moments(day, zone) if since <= at <= until]
                if found:
                    return max(found)
            day -= _DAY
        return None

    def _on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        return by_day or by_weekday if self.either_day else by_day and by_weekday

    def _moments(self, day: date, zone: tzinfo) -> Iterator[float]:
        for hour in self.hours:
            for minute in self.minutes:
                first, second = (
                    datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).timestamp()
                    for fold in (0, 1)
                )
                if first == second:
                    yield first
                elif first < second:  # shown twice
                    yield first
                    if self.every_hour:
                        yield second
                elif not self.every_hour:  # left out
                    yield _jump(second, first, zone)


def _days(first: date, span: timedelta) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(span.days))


def _jump(before: float, after: float, zone: tzinfo) -> float:
    """The moment between two at which the clock jumps, to the second."""
    low, high = int(before) - 1, int(after)
    offset = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return float(high)


def _field(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> set[int]:
    allowed: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        step = _number(step_text, f"step of the {name}", 1, 99, ()) if "/" in part else 1
        if span == "*":
            allowed.update(range(low, high + 1, step))
            continue
        first_text, dash, last_text = span.partition("-")
        first = _number(first_text, name, low, high, words)
        last = _number(last_text, name, low, high, words) if dash else (high if "/" in part else first)
        if (first_text, last_text) == ("0", "7"):  # Sunday to Sunday
            first, last = low, high
        values = list(range(first, last + 1)) if first <= last else [*range(first, high + 1), *range(low, last + 1)]
        allowed.update(values[::step])
    return allowed


def _number(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + low
    if name == "day of the week" and text == "7":
        return 0
    if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(f'"{text}" is no {name}; it must be from {low} to {high}')
    return int(text)
