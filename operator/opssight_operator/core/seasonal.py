"""Learning and deciding a table of thresholds: each hour of the week goes through the chain of guardrails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from opssight_detectors.thresholds.base import Bound, Estimate
from opssight_detectors.thresholds.seasonal import Seasonal

from ..api.threshold_policy import ThresholdPolicySpec
from ..api.threshold_reasons import ThresholdReason
from .case import Case, Change, Hold, RollBack
from .chain import decide
from .estimating import estimator_for
from .hours import HourTable, calmed, hour_name
from .numbers import number_text, readable
from .observation import FloatArray
from .science import checked

_POOLS = {
    "hour": "their own samples",
    "neighbours": "those of their neighbours",
    "day kind": "those of like days",
    "all": "all samples",
}
_FIRST = (
    ThresholdReason.FIRING,
    ThresholdReason.ROLLED_BACK,
    ThresholdReason.COOLDOWN,
    ThresholdReason.AT_LIMIT,
    ThresholdReason.WITHIN_DEAD_BAND,
)


def check_seasonal(spec: ThresholdPolicySpec) -> None:
    """Refuse a time zone that nobody knows."""
    if spec.seasonal is not None:
        seasonal_for(spec)


def seasonal_for(spec: ThresholdPolicySpec) -> Seasonal:
    """The configured learner of ``spec.seasonal``; raises ``InvalidSpec``."""
    given = spec.seasonal
    if given is None:
        raise ValueError("the spec asks for no seasonal thresholds")
    estimator = estimator_for(spec)
    return checked("seasonal", lambda: Seasonal(estimator, given.time_zone, given.min_samples, given.min_weeks))


def learned_table(
    spec: ThresholdPolicySpec, times: FloatArray, values: FloatArray, bound: Bound, whole: Estimate, now: float
) -> tuple[HourTable | None, Estimate]:
    """The thresholds of all hours, and the estimate of the present one with what all of them rest on.

    ``whole`` is the estimate of all hours together, which stands in for an hour that can have none.
    """
    learner = seasonal_for(spec)
    found = learner.table(times, values, bound)
    suggested = [readable(hour.value if hour.known else whole.value) for hour in found.hours]
    if not whole.known:
        return None, whole
    table = HourTable(calmed(suggested, float(spec.guardrails.dead_band), bound.sign), learner.time_zone)
    pools = Counter(found.pooled)
    rests = ", ".join(f"{count} on {_POOLS[pool]}" for pool, count in pools.most_common())
    here = HourTable(tuple(float(h) for h in range(len(found.hours))), learner.time_zone).now(now)
    hour = found.hours[int(here)]
    present = hour if hour.known else whole
    notes = (f"of 168 hours of the week rest {rests}", *present.notes)
    return table, replace(
        present, value=table.values[int(here)], samples=whole.samples, coverage=whole.coverage, notes=notes
    )


def decide_hours(
    case: Case, suggested: HourTable | None, current: HourTable | None, back: HourTable | None
) -> tuple[Change | Hold, HourTable | None]:
    """The verdict on a whole table, and the table that holds from now on.

    ``case`` is that of the present hour; data, firing and times are the same for all hours. Going ``back`` needs no
    suggestion: a table that proved wrong is left, whatever history lacks now.
    """
    wanted = suggested if case.back_to is None or back is None else back
    if wanted is None:
        return decide(replace(case, back_to=None)), current
    verdicts = [
        decide(
            replace(
                case,
                suggested=value,
                current=None if current is None else current.values[hour],
                back_to=None if case.back_to is None or back is None else RollBack(back.values[hour], case.back_to.why),
            )
        )
        for hour, value in enumerate(wanted.values)
    ]
    holds = [verdict for verdict in verdicts if isinstance(verdict, Hold)]
    if len(holds) == len(verdicts) or (current is None and holds):
        return _held(holds, len(verdicts)), current
    start = wanted.values if current is None else current.values
    values = tuple(v.value if isinstance(v, Change) else start[h] for h, v in enumerate(verdicts))
    table = HourTable(values, wanted.time_zone)
    moved = [(hour, v) for hour, v in enumerate(verdicts) if isinstance(v, Change)]
    return _summed(moved, start, table, case, first=current is None), table


def _held(holds: Sequence[Hold], hours: int) -> Hold:
    """The hold that says most of all hours."""
    order = {reason: rank for rank, reason in enumerate(_FIRST)}
    said = min(holds, key=lambda hold: order.get(hold.reason, -1))
    if said.reason not in order:
        return said
    count = sum(hold.reason == said.reason for hold in holds)
    return Hold(said.reason, f"{count} of {hours} hours, for example: {said.message}")


def _summed(
    moved: Sequence[tuple[int, Change]], start: Sequence[float], table: HourTable, case: Case, *, first: bool
) -> Change:
    """All changes as one: the present hour's value, and why the hour that moves the furthest does."""
    hour, furthest = max(moved, key=lambda item: abs(item[1].value - start[item[0]]))
    low, high = number_text(min(table.values)), number_text(max(table.values))
    if first:
        why = f"a table of the week from {low} to {high}, {furthest.why} for {hour_name(hour)}"
    else:
        way = f"{hour_name(hour)} from {number_text(start[hour])} to {number_text(furthest.value)}"
        why = f"{len(moved)} of {len(start)} hours change, the furthest {way}: {furthest.why}"
    return replace(furthest, value=table.now(case.now), why=why, rolled_back=any(c.rolled_back for _, c in moved))
