"""Apply a plan: rule and documents, gauges, status, Events, in this order.

Gauges need nobody's leave, so that alerts on them see what was judged also while the API server refuses every write.
The status is written before the Events tell of a transition, so that a crash in between repeats nothing.
"""

from __future__ import annotations

from typing import Any

from opssight_operator.core.held import not_applied
from opssight_operator.core.plan import ApplyRule, LeaveRule, Plan, RemoveRule, RuleIntent
from opssight_operator.errors import OpsSightError
from opssight_operator.reconcile.ports import Owner, Ports
from opssight_operator.settings import Settings

from .kinds import Resource


async def apply(
    plan: Plan[Any], resource: Resource, owner: Owner, now: float, ports: Ports, settings: Settings
) -> Plan[Any]:
    """The plan as it came to pass: a rule or a document that could not be written leaves its mark in the status.

    Raises ``KubernetesUnavailable`` when the status could not be written; no Event is written then, and the next run
    does all of it again.
    """
    try:
        await _apply_rule(plan, owner, ports)
        await _apply_documents(plan, owner, ports)
    except OpsSightError as error:
        plan = not_applied(plan, resource, error, now, settings)
    if plan.gauges is not None:
        ports.telemetry.set_gauges(owner, plan.gauges)
    if plan.status_changed:
        await ports.status.write(owner, plan.status.dump())
    await ports.recorder.record(owner, plan.events)
    return plan


async def _apply_rule(plan: Plan[Any], owner: Owner, ports: Ports) -> None:
    for intent in (*plan.before_rule, plan.rule, *plan.after_rule):
        await _do(intent, owner, ports)
    if plan.patch is not None:
        await ports.targets.patch(owner, plan.patch)


async def _do(intent: RuleIntent, owner: Owner, ports: Ports) -> None:
    match intent:
        case ApplyRule(rule) if rule.shared:
            await ports.shared_rules.join(owner, rule)
        case ApplyRule(rule):
            await ports.rules.apply(owner, rule)
        case RemoveRule(name):
            await ports.rules.remove(owner, name)
        case LeaveRule(name, uid):
            await ports.shared_rules.leave(owner.namespace, name, (uid,))


async def _apply_documents(plan: Plan[Any], owner: Owner, ports: Ports) -> None:
    if plan.documents is None:
        return
    for document in plan.documents.write:
        await ports.documents.apply(owner, document)
    for name in plan.documents.remove:
        await ports.documents.remove(owner, name)
