"""The thresholds of a policy as its status shows them: the list, as much of it as fits, and the changes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from ..api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from ..api.threshold_status import Simulation, ThresholdChange, ThresholdSimulation, ThresholdStatus
from .case import Change
from .conditions import shortened
from .evidence import simulated
from .hours import HourTable
from .numbers import exact_text, number_or_none
from .rules import Level, label_items
from .thresholds import MAX_LISTED, Decision
from .timing import whole_second

MAX_CHANGES = 10
MAX_CHANGES_BYTES = 6_500
MAX_MESSAGE = 512
MAX_NOTES, MAX_NOTE = 6, 256
MAX_BYTES = 20_000  # of the list


def listed(spec: ThresholdPolicySpec, made: Sequence[Decision]) -> list[ThresholdStatus]:
    """The thresholds as status shows them: at most 50, the simulations and notes of as many as fit."""
    shown: list[ThresholdStatus] = []
    budget = MAX_BYTES
    for decision in made[:MAX_LISTED]:
        plain = _status(decision)
        size = _size(plain)
        if shown and size > budget:
            break
        full = plain.model_copy(update={"simulation": _simulation(spec, decision), "notes": _notes(decision)})
        # The others' plain entries have to find room after this one.
        room = budget - size * (min(len(made), MAX_LISTED) - len(shown) - 1)
        entry = full if _size(full) <= room else plain
        shown.append(entry)
        budget -= _size(entry)
    return shown


def changes(
    policy: ThresholdPolicy, made: Sequence[Decision], shown: Sequence[ThresholdStatus], now: float
) -> list[ThresholdChange]:
    """The changes of this evaluation, in the order of their labels."""
    simulations = {label_items(t.labels): t.simulation for t in shown}
    list_was_full = policy.status.count > len(policy.status.thresholds)
    result: list[ThresholdChange] = []
    for decision in made:
        if not isinstance(decision.verdict, Change) or (decision.before is None and list_was_full):
            continue
        simulation = simulations.get(label_items(decision.labels))
        predicted = simulation.current if simulation else None
        result.append(
            ThresholdChange(
                at=whole_second(now),
                labels=dict(decision.labels),
                from_=None if decision.before is None else exact_text(decision.before.value),
                to=exact_text(decision.verdict.value),
                reason=str(decision.reason),
                why=shortened(decision.why, MAX_MESSAGE),
                predicted_episodes_per_week=predicted.episodes_per_week if predicted else None,
            )
        )
    return result


def _status(decision: Decision) -> ThresholdStatus:
    estimate = decision.evidence.estimate if decision.evidence else None
    before = decision.before
    reason, message = str(decision.reason), shortened(decision.why, MAX_MESSAGE)
    if decision.just_changed and before is not None:
        reason, message = before.reason, before.message
    return ThresholdStatus(
        labels=dict(decision.labels),
        current=None if decision.current is None else exact_text(decision.current),
        hours=decision.table.text if decision.table else None,
        proposed=number_or_none(estimate.value) if estimate else None,
        reason=reason,
        message=message,
        samples=estimate.samples if estimate else 0,
        coverage=number_or_none(estimate.coverage) if estimate else None,
        lower=number_or_none(estimate.lower) if estimate else None,
        upper=number_or_none(estimate.upper) if estimate else None,
        changed_at=None if decision.changed_at is None else whole_second(decision.changed_at),
        outcome=decision.outcome,
    )


def _notes(decision: Decision) -> list[str]:
    notes = decision.evidence.estimate.notes if decision.evidence else ()
    return list(dict.fromkeys(shortened(note, MAX_NOTE) for note in notes))[:MAX_NOTES]


def _simulation(spec: ThresholdPolicySpec, decision: Decision) -> ThresholdSimulation | None:
    evidence = decision.evidence
    if evidence is None:
        return None
    at: dict[Level, Simulation | None] = {}
    current, proposed = decision.level, evidence.suggested
    for level in (current, proposed):
        if level is not None and (isinstance(level, HourTable) or math.isfinite(level)) and level not in at:
            at[level] = simulated(spec, evidence, level)
    return ThresholdSimulation(
        current=None if current is None else at[current], proposed=at.get(proposed), time_zone=spec.alert.time_zone
    )


def _size(status: ThresholdStatus) -> int:
    return len(json.dumps(status.dump(), ensure_ascii=False).encode())
