"""A limit that moves with the metric and is exceeded at the rate that was asked for.

A constant quantile of a metric that drifts keeps no promise: it is exceeded for hours, or never. This
limit watches its own record instead. What it judges is the *rise*: how far a value lies above a level made
of the lowest recent value and the last one. A rise counts only when it is the largest of the hold time, so
that one incident spends one exceedance, and its size is compared with all such rises before. How rare it
has to be follows the balance of the account, exceedances allowed until now less those spent (a multiplicative
form of adaptive conformal inference, Gibbs and Candès, NeurIPS 2021); a rise beyond everything seen is
never suppressed. ``tests/oracles/thresholds_tracking.py`` is the same row by row.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base import FloatArray
from .base import Bound, Estimate, as_block, coverage_of, unknown

_LAST_VALUE = 0.25  # weight of the last value in the level; the rest is the lowest recent one
_GAIN = 0.25  # how strongly an exceedance saved or overspent moves the rarity that is asked for
_MOST_SAVED = 4.0  # exceedances that count as saved, however quiet it was
SPENDING = 1.85  # exceedances allowed, as a multiple of the rate; see ``ExceedanceRate``


@dataclass(frozen=True, slots=True)
class Track:
    """Limits of ``[time + 1]`` points, each from the points before it, the last for the point to come.

    NaN while there is less than a hold time of history, or no recent sample. ``exceeded`` and ``judged`` count
    the points beyond their limit and all that had one.
    """

    limits: FloatArray
    exceeded: int
    judged: int


@dataclass(frozen=True, slots=True)
class ExceedanceRate:
    """The limit that a share ``rate`` of points is beyond, kept by feedback.

    ``recent_seconds`` is where the level comes from, ``hold_seconds`` how long one exceedance raises the limit
    (and the history needed before the first limit). Incidents are exceedances too, and an account that paid for
    them with silence afterwards would miss the next: so 1.85 times the rate may be spent in all, which leaves the
    rate of ordinary points between one and two times the rate asked for. Suited to thresholds that are delivered
    at least as often as the metric moves; several series are judged by the outermost of them.
    """

    rate: float = 0.001
    recent_seconds: float = 3600.0
    hold_seconds: float = 86400.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate <= 0.1:
            raise ValueError(f"rate must be above 0 and at most 0.1, not {self.rate:g}")
        if not 0.0 < self.recent_seconds <= self.hold_seconds:
            raise ValueError(
                "recent_seconds must be above 0 and at most hold_seconds, "
                f"not {self.recent_seconds:g} and {self.hold_seconds:g}"
            )

    def estimate(self, times: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The limit of the next point after ``values [time, series]``; times must be evenly spaced."""
        values = as_block(times, values)
        samples = int(np.count_nonzero(~np.isnan(values)))
        if not samples:
            return unknown(values, "there is no sample")
        track = self.track(times, values, bound)
        value = float(track.limits[-1])
        note = f"{track.exceeded} of {track.judged} points of the history were beyond the limit of their time"
        if math.isnan(value):
            return unknown(values, f"there is no limit without a sample in the last {self.recent_seconds:g} s", note)
        return Estimate(value, math.nan, math.nan, samples, coverage_of(values), (note,))

    def track(self, times: FloatArray, values: FloatArray, bound: Bound) -> Track:
        """The limits of a whole history, as they would have been at each time."""
        values = bound.sign * as_block(times, values)
        outermost = np.fmax.reduce(values, axis=1) if values.shape[1] else np.full(len(values), np.nan)
        step = float(np.median(np.diff(times))) if len(times) > 1 else self.recent_seconds
        recent, hold = (max(round(seconds / step), 1) for seconds in (self.recent_seconds, self.hold_seconds))
        level = _over_last(outermost, recent, np.fmin)
        last = np.concatenate(([np.nan], outermost))
        level = np.where(np.isnan(last), level, level + _LAST_VALUE * (last - level))
        rises = outermost - level[:-1]
        held = _over_last(rises, hold, np.fmax)
        needed, exceeded, judged = _needed_rises(rises, held, hold, self.rate * SPENDING)
        return Track(bound.sign * (level + needed), exceeded, judged)


def _needed_rises(
    rises: FloatArray, held: FloatArray, warm_up: int, allowed_rate: float
) -> tuple[FloatArray, int, int]:
    """How large the rise of each point, and of the next one, must be to exceed; NaN until ``warm_up`` points."""
    needed = np.full(len(rises) + 1, np.nan)
    records: list[float] = []  # rises that were the largest of their hold time, ascending
    seen = exceeded = judged = 0
    for row in range(len(rises) + 1):
        floor = held[row]
        if seen >= warm_up:
            balance = allowed_rate * judged - exceeded
            rarity = allowed_rate * math.exp(_GAIN * min(balance, _MOST_SAVED))
            rank = int(rarity * seen) if rarity * seen >= 1.0 else 0
            rare = records[-1 - rank] if rank < len(records) else -math.inf
            needed[row] = rare if math.isnan(floor) else max(rare, floor)
        if row == len(rises):
            break
        rise = rises[row]
        if math.isnan(rise):
            continue
        if not math.isnan(needed[row]):
            judged += 1
            exceeded += rise > needed[row]
        seen += 1
        if math.isnan(floor) or rise > floor:
            insort(records, float(rise))
    return needed, exceeded, judged


def _over_last(values: FloatArray, rows: int, choose: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
    """``choose`` (fmin or fmax) over the ``rows`` points before each point and before the next one; ``[time + 1]``."""
    spans = np.concatenate((np.full(rows, np.nan), values))
    reach = 1
    while reach < rows:
        step = min(reach, rows - reach)
        spans = choose(spans[:-step], spans[step:])
        reach += step
    return spans
