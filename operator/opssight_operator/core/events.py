"""Events of Kubernetes, written on transitions only."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.conditions import Condition, ConditionType, Reason
from .conditions import find, shortened
from .plan import Event

MAX_EVENTS = 10  # of one plan, so that a bad hour of 500 series does not flood the namespace


def ready_events(previous: Sequence[Condition], current: Sequence[Condition]) -> tuple[Event, ...]:
    """One event when Ready has another status or another reason than before."""
    old, new = find(previous, ConditionType.READY), find(current, ConditionType.READY)
    if new is None or new.reason == Reason.PENDING:
        return ()
    if old is not None and (old.status, old.reason) == (new.status, new.reason):
        return ()
    return (
        Event(
            type="Normal" if new.status == "True" else "Warning",
            reason=new.reason,
            message=shortened(new.message),
            action="Reconcile",
        ),
    )


def capped(events: Sequence[Event]) -> tuple[Event, ...]:
    """At most ``MAX_EVENTS`` events of each reason; the last of them says how many more there were."""
    kept: list[Event] = []
    for reason in dict.fromkeys(event.reason for event in events):
        same = [event for event in events if event.reason == reason]
        kept.extend(same[:MAX_EVENTS])
        if len(same) > MAX_EVENTS:
            first = same[0]
            more = len(same) - MAX_EVENTS
            kept.append(
                Event(first.type, reason, f"{more} more like these; status and metrics have them", first.action)
            )
    return tuple(kept)
