"""Reading the rule that a resource owns: the object in Kubernetes, and what Prometheus has loaded of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..api.base import ObjectMeta
from ..api.conditions import Condition, ConditionType, Reason
from ..core.conditions import verdict_of
from ..core.conventions import rule_group_name, rule_object_name
from ..core.observation import RuleObjectState, RuleObservation
from ..errors import DataError, DependencyError, InvalidQuery, OpsSightError
from .ports import MetricSource, Owner, Ports


async def observe_rule(
    owner: Owner, source: MetricSource, ports: Ports, *, wanted: bool, conditions: list[Condition]
) -> RuleObservation:
    """The owned rule as it is.

    Without a wish for a rule it is read only while one may be left to remove, so that a cluster without
    prometheus-operator is asked for nothing it does not have.
    """
    last = verdict_of(conditions, ConditionType.RULE_LOADED)
    if not wanted and last is not None and last.reason is Reason.NO_RULE:
        return RuleObservation()
    try:
        observed = await ports.rules.observe(owner, rule_object_name(owner.kind, owner.name))
    except DataError:
        if wanted:
            raise
        return RuleObservation()  # no such kind in the cluster, so no object of it either
    if not wanted or observed.state is not RuleObjectState.OURS:
        return observed
    try:
        loaded = await source.rules(rule_group_name(owner.kind, owner.namespace, owner.name))
    except DependencyError:
        return replace(observed, loaded=None)  # the samples may be there all the same
    return replace(observed, loaded=loaded)


async def with_its_alerts_tried(observed: RuleObservation, source: MetricSource, now: float) -> RuleObservation:
    """The same with what Prometheus says against the alerts of an object that it has not loaded.

    A function behind a feature flag is valid for our parser and refused by the server; versions of
    prometheus-operator before 0.87 drop such an object without a word in its status.
    """
    if observed.state is not RuleObjectState.OURS or observed.loaded is None or observed.loaded:
        return observed
    alerts = [rule for group in observed.groups for rule in group["rules"] if "alert" in rule]
    refused = await refused_by_prometheus(alerts, source, now)
    return replace(observed, unreadable=f"delivery.render: {refused}") if refused else observed


async def refused_by_prometheus(rules: Iterable[Mapping[str, Any]], source: MetricSource, now: float) -> str:
    """What Prometheus says against the first rule that it cannot read; empty when it takes them, or does not answer."""
    for rule in rules:
        try:
            await source.range(str(rule.get("expr", "")), now, now, 1.0)
        except InvalidQuery as error:
            return f"the expression of {rule.get('alert') or rule.get('record')}: {error}"
        except OpsSightError:
            return ""  # what keeps it from answering is said by the query for the history
    return ""


def owner_of(kind: str, api_version: str, meta: ObjectMeta) -> Owner:
    """The resource as the owner of what is written for it."""
    return Owner(api_version, kind, meta.name, meta.namespace, meta.uid)
