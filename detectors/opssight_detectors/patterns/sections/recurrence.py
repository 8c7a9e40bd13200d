"""What comes back by the clock: "every day about 02:00, on 9 of 10 days", "every Monday about 02:00, 5 of 6 weeks".

For each item, each hour of the day (or of the week), also shifted by half an hour, is tested: on how many days (weeks)
did the item begin in it, against a start at a random hour? A daily claim must stand out from the hours around it, a
weekly claim from the same hour of the other weekdays. The best slot of an item pays for all of its slots (Bonferroni),
the items for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..evidence import Evidence
from ..findings import Finding, GridPlot, Outcome, Statistic, nothing
from ..phrases import WEEKDAYS, count, where
from ..stats import benjamini_hochberg, binomial_tail
from ..timestamps import DAY, HOUR, day_number

SECTION = "Recurrence"
MIN_DAYS, MIN_WEEKS = 5, 3
MIN_SHARE = 0.6
MAX_ITEMS = 200
_SHIFTS = (0.0, 1800.0)


@dataclass(frozen=True, slots=True)
class _Slot:
    """``p`` of the best slot before correction; ``shift`` moves slots to begin earlier by that many seconds."""

    p: float
    index: int
    hits: int
    chances: int
    shift: float


def recurrence(evidence: Evidence) -> Outcome:
    """At most one finding an item: daily if the day explains it, else weekly; only items of this window."""
    days = int((evidence.window.end - evidence.history_start) / DAY)
    if days < MIN_DAYS:
        return nothing(f"{count(days, 'day')} of incidents, at least {MIN_DAYS} are needed")
    codes = evidence.item.codes
    counts = evidence.item.take(evidence.in_window).counts()
    items = [i for i in np.argsort(-counts, kind="stable")[:MAX_ITEMS].tolist() if counts[i]]
    candidates = []
    for item in items:
        candidates.extend(_candidates(evidence, item, evidence.local[codes == item], days))
    tests = 2 * len(items)
    p_values = np.array([finding.p_value for finding in candidates], dtype=np.float64)
    findings: dict[str, Finding] = {}
    for finding, q in zip(candidates, benjamini_hochberg(p_values, tests), strict=True):
        if q <= evidence.alpha:  # daily comes first, and a daily pattern is not told again for a weekday
            findings.setdefault(finding.subject.rsplit("@", 1)[0], replace(finding, adjusted_p_value=float(q)))
    ordered = sorted(findings.values(), key=lambda finding: (finding.p_value or 0.0, finding.subject))
    return Outcome(tuple(ordered)) if ordered else nothing("nothing came back by the clock")


def _candidates(evidence: Evidence, item: int, local: NDArray[np.float64], days: int) -> list[Finding]:
    last_day = int(day_number(np.array([_local_end(evidence)]))[0])
    daily = [_best_daily(local, last_day, days, shift) for shift in _SHIFTS]
    weeks = days // 7
    weekly = [_best_weekly(local, last_day, weeks, shift) for shift in _SHIFTS] if weeks >= MIN_WEEKS else []
    findings = []
    for slots, number, period in ((daily, 24, "day"), (weekly, 168, "week")):
        usable = [slot for slot in slots if slot]
        if usable:
            best = min(usable, key=lambda slot: (slot.p, slot.shift))
            p = min(1.0, best.p * number * len(_SHIFTS))
            findings.append(_finding(evidence, item, local, best, p, period))
    return findings


def _local_end(evidence: Evidence) -> float:
    zone_offset = float(evidence.local[-1] - evidence.all.start[-1])
    return evidence.window.end - 1.0 + zone_offset


def _occupied(local: NDArray[np.float64], last_day: int, days: int, shift: float) -> NDArray[np.bool_]:
    """``[days, 24]``: whether the item began in that hour of that day, the last day last."""
    moved = local + shift
    day = day_number(moved) - (last_day - days + 1)
    hour = np.floor_divide(moved % DAY, HOUR).astype(np.int64)
    inside = (day >= 0) & (day < days)
    grid = np.zeros((days, 24), dtype=bool)
    grid[day[inside], hour[inside]] = True
    return grid


def _best_daily(local: NDArray[np.float64], last_day: int, days: int, shift: float) -> _Slot | None:
    grid = _occupied(local, last_day, days, shift)
    hits = grid.sum(axis=0)
    hour = int(hits.argmax())
    if hits[hour] < max(MIN_DAYS, MIN_SHARE * days):
        return None
    neighbours = hits[(hour + np.array([-4, -3, -2, 2, 3, 4])) % 24] / days
    chance = max(float(grid.mean()), float(neighbours.max()))
    return _Slot(binomial_tail(int(hits[hour]), days, chance), hour, int(hits[hour]), days, shift)


def _best_weekly(local: NDArray[np.float64], last_day: int, weeks: int, shift: float) -> _Slot | None:
    grid = _occupied(local, last_day, weeks * 7, shift)
    first_weekday = (last_day - weeks * 7 + 1 + 3) % 7
    hits = np.roll(grid.reshape(weeks, 7, 24).sum(axis=0), first_weekday, axis=0)  # [weekday, hour]
    best: _Slot | None = None
    p_of: dict[tuple[int, float], float] = {}
    for weekday, hour in np.argwhere(hits >= max(MIN_WEEKS, MIN_SHARE * weeks)).tolist():
        others = (hits[:, hour].sum() - hits[weekday, hour]) / (6.0 * weeks)
        chance = max(float(grid.mean()), float(others))
        if hits[weekday, hour] <= chance * weeks:
            continue
        key = int(hits[weekday, hour]), chance
        p = p_of[key] if key in p_of else p_of.setdefault(key, binomial_tail(key[0], weeks, chance))
        if best is None or p < best.p:
            best = _Slot(p, weekday * 24 + hour, int(hits[weekday, hour]), weeks, shift)
    return best


def _finding(evidence: Evidence, item: int, local: NDArray[np.float64], slot: _Slot, p: float, period: str) -> Finding:
    hour, name = slot.index % 24, evidence.item.values[item]
    moved = local + slot.shift
    inside = np.floor_divide(moved % DAY, HOUR).astype(np.int64) == hour
    if period == "week":
        inside &= (day_number(moved) + 3) % 7 == slot.index // 24
    typical = (float(np.median(moved[inside] % HOUR)) + hour * HOUR - slot.shift) % DAY
    about = f"{int(typical // HOUR):02d}:{int(typical % HOUR // 60):02d}"
    day = "every day" if period == "day" else f"every {WEEKDAYS[slot.index // 24]}"
    rows = evidence.all.take(evidence.item.codes == item)
    return Finding(
        section=SECTION,
        kind="Daily" if period == "day" else "Weekly",
        subject=f"{name}@{day} {hour:02d}h",
        sentence=(
            f"{name}{where(rows)} came {day} about {about}, "
            f"{'on' if period == 'day' else 'in'} {slot.hits} of {slot.chances} {period}s."
        ),
        support=slot.hits,
        statistic=Statistic(f"share of {period}s", slot.hits / slot.chances),
        p_value=p,
        highlight=True,
        plot=_grid(name, local),
    )


def _grid(name: str, local: NDArray[np.float64]) -> GridPlot:
    weekday, hour = (day_number(local) + 3) % 7, np.floor_divide(local % DAY, HOUR).astype(np.int64)
    counts = np.bincount(weekday * 24 + hour, minlength=168).reshape(7, 24)
    return GridPlot(
        title=f"{name}: starts by weekday and hour",
        row_labels=tuple(day[:3] for day in WEEKDAYS),
        column_labels=tuple(f"{i:02d}" for i in range(24)),
        values=tuple(tuple(float(x) for x in row) for row in counts),
        highlighted=(),
        unit="incidents",
    )
