"""Plans of a reconcile that could not be done: what is held, what is dropped, and what is said.

Four families of errors (see ``errors``) and one table. Rules and thresholds stay as they are in every
case, so that no failure silences an alert; scores are dropped, because absence must never read as health.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..api.anomaly_detector import AnomalyDetector
from ..api.conditions import ConditionType, Reason, Status
from ..api.metrics_source import MetricsSource
from ..api.pattern_report import PatternReport
from ..api.threshold_policy import ThresholdPolicy
from ..errors import ConflictError, DataError, DependencyError, OpsSightError, SpecError, Throttled
from ..settings import Settings
from .conditions import CONDITIONS_OF, Verdict, verdict_of, with_verdicts
from .events import ready_events
from .gauges import held_threshold_gauges, report_gauges
from .meaning import meaning
from .plan import Gauge, KeepRule, Plan

Kind = AnomalyDetector | ThresholdPolicy | MetricsSource | PatternReport

READY, DATA, TRAINED, LOADED, RECOMMENDED, APPLIED, REACHABLE = (
    ConditionType.READY,
    ConditionType.DATA_AVAILABLE,
    ConditionType.MODEL_TRAINED,
    ConditionType.RULE_LOADED,
    ConditionType.RECOMMENDED,
    ConditionType.APPLIED,
    ConditionType.REACHABLE,
)

# What each family says of each condition; a condition that is not named stays as it was.
FAMILIES: tuple[tuple[type[Exception], Mapping[ConditionType, Status]], ...] = (
    (SpecError, {READY: "False", DATA: "Unknown", TRAINED: "Unknown"}),
    (DataError, {READY: "False", DATA: "False", TRAINED: "Unknown"}),
    (
        DependencyError,
        {READY: "Unknown", DATA: "Unknown", TRAINED: "Unknown", LOADED: "Unknown", REACHABLE: "False"},
    ),
    (ConflictError, {READY: "False", APPLIED: "False", LOADED: "Unknown"}),
    (Exception, {READY: "Unknown", DATA: "Unknown", TRAINED: "Unknown", LOADED: "Unknown", REACHABLE: "Unknown"}),
)


def held_plan(resource: Kind, error: Exception, now: float, settings: Settings) -> Plan[Any]:
    """The plan of a reconcile that raised ``error`` before anything was decided.

    The rule, the thresholds and the history of episodes stay; the conditions say why. ``retry_after`` is the
    first delay of the backoff for a dependency and for a defect; the scheduler lengthens it while it lasts.
    """
    reason, message = _said(error)
    return _plan(
        resource,
        _verdicts(error),
        fallback=Verdict("Unknown", reason, message),
        now=now,
        retry_after=max(settings.backoff_seconds, _asked(error)) if _worth_retrying(error) else None,
    )


def suspended_plan(resource: Kind, now: float) -> Plan[Any]:
    """The plan of a suspended resource: it does what its spec asks for, and knows nothing about the data."""
    message = "spec.suspend is true: nothing is queried, and rules and thresholds stay as they are"
    unknown = Verdict("Unknown", Reason.SUSPENDED, message)
    verdicts = {
        READY: Verdict("True", Reason.SUSPENDED, message),
        **dict.fromkeys((DATA, TRAINED, LOADED), unknown),
    }
    # Past episodes stay; a list of series would read as what is seen now.
    forgotten: dict[str, Any] = {"summary": None, "series": []} if isinstance(resource, AnomalyDetector) else {}
    if isinstance(resource, PatternReport):
        forgotten = {"next_run_at": None}  # what came due meanwhile is left out
    return _plan(resource, verdicts, fallback=unknown, now=now, forgotten=forgotten)


def pending_plan(resource: Kind, now: float) -> Plan[Any]:
    """The plan for a resource that is seen for the first time and has to wait for its turn."""
    pending = Verdict("Unknown", Reason.PENDING, "the resource has been seen but not reconciled yet")
    return _plan(resource, {}, fallback=pending, now=now)


def not_applied(plan: Plan[Any], resource: Kind, error: Exception, now: float, settings: Settings) -> Plan[Any]:
    """What is left of a ``plan`` whose rule could not be written.

    A threshold that was not delivered was not changed, so a policy goes back to what it had, and a report that was
    not kept was not made. What a detector saw is true all the same.
    """
    held = held_plan(resource, error, now, settings)
    if isinstance(resource, ThresholdPolicy):
        return _with_places(held, resource, plan)
    if isinstance(resource, PatternReport):
        return held
    verdicts = {kind: verdict_of(plan.status.conditions, kind) for kind in _kinds(resource)}
    verdicts |= {kind: verdict for kind, verdict in _verdicts(error).items() if kind in (READY, LOADED)}
    previous = resource.status.conditions
    conditions = with_verdicts(previous, verdicts, generation=resource.metadata.generation, now=now)
    status = plan.status.model_copy(update={"conditions": conditions})
    episodes = tuple(e for e in plan.events if e.reason not in set(Reason))
    return replace(
        plan,
        status=status,
        status_changed=_changed(resource, status),
        rule=KeepRule(),
        events=(*ready_events(previous, conditions), *episodes),
        outcome=held.outcome,
        retry_after=held.retry_after,
    )


def _with_places(held: Plan[Any], resource: ThresholdPolicy, plan: Plan[Any]) -> Plan[Any]:
    """``held``, which remembers each object that a write without an answer may have reached."""
    named = list(dict.fromkeys([*plan.status.rule_objects, *resource.status.rule_objects]))
    status = held.status.model_copy(update={"rule_objects": named})
    return replace(held, status=status, status_changed=_changed(resource, status))


def _plan(
    resource: Kind,
    verdicts: Mapping[ConditionType, Verdict],
    *,
    fallback: Verdict,
    now: float,
    retry_after: float | None = None,
    forgotten: Mapping[str, Any] | None = None,
) -> Plan[Any]:
    previous = resource.status.conditions
    said: dict[ConditionType, Verdict | None] = {}
    for kind in _kinds(resource):
        known = verdict_of(previous, kind)
        stays = known is not None and known.reason not in (Reason.PENDING, Reason.SUSPENDED)
        said[kind] = verdicts.get(kind) or (None if stays else fallback)
    generation = resource.metadata.generation
    conditions = with_verdicts(previous, said, generation=generation, now=now)
    status = resource.status.model_copy(
        update={**(forgotten or {}), "conditions": conditions, "observed_generation": generation}
    )
    ready = verdict_of(conditions, READY)
    return Plan(
        status=status,
        status_changed=_changed(resource, status),
        rule=KeepRule(),
        events=ready_events(previous, conditions),
        gauges=_held_gauges(resource, status, now),
        outcome=str(ready.reason) if ready else str(fallback.reason),
        retry_after=retry_after,
    )


def _changed(resource: Kind, status: Any) -> bool:
    # No number is fresh in a held status, so there is nothing that a heartbeat could carry.
    return meaning(resource.status) != meaning(status)


def _held_gauges(resource: Kind, status: Any, now: float) -> tuple[Gauge, ...] | None:
    if isinstance(resource, ThresholdPolicy):
        return held_threshold_gauges(resource, now)
    if isinstance(resource, PatternReport):
        return report_gauges(resource, status)
    return () if isinstance(resource, AnomalyDetector) else None


def _kinds(resource: Kind) -> tuple[ConditionType, ...]:
    return CONDITIONS_OF[type(resource).__name__]


def _verdicts(error: Exception) -> dict[ConditionType, Verdict]:
    reason, message = _said(error)
    family = next(says for kind, says in FAMILIES if isinstance(error, kind))
    return {kind: Verdict(status, reason, message) for kind, status in family.items()}


def _said(error: Exception) -> tuple[Reason, str]:
    if isinstance(error, OpsSightError) and error.reason in set(Reason):
        return Reason(error.reason), str(error)
    # The text of an unexpected error may hold anything, so that only its class is shown.
    return Reason.INTERNAL_ERROR, f"{type(error).__name__}; the operator's log has the traceback"


def _asked(error: Exception) -> float:
    return error.retry_after if isinstance(error, Throttled) else 0.0


def _worth_retrying(error: Exception) -> bool:
    return isinstance(error, DependencyError) or not isinstance(error, OpsSightError)
