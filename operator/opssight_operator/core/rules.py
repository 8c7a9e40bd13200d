"""The PrometheusRules that we own, as plain values: the alert on a score, the recorded thresholds, their digest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..api.anomaly_detector import Alert, AnomalyDetector
from ..api.base import duration, seconds
from ..api.threshold_policy import ThresholdPolicy
from .conventions import (
    ANOMALY_ALERT,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OWNER_KIND_LABEL,
    OWNER_NAME_LABEL,
    SCORE_GAUGE,
    THRESHOLD_RECORD,
    rule_group_name,
    rule_object_name,
)
from .digests import digest
from .hour_rule import hour_rule, table_expression, table_of
from .hours import HourTable
from .numbers import decimal_text
from .observation import Labels, RuleObjectState, RuleObservation
from .places import Place, place_of
from .plan import ApplyRule, KeepRule, RemoveRule, RuleIntent, RuleObject
from .readings import vector_value

LabelItems = tuple[tuple[str, str], ...]
Level = float | HourTable
OWN_THRESHOLD_LABELS = ("policy", "namespace", "bound")
_LABEL_VALUE_LENGTH = 63  # of Kubernetes; longer names are found by ownerReference alone


def detector_rule(detector: AnomalyDetector) -> RuleObject | None:
    """The alert on the exported score, or None when the spec asks for none."""
    alert = detector.spec.alert
    if alert is None:
        return None
    meta, together = detector.metadata, detector.spec.together
    joint = f',query="{together.name}"' if together else ""  # the queries' own scores are exported too
    rule: dict[str, Any] = {
        "alert": ANOMALY_ALERT,
        "expr": f'{SCORE_GAUGE}{{namespace="{meta.namespace}",detector="{meta.name}"{joint}}} > 1',
        "for": duration(seconds(alert.for_)),
        "labels": dict(alert.labels),
        "annotations": _annotations(alert, meta.namespace, meta.name),
    }
    if alert.keep_firing_for is not None and seconds(alert.keep_firing_for) > 0:
        rule["keep_firing_for"] = duration(seconds(alert.keep_firing_for))
    return rule_object("AnomalyDetector", meta.namespace, meta.name, [rule], alert.rule_labels)


def _annotations(alert: Alert, namespace: str, name: str) -> dict[str, str]:
    made = {
        "summary": f"{{{{ $labels.query }}}} of {namespace}/{name} is not as expected",
        "description": (
            "The anomaly score is {{ $value | humanize }}, and 1 is the boundary of what is normal. "
            f"What was seen and what was expected: kubectl -n {namespace} describe adet {name}"
        ),
    }
    return {**made, **alert.annotations}


def policy_rule(
    policy: ThresholdPolicy, thresholds: Iterable[tuple[Labels, Level]], now: float = 0.0, place: Place | None = None
) -> RuleObject:
    """One recording rule a threshold: ``opssight:threshold`` with the labels that an alert joins on.

    A table of the week follows the hour by itself; ``now`` says from which year on time zones are written down.
    ``place`` is where the rule is to stand, that of the spec unless it is given.
    """
    meta, seasonal = policy.metadata, policy.spec.seasonal
    own = {"namespace": meta.namespace, "policy": meta.name}
    rules = [
        {
            "record": THRESHOLD_RECORD,
            "expr": table_expression(level, own) if isinstance(level, HourTable) else f"vector({decimal_text(level)})",
            "labels": threshold_labels(policy, labels),
        }
        for labels, level in sorted(thresholds, key=lambda item: label_items(item[0]))
    ]
    if seasonal is not None:
        rules.insert(0, hour_rule(seasonal.time_zone, now, own))
    record, place = policy.spec.delivery.record, place or place_of(policy)
    rule_labels = record.rule_labels if record else {}
    if place is not None and place.shared:
        return _part(place, rules, rule_labels)
    return rule_object("ThresholdPolicy", meta.namespace, meta.name, rules, rule_labels)


def _part(place: Place, rules: Sequence[Mapping[str, Any]], extra_labels: Mapping[str, str]) -> RuleObject:
    """One group of a shared object; none of its own labels names an owner, so that policies agree on them."""
    labels = {**extra_labels, MANAGED_BY_LABEL: MANAGED_BY, OWNER_KIND_LABEL: "ThresholdPolicy"}
    groups = ({"name": place.group, "rules": list(rules)},)
    return RuleObject(place.name, labels, groups, rule_digest(labels, groups), shared=True)


def threshold_labels(policy: ThresholdPolicy, labels: Labels) -> dict[str, str]:
    """Labels of a recorded or exported threshold; a ``namespace`` among perLabels is the series' own."""
    own = {
        "policy": policy.metadata.name,
        "namespace": policy.metadata.namespace,
        "bound": policy.spec.bound.lower(),
    }
    return {**own, **labels}


def recorded_thresholds(groups: Sequence[Mapping[str, Any]], per_labels: Sequence[str]) -> dict[LabelItems, float]:
    """The thresholds that stand in our own rule object, by their sorted label items; other rules are passed over."""
    levels = recorded_levels(groups, per_labels, None)
    return {key: level for key, level in levels.items() if not isinstance(level, HourTable)}


def recorded_levels(
    groups: Sequence[Mapping[str, Any]], per_labels: Sequence[str], time_zone: str | None
) -> dict[LabelItems, Level]:
    """The same, or with a ``time_zone`` the tables of the week that stand there."""
    found: dict[LabelItems, Level] = {}
    for group in groups:
        for rule in group.get("rules", ()):
            text, labels = str(rule.get("expr", "")), rule.get("labels", {})
            level = vector_value(text) if time_zone is None else table_of(text, time_zone)
            if (
                rule.get("record") != THRESHOLD_RECORD
                or level is None
                or any(name not in labels for name in per_labels)
            ):
                continue
            found[label_items({name: labels[name] for name in per_labels})] = level
    return found


def label_items(labels: Labels) -> LabelItems:
    """``labels`` as a sorted tuple: hashable, and equal for equal sets."""
    return tuple(sorted(labels.items()))


def rule_digest(labels: Mapping[str, str], groups: Sequence[Mapping[str, Any]]) -> str:
    """Digest of an object's labels and ``spec.groups``; the order of keys makes no difference."""
    return digest([dict(labels), [dict(group) for group in groups]])


def groups_size(groups: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of ``spec.groups``; prometheus-operator drops an object above half a MiB whole."""
    return len(json.dumps([dict(group) for group in groups], ensure_ascii=False).encode())


def rule_intent(kind: str, name: str, desired: RuleObject | None, observed: RuleObservation) -> RuleIntent:
    """What has to be done so that the object looks as desired; a foreign object is never touched."""
    if observed.state is RuleObjectState.FOREIGN or observed.settled:
        return KeepRule()
    if desired is None:
        ours = observed.state is RuleObjectState.OURS
        return RemoveRule(rule_object_name(kind, name)) if ours else KeepRule()
    same = observed.state is RuleObjectState.OURS and observed.digest == desired.digest
    return KeepRule() if same else ApplyRule(desired)


def rule_object(
    kind: str,
    namespace: str,
    name: str,
    rules: Sequence[Mapping[str, Any]],
    extra_labels: Mapping[str, str],
    interval: str | None = None,
) -> RuleObject:
    """A PrometheusRule of ours with one group, named after the resource that owns it."""
    labels = {**extra_labels, MANAGED_BY_LABEL: MANAGED_BY, OWNER_KIND_LABEL: kind}
    if len(name) <= _LABEL_VALUE_LENGTH:
        labels[OWNER_NAME_LABEL] = name
    head = {"interval": interval} if interval else {}
    groups = ({"name": rule_group_name(kind, namespace, name), **head, "rules": list(rules)},)
    return RuleObject(rule_object_name(kind, name), labels, groups, rule_digest(labels, groups))
