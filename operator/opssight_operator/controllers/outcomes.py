"""What follows for the schedule from the outcome of a reconcile: one table."""

from __future__ import annotations

from opssight_operator.api.conditions import Reason
from opssight_operator.core.plan import Plan
from opssight_operator.core.scheduling import LEAST_JITTER, backoff

BACKOFF = frozenset(
    {
        Reason.PROMETHEUS_UNREACHABLE,
        Reason.PROMETHEUS_OVERLOADED,
        Reason.THROTTLED,
        Reason.KUBERNETES_UNAVAILABLE,
        Reason.SOURCE_MISSING,
        Reason.INTERNAL_ERROR,
    }
)
"""Outcomes after which the resource is tried again sooner than its interval, and slower each time."""


def failed(plan: Plan) -> bool:  # type: ignore[type-arg]
    """Whether the outcome counts as a failure for the backoff."""
    return plan.outcome in BACKOFF


def next_delay(
    plan: Plan,  # type: ignore[type-arg]
    uid: str,
    failures: int,
    interval: float,
    longest: float,
) -> float | None:
    """Seconds until the next run; None for the resource's own grid.

    The backoff never waits longer than the interval, so that a resource recovers within two of them.
    """
    if plan.retry_after is None or not failed(plan):
        return plan.retry_after
    # A server that named a time is not asked before it.
    first = plan.retry_after / LEAST_JITTER if plan.outcome == Reason.THROTTLED else plan.retry_after
    return backoff(uid, max(1, failures), first, max(first, min(longest, interval)))
