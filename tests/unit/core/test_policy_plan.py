"""A policy's decisions over a story of evaluations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NAN, NOW, STATUS_BYTES, STEP, a_frame, a_loaded_rule, a_policy, a_policy_observation
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.observation import RuleObjectState, RuleObservation
from opssight_operator.core.plan import ApplyRule, KeepRule, Plan, RemoveRule
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.rules import policy_rule, recorded_thresholds
from opssight_operator.core.windows import history_window
from opssight_operator.errors import InvalidSpec, TooMuchData
from opssight_operator.settings import Settings

SETTINGS = Settings()
HOUR = 3600.0
RAMP = [float(v) for v in range(1, 62)]  # 95th percentile 58
CALM = [*sorted(RAMP, reverse=True)]  # the same values, the newest one low


def at(
    policy: ThresholdPolicy,
    columns: Mapping[str, Sequence[float]],
    *,
    now: float = NOW,
    rule: RuleObservation | None = None,
) -> Plan[ThresholdPolicyStatus]:
    """The plan of one evaluation of the history ``columns``, whose last value is at ``now``."""
    observation = a_policy_observation(a_frame(columns, end=now), rule=rule)
    return evaluate(policy, observation, history_window(policy.spec, now, SETTINGS), now, SETTINGS)


def after(policy: ThresholdPolicy, plan: Plan[ThresholdPolicyStatus]) -> ThresholdPolicy:
    """The policy as it comes back from the API server once the plan's status was written."""
    written = json.loads(json.dumps(plan.status.dump()))
    return policy.model_copy(update={"status": ThresholdPolicyStatus.model_validate(written)})


def loaded_after(plan: Plan[ThresholdPolicyStatus]) -> RuleObservation:
    """What is observed once the plan's rule was applied and loaded."""
    assert isinstance(plan.rule, ApplyRule)
    return a_loaded_rule(plan.rule.rule)


def said(plan: Plan[ThresholdPolicyStatus]) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in plan.status.conditions}


def recorded(plan: Plan[ThresholdPolicyStatus], *per_labels: str) -> dict[Any, float]:
    assert isinstance(plan.rule, ApplyRule)
    return recorded_thresholds(plan.rule.rule.groups, per_labels)


def current(plan: Plan[ThresholdPolicyStatus]) -> list[str | None]:
    return [t.current for t in plan.status.thresholds]


def test_the_95th_percentile_is_recommended_with_its_simulation() -> None:
    plan = at(a_policy(), {"service=a": CALM})
    (threshold,) = plan.status.thresholds
    assert (threshold.current, threshold.proposed, threshold.reason) == ("58", "58", "Changed")
    assert (threshold.samples, threshold.coverage) == (61, "1")
    assert threshold.simulation is not None
    assert threshold.simulation.current is not None
    assert threshold.simulation.current.episodes_per_week == "0", "three points are shorter than for: 5m"
    assert said(plan) == {
        "Ready": ("True", "Reconciled"),
        "DataAvailable": ("True", "SamplesFound"),
        "Recommended": ("True", "Learned"),
        "Applied": ("True", "RecommendOnly"),
        "RuleLoaded": ("True", "NoRule"),
        "AsPredicted": ("Unknown", "NotJudged"),
    }
    assert plan.rule == KeepRule()
    assert {g.name: g.value for g in plan.gauges or ()} == {
        "opssight_threshold": 58,
        "opssight_threshold_proposed": 58,
        "opssight_threshold_simulated_episodes_per_week": 0,
        "opssight_threshold_proposed_simulated_episodes_per_week": 0,
        "opssight_threshold_changed_timestamp_seconds": math.floor(NOW),
    }
    assert [e.reason for e in plan.events] == ["Reconciled", "ThresholdChanged"]
    (change,) = plan.status.history
    assert (change.from_, change.to, change.predicted_episodes_per_week) == (None, "58", "0")


def test_the_simulation_counts_the_alerts_of_the_history() -> None:
    history = [1.0] * 20 + [9.0] * 10 + [1.0] * 31
    plan = at(a_policy(guardrails={"max": "5"}, alert={"for": "2m"}), {"service=a": history})
    simulation = plan.status.thresholds[0].simulation
    assert simulation is not None
    assert simulation.current is not None
    assert simulation.proposed is not None
    assert float(simulation.current.episodes_per_week) == pytest.approx(7 * 24 * 60 / 61, rel=1e-4)
    assert simulation.current.median_duration == "8m"
    assert simulation.proposed.episodes_per_week == "0", "nothing is above the proposed 9"


@pytest.mark.parametrize(("zone", "nights"), [("UTC", 0.0), ("Europe/Berlin", 1.0)])
def test_the_simulation_counts_nights_where_the_policy_says_it_is(zone: str, nights: float) -> None:
    history = [1.0] * 20 + [9.0] * 10 + [1.0] * 31  # from 21:33 UTC on
    plan = at(a_policy(guardrails={"max": "5"}, alert={"for": "2m", "timeZone": zone}), {"service=a": history})
    simulation = plan.status.thresholds[0].simulation
    assert simulation is not None and simulation.current is not None
    assert simulation.time_zone == zone
    volume = simulation.current
    assert float(volume.night_episodes_per_week) == nights * float(volume.episodes_per_week)


def test_a_budget_counts_for_all_thresholds_of_the_policy_and_each_says_its_share() -> None:
    policy = a_policy(
        perLabels=["service"],
        alert={"for": "0s"},
        estimator={"type": "AlertBudget", "alertBudget": {"episodesPerWeek": "500"}},  # 3 in the 61 minutes
    )
    spikes = {f"service={n}": [1.0] * 10 + [9.0 + n] + [1.0] * 30 + [5.0] + [1.0] * 19 for n in range(2)}
    plan = at(policy, spikes)
    assert [t.notes for t in plan.status.thresholds] == [
        ["its share is 2 of the 3 episodes that the whole budget allows in 0.0061 weeks"],
        ["its share is 1 of the 3 episodes that the whole budget allows in 0.0061 weeks"],
    ]
    volumes = [t.simulation.current.episodes_per_week for t in plan.status.thresholds]  # type: ignore[union-attr]
    assert sum(map(float, volumes)) <= 500


def test_a_quarter_of_an_hour_in_a_window_of_one_is_budgeted_shown_and_predicted_as_such() -> None:
    policy = a_policy(
        mode="Record",
        alert={"for": "0s"},
        estimator={"type": "AlertBudget", "alertBudget": {"episodesPerWeek": "1344"}},  # 2 in a quarter of an hour
    )
    values = [*[NAN] * 46, *[1.0, 5.0] * 7, 1.0]
    (threshold,) = at(policy, {"": values}).status.thresholds
    assert threshold.current == "5", "seven episodes are more than the budget"
    assert threshold.outcome is not None
    assert threshold.outcome.predicted_from == "15m"
    lower = a_policy(mode="Record", alert={"for": "0s"}, estimator={"percentile": {"percentile": "10"}})
    (threshold,) = at(lower, {"": values}).status.thresholds
    assert threshold.simulation is not None and threshold.simulation.current is not None
    assert float(threshold.simulation.current.episodes_per_week) == pytest.approx(7 * 672)


def test_what_a_tail_could_not_know_is_in_the_notes_with_its_interval() -> None:
    plan = at(a_policy(estimator={"type": "PeaksOverThreshold"}), {"service=a": CALM})
    (threshold,) = plan.status.thresholds
    assert threshold.reason == "InsufficientHistory"
    assert threshold.notes == [
        "the tail cannot be fitted: 12 samples beyond a high level are too few",
        "61 samples are too few to have seen one in 1000",
    ]
    assert "the tail cannot be fitted" in plan.status.conditions[0].message


def test_a_lower_bound_takes_the_other_end() -> None:
    plan = at(a_policy(bound="Lower", mode="Record"), {"service=a": RAMP})
    assert plan.status.thresholds[0].current == "4"
    assert isinstance(plan.rule, ApplyRule)
    assert plan.rule.rule.groups[0]["rules"][0]["labels"]["bound"] == "lower"


def test_there_is_one_threshold_for_each_value_of_the_labels() -> None:
    policy = a_policy(mode="Record", perLabels=["service"])
    plan = at(policy, {"service=a,pod=1": CALM, "service=a,pod=2": CALM, "service=b,pod=3": [2 * v for v in CALM]})
    assert recorded(plan, "service") == {(("service", "a"),): 58, (("service", "b"),): 116}
    assert said(plan)["Applied"] == ("True", "Recorded")
    assert said(plan)["RuleLoaded"] == ("False", "NotLoaded")
    assert plan.retry_after == 30.0


def test_a_label_that_no_series_has_is_named() -> None:
    with pytest.raises(InvalidSpec, match="perLabels has 'service', but no series of expr has this label"):
        at(a_policy(perLabels=["service"]), {"pod=1": CALM})


def test_series_without_the_label_are_left_out_and_counted() -> None:
    plan = at(a_policy(perLabels=["service"]), {"service=a": CALM, "pod=1": [9000.0] * 61})
    assert current(plan) == ["58"]
    assert said(plan)["DataAvailable"] == ("True", "PartialData")
    assert "1 series have no label service" in plan.status.conditions[1].message


def test_the_threshold_follows_history_in_bounded_steps_with_cooldown() -> None:
    policy = a_policy(mode="Record", guardrails={"max": "90"})
    plan = at(policy, {"service=a": CALM})
    values, reasons = [], []
    for hour in range(1, 5):
        policy = after(policy, plan)
        plan = at(policy, {"service=a": [3 * v for v in CALM]}, now=NOW + hour * HOUR - (60 if hour == 2 else 0))
        values.append(plan.status.thresholds[0].current)
        reasons.append(plan.status.thresholds[0].reason)
    assert values == ["72.5", "72.5", "90", "90"]
    assert reasons == ["Changed", "Cooldown", "Changed", "AtLimit"]
    assert [c.to for c in plan.status.history] == ["90", "72.5", "58"]
    assert [c.from_ for c in plan.status.history] == ["72.5", "58", None]


def test_an_incident_under_way_freezes_the_threshold() -> None:
    policy = after(a_policy(), at(a_policy(), {"service=a": CALM}))
    plan = at(policy, {"service=a": [2 * v for v in RAMP]}, now=NOW + 2 * HOUR)
    assert plan.status.thresholds[0].reason == "Firing"
    assert current(plan) == ["58"]
    allowed = policy.model_copy(update={"spec": a_policy(guardrails={"whileFiring": "Allow"}).spec})
    assert current(at(allowed, {"service=a": [2 * v for v in RAMP]}, now=NOW + 2 * HOUR)) == ["72.5"]


def test_the_same_data_twice_write_nothing_and_tell_nothing() -> None:
    policy = a_policy(mode="Record", perLabels=["service"])
    columns = {"service=a": CALM, "service=b": RAMP}
    first = at(policy, columns)
    second = at(after(policy, first), columns, rule=loaded_after(first))
    third = at(after(policy, second), columns, rule=loaded_after(first))
    assert second.status_changed, "the rule is loaded now"
    assert not third.status_changed
    assert third.rule == KeepRule()
    assert third.events == ()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_whatever_the_data_the_same_evaluation_twice_is_quiet(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = {}
    for name in range(int(rng.integers(0, 6))):
        values = rng.normal(0, 1, 61) * 10.0 ** rng.integers(-8, 8) + rng.choice([0, 10])
        values[rng.random(61) < rng.choice([0, 0.1, 0.9, 1])] = rng.choice([NAN, np.inf, -np.inf])
        columns[f"service={name}"] = values
    policy = a_policy(
        perLabels=["service"] if seed % 2 else [],
        bound="Upper" if seed % 3 else "Lower",
        estimator={"percentile": {"margin": "0.1"}},
        guardrails={"max": "100"} if seed % 5 else {},
    )
    first = at(policy, columns)
    assert after(policy, first).status == first.status, "what is written is what is read back"
    second = at(after(policy, first), columns)
    assert not second.status_changed
    assert second.events == ()
    assert second.status.history == first.status.history
    for threshold in first.status.thresholds:
        assert threshold.current is None or np.isfinite(float(threshold.current))


NO_ANSWER = {
    "an empty result": ({}, "NoData", "expr returned no sample in the last 1h"),
    "nothing but NaN": ({"service=a": [NAN] * 61}, "NoData", ""),
    "nothing but infinity": ({"service=a": [np.inf] * 61}, "NoData", ""),
    "too short a span": ({"service=a": [NAN] * 55 + [1.0] * 6}, "InsufficientHistory", "the samples span 5m"),
    "too many holes": (
        {"service=a": [1.0, NAN, NAN, NAN] * 15 + [1.0]},
        "InsufficientHistory",
        "history.minCoverage asks for 0.5",
    ),
}


@pytest.mark.parametrize(("columns", "reason", "message"), NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_without_enough_data_there_is_no_threshold_and_the_reason_is_said(
    columns: dict[str, list[float]], reason: str, message: str
) -> None:
    plan = at(a_policy(mode="Record"), columns)
    for condition in ("Ready", "DataAvailable", "Recommended", "Applied"):
        assert said(plan)[condition] == ("False", reason)
    assert message in plan.status.conditions[0].message
    assert plan.rule == KeepRule()
    assert [g for g in plan.gauges or () if g.name == "opssight_threshold"] == []


@pytest.mark.parametrize("columns", [c for c, _, _ in NO_ANSWER.values()], ids=NO_ANSWER.keys())
def test_without_enough_data_the_last_threshold_is_held(columns: dict[str, list[float]]) -> None:
    policy = a_policy(mode="Record")
    first = at(policy, {"service=a": CALM})
    plan = at(after(policy, first), columns, now=NOW + 5 * HOUR, rule=loaded_after(first))
    assert current(plan) == ["58"]
    assert plan.rule == KeepRule()
    assert said(plan)["DataAvailable"][0] == "False"
    assert said(plan)["Recommended"] == ("True", "Learned")
    assert [g.value for g in plan.gauges or () if g.name == "opssight_threshold"] == [58]


def test_one_group_without_data_does_not_hold_the_others() -> None:
    plan = at(a_policy(mode="Record", perLabels=["service"]), {"service=a": CALM, "service=b": [NAN] * 60 + [1.0]})
    assert recorded(plan, "service") == {(("service", "a"),): 58}
    assert said(plan)["DataAvailable"] == ("True", "PartialData")
    assert said(plan)["Ready"] == ("True", "Reconciled")
    assert [(t.labels["service"], t.reason) for t in plan.status.thresholds] == [
        ("a", "Changed"),
        ("b", "InsufficientHistory"),
    ]


LATE = [NAN] * 20 + CALM[:41]


def test_a_group_that_is_gone_keeps_its_threshold_while_history_may_have_lost_it() -> None:
    policy = a_policy(mode="Record", perLabels=["service"])
    first = at(policy, {"service=a": LATE, "service=b": LATE})
    plan = at(after(policy, first), {"service=a": LATE}, now=NOW + 2 * HOUR, rule=loaded_after(first))
    assert plan.rule == KeepRule()
    assert [(t.labels["service"], t.reason) for t in plan.status.thresholds][1] == ("b", "NoData")


def test_a_group_without_a_sample_in_a_whole_window_is_removed_from_rule_and_status() -> None:
    policy = a_policy(mode="Record", perLabels=["service"])
    first = at(policy, {"service=a": CALM, "service=b": CALM})
    plan = at(after(policy, first), {"service=a": CALM}, now=NOW + 2 * HOUR, rule=loaded_after(first))
    assert recorded(plan, "service") == {(("service", "a"),): 58}
    assert [t.labels["service"] for t in plan.status.thresholds] == ["a"]
    assert {g.labels["service"] for g in plan.gauges or ()} == {"a"}


def test_labels_that_come_and_go_without_end_are_forgotten_at_last() -> None:
    policy = a_policy(mode="Record", perLabels=["pod"])
    for hour in range(10):
        columns = {f"pod={hour:02}{n:02}": LATE for n in range(20)}
        plan = at(policy, columns, now=NOW + hour * HOUR)
        policy = after(policy, plan)
    assert len(recorded(plan, "pod")) == 50
    assert all((("pod", f"09{n:02}"),) in recorded(plan, "pod") for n in range(20))


def test_five_thousand_label_values_are_recommended_and_a_few_are_listed() -> None:
    plan = at(a_policy(perLabels=["service"]), {f"service=s{n:04}": CALM for n in range(5000)})
    assert plan.status.count == 5000
    assert len(plan.status.thresholds) <= 50
    assert len(plan.gauges or ()) >= 10_000
    assert len(json.dumps(plan.status.dump())) < STATUS_BYTES


def test_five_thousand_label_values_are_more_than_a_rule_can_hold() -> None:
    with pytest.raises(TooMuchData, match=r"5000 thresholds make .* choose perLabels with fewer values"):
        at(a_policy(mode="Record", perLabels=["service"]), {f"service=s{n:04}": CALM for n in range(5000)})


def test_a_rule_that_prometheus_operator_dropped_says_why() -> None:
    policy = a_policy(mode="Record")
    first = at(policy, {"service=a": CALM})
    assert isinstance(first.rule, ApplyRule)
    why = "for prometheuses monitoring/k8s: InvalidConfiguration: label name is not valid"
    observed = replace(a_loaded_rule(first.rule.rule), loaded=(), refusals=(why,))
    plan = at(after(policy, first), {"service=a": CALM}, rule=observed)
    message = next(c.message for c in plan.status.conditions if c.type == "RuleLoaded")
    assert said(plan)["RuleLoaded"] == ("False", "RuleRejected")
    assert message == f"prometheus-operator dropped opssight-tpol-checkout-errors {why}"
    observed = replace(observed, unreadable="the expression of Slow: no such function")
    plan = at(after(policy, first), {"service=a": CALM}, rule=observed)
    message = next(c.message for c in plan.status.conditions if c.type == "RuleLoaded")
    assert message.endswith("label name is not valid; the expression of Slow: no such function")


def test_a_rule_that_is_not_loaded_in_time_says_for_how_long() -> None:
    policy = a_policy(mode="Record")
    first = at(policy, {"service=a": CALM})
    assert isinstance(first.rule, ApplyRule)
    observed = replace(a_loaded_rule(first.rule.rule), loaded=())
    soon = at(after(policy, first), {"service=a": CALM}, now=NOW + 60, rule=observed)
    late = at(after(policy, soon), {"service=a": CALM}, now=NOW + 1800, rule=observed)
    messages = [next(c.message for c in p.status.conditions if c.type == "RuleLoaded") for p in (soon, late)]
    assert messages[0].startswith("Prometheus does not list the group")
    assert messages[1].startswith("not loaded in time, for 30m now: Prometheus does not list the group")
    assert "ruleSelector" in messages[1]


def test_a_lost_status_is_found_again_in_the_rule() -> None:
    policy = a_policy(mode="Record", perLabels=["service"])
    first = at(policy, {"service=a": CALM})
    plan = at(policy, {"service=a": [2 * v for v in CALM]}, now=NOW + 2 * HOUR, rule=loaded_after(first))
    assert current(plan) == ["72.5"], "one step from 58, and not the first threshold again"
    assert plan.status.history[0].from_ == "58"


def test_more_thresholds_than_status_can_hold_live_in_the_rule() -> None:
    policy = a_policy(mode="Record", perLabels=["service"])
    columns = {f"service=s{n:03}": [v + n for v in CALM] for n in range(200)}
    first = at(policy, columns)
    assert first.status.count == 200
    assert len(first.status.thresholds) <= 50
    assert len(json.dumps(first.status.dump())) < STATUS_BYTES
    doubled = {name: [2 * v for v in values] for name, values in columns.items()}
    plan = at(after(policy, first), doubled, now=NOW + 2 * HOUR, rule=loaded_after(first))
    before, now = recorded(first, "service"), recorded(plan, "service")
    assert len(now) == 200
    assert all(now[key] <= before[key] * 1.25 * (1 + 1e-9) for key in before)


def test_thresholds_beyond_the_list_are_no_news_each_time() -> None:
    policy = a_policy(perLabels=["service"])
    columns = {f"service=s{n:03}": [v + n for v in CALM] for n in range(200)}
    policy = after(policy, at(policy, columns))
    plan = at(policy, columns, now=NOW + 2 * HOUR)
    assert "ThresholdChanged" not in [e.reason for e in plan.events]
    assert not any(c.at > policy.status.history[0].at for c in plan.status.history)


def test_a_new_expression_starts_anew_and_not_from_the_old_threshold() -> None:
    policy = a_policy(mode="Record")
    first = at(policy, {"service=a": CALM})
    other = a_policy(mode="Record", expr="latency", generation=2, status=after(policy, first).status)
    plan = at(other, {"service=a": [1000 * v for v in CALM]}, now=NOW + 60, rule=loaded_after(first))
    assert current(plan) == ["58000"]


def test_a_new_expression_without_data_holds_what_is_recorded() -> None:
    policy = a_policy(mode="Record")
    first = at(policy, {"service=a": CALM})
    other = a_policy(mode="Record", expr="typo", generation=2, status=after(policy, first).status)
    plan = at(other, {}, now=NOW + 60, rule=loaded_after(first))
    assert plan.rule == KeepRule()
    assert current(plan) == ["58"]
    assert said(plan)["Ready"] == ("False", "NoData")


def test_a_new_limit_takes_effect_at_once() -> None:
    policy = a_policy()
    status = after(policy, at(policy, {"service=a": CALM})).status
    tighter = a_policy(guardrails={"max": "40"}, generation=2, status=status)
    assert current(at(tighter, {"service=a": RAMP}, now=NOW + 60)) == ["40"]


def test_leaving_record_removes_the_rule_and_keeps_the_recommendation() -> None:
    policy = a_policy(mode="Record")
    first = at(policy, {"service=a": CALM})
    other = a_policy(mode="Recommend", generation=2, status=after(policy, first).status)
    plan = at(other, {"service=a": CALM}, now=NOW + 60, rule=loaded_after(first))
    assert plan.rule == RemoveRule("opssight-tpol-checkout-errors")
    assert current(plan) == ["58"]


def test_a_foreign_rule_of_our_name_is_a_conflict() -> None:
    plan = at(a_policy(mode="Record"), {"service=a": CALM}, rule=RuleObservation(RuleObjectState.FOREIGN))
    for condition in ("Ready", "Applied", "RuleLoaded"):
        assert said(plan)[condition] == ("False", "NameConflict")
    assert plan.rule == KeepRule()


def test_a_rule_that_prometheus_would_drop_whole_is_not_written() -> None:
    columns = {f"service={n}{'x' * 1000}": CALM for n in range(400)}
    with pytest.raises(TooMuchData, match="400 thresholds make a PrometheusRule of"):
        at(a_policy(mode="Record", perLabels=["service"]), columns)


def test_the_owned_rule_is_what_the_thresholds_say() -> None:
    policy = a_policy(mode="Record")
    plan = at(policy, {"service=a": CALM})
    assert plan.rule == ApplyRule(policy_rule(policy, [({}, 58.0)]))


def test_an_hour_is_long_enough_to_write_the_newest_numbers() -> None:
    policy = a_policy()
    policy = after(policy, at(policy, {"service=a": CALM}))
    plan = at(policy, {"service=a": [v * 1.01 for v in CALM]}, now=NOW + HOUR)
    assert plan.status_changed
    soon = at(after(policy, plan), {"service=a": [v * 1.02 for v in CALM]}, now=NOW + HOUR + STEP)
    assert soon.status_changed, "its own interval says that an hour has gone by"
