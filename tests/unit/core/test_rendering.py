"""Mode Render: the alert around a threshold, with its guard and its second level."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_policy
from opssight_operator.core.rendering import rendered_rule
from opssight_operator.errors import InvalidQuery, InvalidSpec, NotAllowed, SpecError

TENANT = {"namespace": "shop"}


def rendered(
    thresholds: list[tuple[dict[str, str], float]],
    *,
    matchers: dict[str, str] | None = None,
    render: dict[str, Any] | None = None,
    **spec: Any,
) -> list[dict[str, Any]]:
    spec = {"alert": {"name": "ErrorsHigh", "for": "5m"}, **spec}
    policy = a_policy(**spec, delivery={"mode": "Render", **({"render": render} if render is not None else {})})
    rule = rendered_rule(policy, thresholds, matchers or {})
    assert rule is not None
    return list(rule.groups[0]["rules"])


def expression(*arguments: Any, **named: Any) -> str:
    return str(rendered(*arguments, **named)[-1]["expr"])


ONE: list[tuple[dict[str, str], float]] = [({}, 0.05)]

EXPRESSIONS: dict[str, tuple[dict[str, Any], str]] = {
    "without a template the expression is compared": ({}, "(error_ratio) > 0.05"),
    "a lower bound turns the comparison": ({"bound": "Lower"}, "(error_ratio) < 0.05"),
    "a comment at the end swallows nothing": ({"expr": "error_ratio # of all"}, "(error_ratio) > 0.05"),
    "a template keeps what is around": (
        {"render": {"expr": "error_ratio > $threshold and on () up == 1"}},
        "error_ratio > 0.05 and on () up == 1",
    ),
    "a threshold in a string is none": (
        {"render": {"expr": 'm{a="$threshold"} > $threshold'}},
        'm{a="$threshold"} > 0.05',
    ),
    "a guard takes away what is known to be little": (
        {"render": {"volumeGuard": {"expr": "requests", "min": "10"}}},
        "((error_ratio) > 0.05) unless on () (sum(requests) < 10)",
    ),
    "a second level holds what is firing": (
        {"render": {"recover": {"margin": "0.2"}}},
        "((error_ratio) > 0.05) or (((error_ratio) > 0.04) and ignoring (alertname,alertstate,severity) "
        'ALERTS{alertname="ErrorsHigh",alertstate="firing",severity="warning"})',
    ),
    "the second level of a lower bound is above it": (
        {"bound": "Lower", "render": {"labels": {}, "recover": {"margin": "0.2"}}},
        "((error_ratio) < 0.05) or (((error_ratio) < 0.06) and ignoring (alertname,alertstate) "
        'ALERTS{alertname="ErrorsHigh",alertstate="firing"})',
    ),
    "a label that is a template is no matcher": (
        {"render": {"labels": {"team": "{{ $labels.team }}"}, "recover": {"margin": "0.2"}}},
        "((error_ratio) > 0.05) or (((error_ratio) > 0.04) and ignoring (alertname,alertstate,team) "
        'ALERTS{alertname="ErrorsHigh",alertstate="firing"})',
    ),
    "what the user wrote is confined to its namespace": (
        {"matchers": TENANT, "render": {"volumeGuard": {"expr": "requests", "min": "1"}}},
        '((error_ratio{namespace="shop"}) > 0.05) unless on () (sum(requests{namespace="shop"}) < 1)',
    ),
}


@pytest.mark.parametrize(("spec", "text"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_the_expression_of_a_rendered_alert(spec: dict[str, Any], text: str) -> None:
    assert expression(ONE, **spec) == text


def test_thresholds_by_label_are_recorded_and_joined_with_a_default() -> None:
    rules = rendered(
        [({"service": "b"}, 0.2), ({"service": "a"}, 0.1)], perLabels=["service"], render={"default": "0.05"}
    )
    owner = 'opssight_owner="shop/checkout-errors"'
    assert [(rule["record"], rule["expr"], rule["labels"]["service"]) for rule in rules[:-1]] == [
        ("opssight:threshold", "vector(0.1)", "a"),
        ("opssight:threshold", "vector(0.2)", "b"),
    ]
    assert rules[-1]["expr"] == (
        f"(error_ratio) > on (service) group_left () (max by (service) (opssight:threshold{{{owner}}}) "
        "or on (service) count by (service) (error_ratio) * 0 + 0.05)"
    )


def test_no_label_of_the_series_is_taken_for_one_of_ours() -> None:
    names = ["owner", "policy", "namespace", "bound"]
    labels = [{name: f"{name}-{which}" for name in names} for which in "ab"]
    rules = rendered([(one, 0.1) for one in labels], perLabels=names, render={"default": "0.05"})
    recorded = [{name: rule["labels"][name] for name in names} for rule in rules[:-1]]
    assert recorded == labels


def test_a_default_stands_until_something_is_learned() -> None:
    assert expression([], render={"default": "0.01"}) == "(error_ratio) > 0.01"
    policy = a_policy(alert={"name": "ErrorsHigh"}, delivery={"mode": "Render"})
    assert rendered_rule(policy, [], {}) is None


def test_the_alert_carries_what_the_policy_says_of_it() -> None:
    render = {"annotations": {"summary": "above $threshold: {{ $value }}"}, "labels": {"team": "shop"}}
    alert = {"name": "ErrorsHigh", "for": "10m", "keepFiringFor": "2m", "labels": {"severity": "critical"}}
    assert rendered(ONE, alert=alert, render=render)[-1] == {
        "alert": "ErrorsHigh",
        "expr": "(error_ratio) > 0.05",
        "for": "10m",
        "keep_firing_for": "2m",
        "labels": {"team": "shop", "severity": "critical"},
        "annotations": {"summary": "above 0.05: {{ $value }}"},
    }


def test_no_expression_makes_a_tenants_alert_speak_for_another_namespace() -> None:
    """A label of the rule overrules those of its series; and what is firing already is looked for with it."""
    forged = 'label_replace(x, "namespace", "bank", "", "") > $threshold'
    alert = rendered(ONE, matchers=TENANT, render={"expr": forged, "recover": {"margin": "0.1"}})[-1]
    assert alert["labels"] == {"severity": "warning", **TENANT}
    assert 'ALERTS{alertname="ErrorsHigh",alertstate="firing",severity="warning",namespace="shop"}' in alert["expr"]


def test_the_interval_is_that_of_the_group() -> None:
    policy = a_policy(alert={"name": "A"}, delivery={"mode": "Render", "render": {"interval": "15s"}})
    rule = rendered_rule(policy, ONE, {})
    assert rule is not None
    assert rule.groups[0]["interval"] == "15s"


REFUSED: dict[str, tuple[dict[str, Any], type[SpecError], str]] = {
    "no place for the threshold": ({"render": {"expr": "error_ratio > 1"}}, InvalidSpec, "must hold $threshold"),
    "a threshold inside arithmetic": (
        {"render": {"expr": "error_ratio > $threshold * 2"}},
        InvalidSpec,
        "must stand on one side of",
    ),
    "a threshold with a sign": ({"render": {"expr": "x > -$threshold"}}, InvalidSpec, "by itself"),
    "the other bound": ({"render": {"expr": "x < $threshold"}}, InvalidSpec, "bound Lower, and spec.bound is Upper"),
    "a comparison that keeps all": ({"render": {"expr": "x > bool $threshold"}}, InvalidSpec, "bool"),
    "text that is no PromQL": ({"render": {"expr": "x > > $threshold"}}, InvalidQuery, "parse"),
    "another namespace": (
        {"matchers": TENANT, "render": {"expr": 'x{namespace="bank"} > $threshold'}},
        NotAllowed,
        "delivery.render.expr: the query asks for namespace",
    ),
    "a guard that reads another namespace": (
        {"matchers": TENANT, "render": {"volumeGuard": {"expr": 'x{namespace="bank"}', "min": "1"}}},
        NotAllowed,
        "delivery.render.volumeGuard.expr: the query asks for namespace",
    ),
    "a join that has no comparison before it": (
        {"perLabels": ["a"], "render": {"default": "1", "expr": "$threshold < x"}},
        InvalidSpec,
        "directly behind",
    ),
    "the label by which thresholds are found": (
        {"perLabels": ["opssight_owner"], "render": {"default": "1"}},
        InvalidSpec,
        "perLabels must not have opssight_owner",
    ),
    "one number for several thresholds": (
        {"perLabels": ["a"], "render": {"default": "1", "annotations": {"summary": "above $threshold"}}},
        InvalidSpec,
        "annotations.summary",
    ),
}


@pytest.mark.parametrize(("spec", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_a_template_that_would_alert_wrongly_is_refused(
    spec: dict[str, Any], error: type[SpecError], says: str
) -> None:
    with pytest.raises(error, match=says.replace("$", r"\$")):
        rendered(ONE, **spec)
