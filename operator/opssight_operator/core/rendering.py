"""The PrometheusRule of mode Render: the thresholds that were learned, recorded, and the alert around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..api.base import duration, seconds
from ..api.delivery import Render
from ..api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from ..errors import InvalidSpec
from .alert_template import (
    PLACEHOLDER,
    Firing,
    Guard,
    Joined,
    alert_expression,
    confined,
    join_template,
    joined_level,
    literal_text,
    recovery_level,
    template_of,
)
from .conventions import RECOVER_RECORD, THRESHOLD_RECORD
from .fields import naming
from .numbers import decimal_text
from .observation import Labels
from .plan import RuleObject
from .rules import label_items, rule_object, threshold_labels

OWNER_LABEL = "opssight_owner"  # of what is recorded for an alert: policy and namespace may be among perLabels


def rendered_rule(
    policy: ThresholdPolicy, thresholds: Sequence[tuple[Labels, float]], matchers: Mapping[str, str]
) -> RuleObject | None:
    """The whole object, or None while there is neither a threshold nor a default.

    ``matchers`` are what the source enforces on the queries of this namespace: the rule runs in Prometheus with
    nobody's rights, so that they are put into what the user wrote. Raises ``SpecError``.
    """
    spec = policy.spec
    check_render(spec, matchers)
    render = spec.delivery.render or Render()
    default = None if render.default is None else float(render.default)
    if not thresholds and default is None:
        return None
    margin = None if render.recover is None else float(render.recover.margin)
    rules = _recorded(policy, thresholds, margin)
    rules.append(_alert(policy, render, thresholds, default, margin, matchers))
    meta = policy.metadata
    interval = duration(seconds(render.interval)) if render.interval else None
    return rule_object("ThresholdPolicy", meta.namespace, meta.name, rules, render.rule_labels, interval)


def check_render(spec: ThresholdPolicySpec, matchers: Mapping[str, str]) -> None:
    """Refuse a template that could be no alert, also before there is any threshold; raises ``SpecError``."""
    render = spec.delivery.render or Render()
    if spec.alert.name is None:
        raise InvalidSpec("alert.name must be set when delivery.mode is Render")
    if OWNER_LABEL in spec.per_labels:
        raise InvalidSpec(f"perLabels must not have {OWNER_LABEL}, by which the alert finds its thresholds")
    if spec.per_labels and render.default is None:
        raise InvalidSpec("delivery.render.default must be set when perLabels is set")
    template = template_of(render.expr, spec.expr, spec.bound, matchers)
    if spec.per_labels:
        join_template(template)
    if render.volume_guard is not None:
        with naming("delivery.render.volumeGuard.expr"):
            confined(render.volume_guard.expr, matchers)


def _recorded(
    policy: ThresholdPolicy, thresholds: Sequence[tuple[Labels, float]], margin: float | None
) -> list[dict[str, Any]]:
    rules = []
    for labels, value in sorted(thresholds, key=lambda item: label_items(item[0])):
        carried = {**threshold_labels(policy, labels), OWNER_LABEL: _owner(policy)}
        levels = {THRESHOLD_RECORD: value}
        if margin is not None and policy.spec.per_labels:
            levels[RECOVER_RECORD] = recovery_level(value, margin, policy.spec.bound)
        rules += [
            {"record": record, "expr": f"vector({decimal_text(level)})", "labels": carried}
            for record, level in levels.items()
        ]
    return rules


def _alert(
    policy: ThresholdPolicy,
    render: Render,
    thresholds: Sequence[tuple[Labels, float]],
    default: float | None,
    margin: float | None,
    matchers: Mapping[str, str],
) -> dict[str, Any]:
    spec, alert = policy.spec, policy.spec.alert
    name = str(alert.name)
    # A label of the rule overrules the expression, of which label_replace() could make somebody else's alert.
    labels = {**render.labels, **alert.labels, **matchers}
    template = template_of(render.expr, spec.expr, spec.bound, matchers)
    base = confined(spec.expr, matchers)
    single = thresholds[0][1] if thresholds and not spec.per_labels else default

    def level(recovering: bool) -> str:
        def place(value: float) -> float:
            return recovery_level(value, margin, spec.bound) if recovering and margin is not None else value

        if not spec.per_labels:
            return literal_text(place(float(single or 0.0)))
        record = RECOVER_RECORD if recovering else THRESHOLD_RECORD
        own = {OWNER_LABEL: _owner(policy)}
        return joined_level(Joined(record, own, spec.per_labels, base, place(float(default or 0.0))))

    guard = render.volume_guard
    made: dict[str, Any] = {
        "alert": name,
        "expr": alert_expression(
            template,
            level,
            firing=Firing(name, labels) if margin is not None else None,
            guard=Guard(confined(guard.expr, matchers), float(guard.min), spec.per_labels) if guard else None,
        ),
    }
    if seconds(alert.for_) > 0:
        made["for"] = duration(seconds(alert.for_))
    if seconds(alert.keep_firing_for) > 0:
        made["keep_firing_for"] = duration(seconds(alert.keep_firing_for))
    made["labels"] = labels
    made["annotations"] = {key: _shown(key, text, policy, single) for key, text in render.annotations.items()}
    return made


def _shown(key: str, text: str, policy: ThresholdPolicy, threshold: float | None) -> str:
    if PLACEHOLDER not in text:
        return text
    if policy.spec.per_labels or threshold is None:
        raise InvalidSpec(f"delivery.render.annotations.{key} has {PLACEHOLDER}, which no single number is here")
    return text.replace(PLACEHOLDER, decimal_text(threshold))


def _owner(policy: ThresholdPolicy) -> str:
    return f"{policy.metadata.namespace}/{policy.metadata.name}"
