"""Conditions of a whole resource at once: every type that its kind has, in one order, from the first reconcile on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..api.conditions import STALLING, Condition, ConditionType, Reason, Status, set_condition
from .timing import whole_second

MAX_MESSAGE = 1024

CONDITIONS_OF: dict[str, tuple[ConditionType, ...]] = {
    "MetricsSource": (ConditionType.READY, ConditionType.REACHABLE),
    "AnomalyDetector": (
        ConditionType.READY,
        ConditionType.DATA_AVAILABLE,
        ConditionType.MODEL_TRAINED,
        ConditionType.RULE_LOADED,
    ),
    "ThresholdPolicy": (
        ConditionType.READY,
        ConditionType.DATA_AVAILABLE,
        ConditionType.RECOMMENDED,
        ConditionType.APPLIED,
        ConditionType.RULE_LOADED,
        ConditionType.AS_PREDICTED,
    ),
    "PatternReport": (ConditionType.READY, ConditionType.COMPLETE),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one condition says."""

    status: Status
    reason: Reason
    message: str


def find(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """The condition of this type, if it has been set."""
    return next((c for c in conditions if c.type == kind), None)


def verdict_of(conditions: Sequence[Condition], kind: ConditionType) -> Verdict | None:
    """What the condition of this type says, if it has been set and its reason is one of ours."""
    condition = find(conditions, kind)
    if condition is None or condition.reason not in set(Reason):
        return None
    return Verdict(condition.status, Reason(condition.reason), condition.message)


def with_verdicts(
    previous: Sequence[Condition], verdicts: Mapping[ConditionType, Verdict | None], *, generation: int, now: float
) -> list[Condition]:
    """The conditions that ``verdicts`` make of the ``previous`` ones; ``now`` is seconds since the epoch.

    None leaves a condition as it was; a type that is not among the verdicts is dropped. Stalled follows from Ready.
    """
    ready = verdicts.get(ConditionType.READY) or verdict_of(previous, ConditionType.READY)
    if ready is not None and stalls(ready):
        verdicts = {**verdicts, ConditionType.STALLED: replace(ready, status="True")}
    conditions = [c for c in previous if c.type in verdicts]
    for kind, verdict in verdicts.items():
        if verdict is None:
            continue
        conditions = set_condition(
            conditions,
            kind,
            verdict.status,
            verdict.reason,
            shortened(verdict.message),
            generation=generation,
            now=whole_second(now),
        )
    order = [str(kind) for kind in verdicts]
    return sorted(conditions, key=lambda c: order.index(c.type))


def stalls(ready: Verdict) -> bool:
    """Whether waiting is in vain: only a person can change what Ready says."""
    return ready.status == "False" and ready.reason in STALLING


def shortened(message: str, limit: int = MAX_MESSAGE) -> str:
    """``message`` on one line and within ``limit`` characters, with a mark where it was cut."""
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
