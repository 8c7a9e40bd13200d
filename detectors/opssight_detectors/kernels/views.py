"""Many views of one value: residuals against the long level, windows, spreads and the same time of day.

No view is enough by itself; what the views agree on is an anomaly. Residuals against the newest values
are left out on purpose: on public data they add more noise than sense, and contexts see steps better.
A block of rows is judged by what was learned before it, plus the rows that precede each row in the
ring of recent values; ``learn`` then takes the block into the slow memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .windows import WindowSums

WINDOWS = np.array([6, 12, 36, 72, 144, 288])
PAIRS = np.array([6, 12, 24, 48, 96])  # two neighbouring windows of this length
SHIFTS = np.array([3, 6, 12, 36])  # a window against the eight times longer one before it
VARIANCE_PAIRS = np.array([12, 48, 96])
SPREADS = np.array([6, 12, 36, 72, 288])
RING = 328
LARGEST = 1e120  # of a residual, so that its square stays finite
SLOTS_A_DAY = 288
SLOTS_A_WEEK = 168
DAILY_WEIGHT = 0.3  # of the newest day in the seasonal profile
WEEKLY_WEIGHT = 0.5

# The exponential means that follow each row: of the value (what is expected), of the logarithm
# (two spans) and of the residual against the same time of day.
FAST_SPANS = np.array([12.0, 6.0, 36.0, 36.0])[:, None]

GROUPS: tuple[tuple[str, int], ...] = (
    ("level", 1),
    ("window mean", len(WINDOWS)),
    ("shift between windows", len(PAIRS) + len(SHIFTS)),
    ("spread", len(VARIANCE_PAIRS) + len(SPREADS)),
    ("time of day", 4),
    ("hour of week", 1),
    ("relative level", 3),
)
STREAMS = sum(count for _, count in GROUPS)
_UNITLESS = ("spread", "relative level")


@dataclass(slots=True)
class Views:
    """What the views remember; the last axis of every array is the series."""

    count: FloatArray  # samples learned
    mean: FloatArray
    squares: FloatArray  # sum of squared deviations
    magnitude: FloatArray  # mean of |x|
    log_mean: FloatArray
    fast: FloatArray  # [fast mean, series]
    started: FloatArray  # samples that the fast means have seen
    ring: FloatArray  # [row, series], at most RING rows, the newest last
    spread_means: FloatArray  # long mean of each log spread
    spread_counts: FloatArray
    day: FloatArray  # [profile, slot, series]: value, logarithm, hourly mean; NaN where never visited
    week: FloatArray  # [hour of week, series]: hourly mean
    power: FloatArray  # mean square of each stream, [stream, series]
    power_count: FloatArray

    def copy(self) -> Views:
        return Views(*(getattr(self, name).copy() for name in self.__slots__))


def empty_views(series: int) -> Views:
    """Views that have seen nothing."""

    def zeros(*shape: int) -> FloatArray:
        return np.zeros((*shape, series))

    return Views(
        count=zeros(),
        mean=zeros(),
        squares=zeros(),
        magnitude=zeros(),
        log_mean=zeros(),
        fast=zeros(len(FAST_SPANS)),
        started=zeros(),
        ring=zeros(0),
        spread_means=zeros(len(SPREADS)),
        spread_counts=zeros(len(SPREADS)),
        day=np.full((3, SLOTS_A_DAY, series), np.nan),
        week=np.full((SLOTS_A_WEEK, series), np.nan),
        power=zeros(STREAMS),
        power_count=zeros(STREAMS),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """Where each row is in the day and in the week, and how many samples fill a slot."""

    day_slot: NDArray[np.intp]
    week_slot: NDArray[np.intp]
    samples_a_slot: float
    samples_an_hour: float


def clock_of(local_seconds: FloatArray, step: float) -> Clock:
    """The clock of rows at ``local_seconds`` (since Monday 1970-01-05, wall clock), ``step`` seconds apart."""
    return Clock(
        day_slot=(np.mod(local_seconds, 86400.0) * (SLOTS_A_DAY / 86400.0)).astype(np.intp),
        week_slot=(np.mod(local_seconds, 7 * 86400.0) / 3600.0).astype(np.intp),
        samples_a_slot=max(86400.0 / SLOTS_A_DAY / step, 1.0),
        samples_an_hour=max(3600.0 / step, 1.0),
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """One judged block: what ``learn`` needs, and the result. All arrays are ``[row, ..., series]``."""

    magnitudes: FloatArray  # residuals in past root mean squares, [row, stream, series]; NaN is no opinion
    expected: FloatArray
    raw: FloatArray
    filled: FloatArray  # the values, a missing one replaced by the one before
    there: NDArray[np.bool_]
    logged: FloatArray
    spread: FloatArray
    hour_mean: FloatArray


def look(views: Views, x: FloatArray, clock: Clock) -> Seen:
    """Judge ``x [row, series]``; moves the ring and the fast means on, in place, and nothing else."""
    there = ~np.isnan(x)
    filled = _fill(views, x, there)
    history = np.concatenate([views.ring, filled])
    sums = WindowSums(history, len(x), views.mean)
    views.ring = history[-RING:]
    deviation = filled - views.mean
    scale = np.where(views.magnitude > 0, views.magnitude, 1.0)
    variance = views.squares / np.maximum(views.count, 1.0)
    logged = _logged(views, filled)

    hour_rows = np.array([int(np.clip(round(clock.samples_an_hour), 1, WINDOWS[-1]))])
    hour_mean = sums.mean(hour_rows)[:, 0] + views.mean
    day, day_log, day_mean = views.day[:, clock.day_slot]
    week = views.week[clock.week_slot]
    of_day = np.where(np.isnan(day), deviation, filled - day)
    before = _follow(views, np.stack([filled, logged, logged, of_day], axis=1), there)

    raw = np.empty((len(x), STREAMS, x.shape[1]))
    raw[:, 0] = deviation
    at = 1 + _windows(raw[:, 1:], sums, 1e-3 * variance + 1e-12 * scale**2)
    spread, enough = _spreads(sums, variance, scale)
    known = enough & (views.spread_counts > 0)
    raw[:, at : at + len(SPREADS)] = np.where(known, spread - views.spread_means, np.nan)
    at += len(SPREADS)
    raw[:, at] = of_day
    raw[:, at + 1] = of_day - before[:, 3]
    raw[:, at + 2] = np.where(np.isnan(day_mean), deviation, hour_mean - day_mean)
    raw[:, at + 3] = np.where(np.isnan(day_log), logged - views.log_mean, logged - day_log)
    raw[:, at + 4] = np.where(np.isnan(week), deviation, hour_mean - week)
    raw[:, at + 5] = logged - views.log_mean
    raw[:, at + 6 :] = logged[:, None] - before[:, 1:3]
    raw = np.where(there[:, None] & (views.count >= 2), np.minimum(np.abs(raw), LARGEST), np.nan)
    unit = np.where(_HAS_UNIT[:, None], scale, 1.0)
    rms = np.maximum(np.sqrt(views.power), np.maximum(1e-3 * unit, 1e-150))
    magnitudes = np.where(views.power_count >= 10, raw / rms, np.nan)
    return Seen(magnitudes, before[:, 0], raw, filled, there, logged, np.where(enough, spread, np.nan), hour_mean)


def _logged(views: Views, filled: FloatArray) -> FloatArray:
    """Signed logarithm relative to the usual magnitude; the first value is its own measure."""
    size = np.abs(filled)
    scale = np.where(views.magnitude > 0, views.magnitude, np.where(size > 0, size, 1.0))
    with np.errstate(over="ignore"):
        ratio = np.minimum(size / scale * 10.0, LARGEST)
    return np.asarray(np.sign(filled) * np.log1p(ratio))


def _fill(views: Views, x: FloatArray, there: NDArray[np.bool_]) -> FloatArray:
    """Missing values replaced by the one before; a series that begins here takes its first value backwards."""
    if there.all() and (views.started > 0).all():
        return x
    last = views.ring[-1] if len(views.ring) else np.zeros(x.shape[1])
    index = np.where(there, np.arange(len(x))[:, None], -1)
    np.maximum.accumulate(index, axis=0, out=index)
    each = np.arange(x.shape[1])
    filled = np.where(index >= 0, x[np.maximum(index, 0), each], last)
    begins = (views.started == 0) & there.any(axis=0)
    if begins.any():
        first = x[there.argmax(axis=0), each]
        filled = np.where(begins & (index < 0), first, filled)
        views.ring[:, begins] = first[begins]
    return filled


def _follow(views: Views, new: FloatArray, there: NDArray[np.bool_]) -> FloatArray:
    """The fast means before each row of ``new [row, fast mean, series]``; they learn the rows on the way."""
    before = np.empty_like(new)
    fast, started = views.fast, views.started
    weight = 2.0 / (FAST_SPANS + 1.0)
    for row in range(len(new)):
        before[row] = fast
        started = started + there[row]
        # an average over fewer samples than its span weighs them equally, so it has no start-up bias
        share = np.where(there[row], np.maximum(weight, 1.0 / np.maximum(started, 1.0)), 0.0)
        fast = fast + (new[row] - fast) * share
    views.fast, views.started = fast, started
    return before


def _windows(out: FloatArray, sums: WindowSums, floor: FloatArray) -> int:
    """Fill the streams of windows into ``out``; how many there are."""
    parts = []
    enough = sums.available(np.maximum(WINDOWS // 4, 3))
    parts.append(np.where(enough, sums.mean(WINDOWS), np.nan))
    new_mean, new_variance = sums.mean_and_variance(PAIRS)
    old_mean, old_variance = sums.mean_and_variance(PAIRS, PAIRS)
    noise = np.sqrt(new_variance + old_variance + np.maximum(floor, 1e-300))
    parts.append(np.where(sums.available(2 * PAIRS), (new_mean - old_mean) / noise, np.nan))
    shift = sums.mean(SHIFTS) - sums.mean(8 * SHIFTS, SHIFTS)
    parts.append(np.where(sums.available(2 * SHIFTS), shift, np.nan))
    _, new_variance = sums.mean_and_variance(VARIANCE_PAIRS)
    _, old_variance = sums.mean_and_variance(VARIANCE_PAIRS, VARIANCE_PAIRS)
    small = np.maximum(0.1 * floor, 1e-300)
    ratio = np.log(new_variance + small) - np.log(old_variance + small)
    parts.append(np.where(sums.available(2 * VARIANCE_PAIRS), ratio, np.nan))
    at = 0
    for part in parts:
        out[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return at


def _spreads(sums: WindowSums, variance: FloatArray, scale: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    _, new_variance = sums.mean_and_variance(SPREADS)
    small = 1e-3 * np.sqrt(variance) + np.maximum(1e-12 * scale, 1e-300)
    return np.log(np.sqrt(new_variance) + small), sums.available(np.maximum(SPREADS // 4, 3))


_HAS_UNIT = np.repeat([name not in _UNITLESS for name, _ in GROUPS], [count for _, count in GROUPS])
_PAIRS_START = 1 + len(WINDOWS)
_HAS_UNIT[_PAIRS_START : _PAIRS_START + len(PAIRS)] = False  # in standard errors
_HAS_UNIT[STREAMS - 3 - 1 - 1] = False  # time of day of the logarithm
