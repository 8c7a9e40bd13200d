"""What each family of errors does to each kind, and what is never touched."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NOW, a_detector, a_policy, a_report, a_source
from opssight_operator import errors
from opssight_operator.api.conditions import Condition, Reason
from opssight_operator.api.detector_status import AnomalyDetectorStatus, SeriesStatus, Summary
from opssight_operator.api.threshold_status import ThresholdPolicyStatus, ThresholdStatus
from opssight_operator.core.held import Kind, held_plan, not_applied, pending_plan, suspended_plan
from opssight_operator.core.plan import ApplyRule, Event, Gauge, KeepRule, Plan, RuleObject
from opssight_operator.settings import Settings

SETTINGS = Settings(backoff_seconds=5)
EARLIER = "2023-11-14T20:00:00Z"
EARLIER_SECONDS = 1_699_992_000.0


def said(plan: Plan) -> dict[str, tuple[str, str]]:  # type: ignore[type-arg]
    return {c.type: (c.status, c.reason) for c in plan.status.conditions}


def all_good(*types: str) -> list[Condition]:
    return [Condition(type=t, status="True", reason="Reconciled", last_transition_time=EARLIER) for t in types]


def a_working_policy() -> ThresholdPolicyStatus:
    return ThresholdPolicyStatus(
        conditions=all_good("Ready", "DataAvailable", "Recommended", "Applied", "RuleLoaded"),
        count=1,
        thresholds=[ThresholdStatus(current="0.05", reason="Changed", message="was 0.04", changed_at=EARLIER)],
    )


FAMILIES = {
    "a spec error": (errors.InvalidQuery("expr: unexpected )"), "False", "Unknown", None),
    "a data error": (errors.TooManySeries("10000 series, at most 500"), "False", "False", None),
    "a dependency error": (errors.PrometheusUnreachable("connection refused"), "Unknown", "Unknown", 5.0),
    "a missing source": (errors.SourceMissing("there is no MetricsSource default"), "Unknown", "Unknown", 5.0),
    "a defect": (KeyError("secret text"), "Unknown", "Unknown", 5.0),
}


@pytest.mark.parametrize(("error", "ready", "data", "retry"), FAMILIES.values(), ids=FAMILIES.keys())
def test_a_failed_reconcile_says_why_and_holds_the_threshold(
    error: Exception, ready: str, data: str, retry: float | None
) -> None:
    policy = a_policy(mode="Record", status=a_working_policy())
    plan = held_plan(policy, error, NOW, SETTINGS)
    reason = type(error).__name__ if isinstance(error, errors.OpsSightError) else "InternalError"
    assert said(plan)["Ready"] == (ready, reason)
    assert said(plan)["DataAvailable"] == (data, reason)
    assert said(plan)["Recommended"] == ("True", "Reconciled")
    assert plan.rule == KeepRule()
    assert plan.status.thresholds == policy.status.thresholds
    assert [(g.name, g.value) for g in plan.gauges or ()] == [
        ("opssight_threshold", 0.05),
        ("opssight_threshold_changed_timestamp_seconds", EARLIER_SECONDS),
    ]
    assert plan.status_changed
    assert plan.retry_after == retry
    assert plan.outcome == reason
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", reason)]


EACH_KIND = {"detector": a_detector(), "policy": a_policy(), "source": a_source(), "report": a_report()}


@pytest.mark.parametrize("resource", EACH_KIND.values(), ids=EACH_KIND)
def test_what_only_a_person_can_mend_is_stalled_as_long_as_it_lasts(resource: Kind) -> None:
    def after(plan: Plan[Any], error: Exception) -> Plan[Any]:
        return held_plan(resource.model_copy(update={"status": plan.status}), error, NOW, SETTINGS)

    refused = held_plan(resource, errors.NotAllowed("ask for shop"), NOW, SETTINGS)
    assert said(refused)["Stalled"] == ("True", "NotAllowed")
    assert refused.status.conditions[-1].message == "ask for shop"
    assert said(after(refused, errors.InvalidSpec("no such zone")))["Stalled"] == ("True", "InvalidSpec")
    for passing in (errors.PrometheusUnreachable("no answer"), errors.NoData("none"), KeyError("a defect")):
        waiting = after(refused, passing)
        assert "Stalled" not in said(waiting), "it may pass by itself"
        assert waiting.status_changed


@pytest.mark.parametrize("resource", [a_detector(alert={}), a_policy(mode="Record")], ids=["detector", "policy"])
def test_a_rule_that_the_api_server_refuses_is_stalled(resource: Kind) -> None:
    ready = resource.status.model_copy(update={"conditions": all_good("Ready", "RuleLoaded")})
    plan = Plan(ready, True, ApplyRule(RuleObject("x", {}, (), "d")), (), (), "Reconciled")
    refused = not_applied(plan, resource, errors.InvalidSpec("denied the request"), NOW, SETTINGS)
    assert said(refused)["Stalled"] == ("True", "InvalidSpec")


def test_the_text_of_a_defect_is_not_shown() -> None:
    plan = held_plan(a_policy(), KeyError("secret text"), NOW, SETTINGS)
    assert "secret" not in plan.status.conditions[0].message
    assert "KeyError" in plan.status.conditions[0].message


def test_a_conflict_is_a_threshold_that_was_not_applied() -> None:
    plan = held_plan(a_policy(status=a_working_policy()), errors.FieldConflict("argocd owns it"), NOW, SETTINGS)
    assert said(plan)["Ready"] == said(plan)["Applied"] == ("False", "FieldConflict")
    assert plan.retry_after is None


def test_scores_are_dropped_when_nothing_is_known() -> None:
    plan = held_plan(a_detector(), errors.PrometheusUnreachable("no answer"), NOW, SETTINGS)
    assert plan.gauges == ()


def test_thresholds_that_status_could_not_hold_stay_exported_as_they_are() -> None:
    policy = a_policy(status=a_working_policy().model_copy(update={"count": 60}))
    assert held_plan(policy, errors.NoData("none"), NOW, SETTINGS).gauges is None


def test_an_unreachable_source_is_neither_ready_nor_reachable() -> None:
    plan = held_plan(a_source(), errors.PrometheusUnreachable("no answer"), NOW, SETTINGS)
    assert said(plan) == {
        "Ready": ("Unknown", "PrometheusUnreachable"),
        "Reachable": ("False", "PrometheusUnreachable"),
    }


@pytest.mark.parametrize("resource", [a_detector(), a_policy(), a_source()], ids=["detector", "policy", "source"])
def test_the_first_failure_sets_every_condition(resource: object) -> None:
    pending = pending_plan(resource, NOW)  # type: ignore[arg-type]
    failed = held_plan(resource, errors.KubernetesUnavailable("503"), NOW, SETTINGS)  # type: ignore[arg-type]
    assert {reason for _, reason in said(pending).values()} == {"Pending"}
    assert {status for status, _ in said(pending).values()} == {"Unknown"}
    assert set(said(pending)) == set(said(failed))
    assert pending.events == ()


def test_the_same_failure_again_writes_nothing() -> None:
    error = errors.PrometheusUnreachable("no answer from 10.0.0.1:41234 after 30s")
    first = held_plan(a_policy(status=a_working_policy()), error, NOW, SETTINGS)
    again = errors.PrometheusUnreachable("no answer from 10.0.0.1:52345 after 30s")
    second = held_plan(a_policy(status=first.status), again, NOW + 60, SETTINGS)
    assert not second.status_changed
    assert second.events == ()
    assert second.status.conditions[0].last_transition_time == first.status.conditions[0].last_transition_time


def test_a_suspended_detector_is_ready_and_claims_to_know_nothing() -> None:
    status = AnomalyDetectorStatus(
        conditions=all_good("Ready", "DataAvailable", "ModelTrained", "RuleLoaded"),
        summary=Summary(series=1),
        series=[SeriesStatus(query="p99", labels={}, state="Normal")],
    )
    plan = suspended_plan(a_detector(suspend=True, status=status), NOW)
    assert said(plan)["Ready"] == ("True", "Suspended")
    assert {said(plan)[t] for t in ("DataAvailable", "ModelTrained", "RuleLoaded")} == {("Unknown", "Suspended")}
    assert (plan.status.summary, plan.status.series, plan.gauges, plan.rule) == (None, [], (), KeepRule())
    assert [(e.type, e.reason) for e in plan.events] == [("Normal", "Suspended")]


def test_a_suspended_policy_keeps_its_threshold() -> None:
    policy = a_policy(suspend=True, status=a_working_policy())
    plan = suspended_plan(policy, NOW)
    assert plan.status.thresholds == policy.status.thresholds
    labels = {"policy": "checkout-errors", "namespace": "shop", "bound": "upper"}
    assert plan.gauges == (
        Gauge("opssight_threshold", labels, 0.05),
        Gauge("opssight_threshold_changed_timestamp_seconds", labels, EARLIER_SECONDS),
    )


def test_what_a_detector_saw_is_true_even_if_its_rule_could_not_be_written() -> None:
    before = a_detector(alert={}, status=AnomalyDetectorStatus(conditions=all_good("Ready", "RuleLoaded")))
    seen = AnomalyDetectorStatus(
        conditions=all_good("Ready", "DataAvailable", "ModelTrained", "RuleLoaded"), summary=Summary(series=3)
    )
    started = Event("Warning", "AnomalyStarted", "p99: observed 50", "Judge")
    gauges = (Gauge("opssight_anomaly_score", {}, 2.0),)
    plan = Plan(seen, True, ApplyRule(RuleObject("x", {}, (), "d")), (started,), gauges, "Reconciled")
    left = not_applied(plan, before, errors.FieldConflict("helm owns .spec.groups"), NOW, SETTINGS)
    assert said(left)["Ready"] == ("False", "FieldConflict")
    assert said(left)["DataAvailable"] == ("True", "Reconciled")
    assert left.status.summary == Summary(series=3)
    assert left.gauges == gauges
    assert [e.reason for e in left.events] == ["FieldConflict", "AnomalyStarted"]
    assert left.rule == KeepRule()
    assert left.outcome == "FieldConflict"


def test_a_threshold_that_was_not_delivered_was_not_changed() -> None:
    policy = a_policy(mode="Record", status=a_working_policy())
    wanted = ThresholdPolicyStatus(thresholds=[ThresholdStatus(current="0.06", reason="Changed", message="")])
    plan = Plan(wanted, True, ApplyRule(RuleObject("x", {}, (), "d")), (), (), "Reconciled")
    left = not_applied(plan, policy, errors.NameConflict("exists"), NOW, SETTINGS)
    assert left.status.thresholds == policy.status.thresholds
    assert said(left)["Applied"] == ("False", "NameConflict")


def test_every_error_of_the_tree_has_a_reason_of_its_own() -> None:
    def leaves(kind: type) -> list[type]:
        below = [leaf for sub in kind.__subclasses__() for leaf in leaves(sub)]
        return below or [kind]

    for leaf in leaves(errors.OpsSightError):
        assert leaf.__name__ in set(Reason), leaf
