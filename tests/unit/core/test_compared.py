"""What an alert compares with its threshold: the history itself, that with samples taken away, or nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_policy
from opssight_operator.core.compared import compared
from unit.core.test_patching import a_patching_policy, a_target, an_alert

GUARD = {"volumeGuard": {"expr": "requests", "min": "5"}}
ITSELF: dict[str, dict[str, Any]] = {
    "no template": {},
    "a template that says the same": {"expr": "(error_ratio) > $threshold"},
    "the threshold on the left": {"expr": "$threshold < error_ratio"},
    "a second level": {"recover": {"margin": "0.1"}},
}
NARROWED: dict[str, tuple[dict[str, Any], str]] = {
    "a volume guard": (GUARD, "((error_ratio) > (-Inf)) unless on () (sum(requests) < 5)"),
    "another term": (
        {"expr": "error_ratio >= $threshold and on () deployment_running == 0"},
        "error_ratio >= (-Inf) and on () deployment_running == 0",
    ),
    "several terms": (
        {"expr": "((error_ratio > $threshold) unless maintenance) and requests > 10"},
        "((error_ratio > (-Inf)) unless maintenance) and requests > 10",
    ),
    "another expression": ({"expr": "sum(error_ratio) > $threshold"}, "sum(error_ratio) > (-Inf)"),
}
ELSEWHERE = {
    "one of two ways to fire": "error_ratio > $threshold or up == 0",
    "two thresholds": "error_ratio > $threshold and error_ratio offset 5m > $threshold",
    "a comparison that is counted": "count(error_ratio > $threshold) > 3",
    "a term that others are held to": "up == 0 and error_ratio > $threshold",
}


def rendering(**render: Any) -> Any:
    return a_policy(alert={"name": "ManyErrors"}, delivery={"mode": "Render", "render": render})


@pytest.mark.parametrize("render", ITSELF.values(), ids=ITSELF)
def test_the_history_is_what_it_compares_with(render: dict[str, Any]) -> None:
    found = compared(rendering(**render), {}, None)
    assert (found.query, found.unforetold) == (None, "")


@pytest.mark.parametrize(("render", "query"), NARROWED.values(), ids=NARROWED)
def test_samples_are_taken_away_by(render: dict[str, Any], query: str) -> None:
    found = compared(rendering(**render), {}, None)
    assert (found.query, found.unforetold) == (query, "")


@pytest.mark.parametrize("expr", ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_alerts_cannot_be_foretold_of(expr: str) -> None:
    found = compared(rendering(expr=expr), {}, None)
    assert found.query is None
    assert "cannot be foretold" in found.unforetold


def test_a_lower_bound_lets_everything_below_infinity_pass() -> None:
    policy = a_policy(alert={"name": "A"}, bound="Lower", delivery={"mode": "Render", "render": GUARD})
    assert compared(policy, {}, None).query == "((error_ratio) < Inf) unless on () (sum(requests) < 5)"


def test_with_labels_the_volume_is_that_of_each() -> None:
    render = {"default": "1", **GUARD}
    policy = a_policy(alert={"name": "A"}, perLabels=["service"], delivery={"mode": "Render", "render": render})
    query = "((error_ratio) > (-Inf)) unless on (service) (sum by (service) (requests) < 5)"
    assert compared(policy, {}, None).query == query


def test_what_is_asked_for_is_confined_as_the_alert_is() -> None:
    query = '((error_ratio{namespace="shop"}) > (-Inf)) unless on () (sum(requests{namespace="shop"}) < 5)'
    assert compared(rendering(**GUARD), {"namespace": "shop"}, None).query == query


def test_of_somebodys_alert_it_is_the_alert_as_it_stands_there() -> None:
    target = a_target(an_alert(expr="errors / requests > 0.05 # of all\n  and requests > 10"))
    found = compared(a_patching_policy(), {}, target)
    assert found.query == "errors / requests > (-Inf) # of all\n  and requests > 10"
    plain = a_target(an_alert(expr="errors / requests > -0.05"))
    assert compared(a_patching_policy(expr="errors / requests"), {}, plain).query is None
    assert compared(a_patching_policy(), {}, plain).query == "errors / requests > (-Inf)"
    assert compared(a_patching_policy(), {}, a_target(an_alert("Other"))).query is None


@pytest.mark.parametrize("mode", ["Recommend", "Record"])
def test_an_alert_in_git_is_not_known(mode: str) -> None:
    found = compared(a_policy(mode=mode, alert={"name": "A"}), {}, None)
    assert (found.query, found.unforetold) == (None, "")
