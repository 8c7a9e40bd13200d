"""A policy with a threshold for each hour of the week: learned, guarded, recorded, remembered."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from builders import NOW, a_frame, a_loaded_rule, a_policy, a_policy_observation
from opssight_detectors.thresholds.calendar import hours_of_week
from opssight_detectors.thresholds.summary import zone_of
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.held import held_plan
from opssight_operator.core.hour_rule import table_of
from opssight_operator.core.hours import HourTable
from opssight_operator.core.observation import RuleObservation
from opssight_operator.core.plan import ApplyRule, KeepRule, Plan
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.windows import history_window
from opssight_operator.errors import PrometheusUnreachable, TooMuchData
from opssight_operator.settings import Settings

SETTINGS = Settings()
STEP, HOUR, DAY = 600.0, 3600.0, 86400.0
ROWS = 28 * 144 + 1
ZONE = "Europe/Berlin"
HISTORY = {"window": "28d", "step": "10m", "minDuration": "1d"}
SEASONAL = {"timeZone": ZONE, "minSamples": 20}


def office(now: float) -> np.ndarray:
    """100 in office hours of Berlin, 10 at other times, and a tenth of that up and down."""
    times = now - STEP * np.arange(ROWS - 1, -1, -1)
    hour = hours_of_week(times, zone_of(ZONE))
    busy = (hour < 120) & (hour % 24 >= 9) & (hour % 24 < 17)
    values = np.where(busy, 100.0, 10.0) * np.linspace(0.9, 1.1, 6)[np.arange(ROWS) % 6]
    values[-1] = 1.0
    return values


def seasonal(mode: str = "Record", **spec: Any) -> ThresholdPolicy:
    return a_policy(mode=mode, **{"history": HISTORY, "seasonal": SEASONAL, **spec})


def at(
    policy: ThresholdPolicy,
    now: float = NOW,
    factor: float = 1.0,
    rule: RuleObservation | None = None,
    columns: Any = None,
) -> Plan[ThresholdPolicyStatus]:
    frame = a_frame(columns or {"": factor * office(now)}, end=now, step=STEP)
    observation = a_policy_observation(frame, rule=rule)
    return evaluate(policy, observation, history_window(policy.spec, now, SETTINGS), now, SETTINGS)


def after(policy: ThresholdPolicy, plan: Plan[ThresholdPolicyStatus]) -> ThresholdPolicy:
    written = json.loads(json.dumps(plan.status.dump()))
    return policy.model_copy(update={"status": ThresholdPolicyStatus.model_validate(written)})


def recorded(plan: Plan[ThresholdPolicyStatus]) -> HourTable:
    assert isinstance(plan.rule, ApplyRule)
    table = table_of(plan.rule.rule.groups[0]["rules"][1]["expr"], ZONE)
    assert table is not None
    return table


def test_office_hours_have_a_threshold_of_their_own() -> None:
    plan = at(seasonal())
    (threshold,) = plan.status.thresholds
    assert threshold.hours is not None
    table = HourTable.parse(threshold.hours, ZONE)
    assert table == recorded(plan)
    assert table.values[9] == pytest.approx(110, rel=0.05)  # Monday 09:00 in Berlin
    assert table.values[8] == table.values[17] == table.values[120 + 12] == pytest.approx(11, rel=0.05)
    assert len(table.runs) == 11, "five working days and what is between them"
    assert float(threshold.current or 0) == table.now(NOW)
    assert threshold.message.startswith("first threshold, a table of the week from ")
    assert any(note.startswith("of 168 hours of the week rest 168 on their own samples") for note in threshold.notes)
    gauges = {g.name: g.value for g in plan.gauges or ()}
    assert gauges["opssight_threshold"] == table.now(NOW)


def test_the_group_records_the_local_hour_before_the_thresholds_that_need_it() -> None:
    plan = at(seasonal())
    assert isinstance(plan.rule, ApplyRule)
    first, second = plan.rule.rule.groups[0]["rules"]
    assert first["record"] == "opssight:hour_of_week"
    assert first["labels"] == {"namespace": "shop", "policy": "checkout-errors"}
    assert second["record"] == "opssight:threshold"
    assert second["labels"] == {"policy": "checkout-errors", "namespace": "shop", "bound": "upper"}


def test_nothing_is_written_when_the_hour_changes() -> None:
    policy = seasonal()
    first = at(policy)
    assert isinstance(first.rule, ApplyRule)
    loaded = a_loaded_rule(first.rule.rule)
    policy = after(policy, at(after(policy, first), rule=loaded))
    for hours in (9, 18, 30):
        plan = at(policy, NOW + hours * HOUR, rule=loaded)
        assert plan.rule == KeepRule()
        assert [e.reason for e in plan.events] == []
    assert {c.type: c.reason for c in plan.status.conditions}["RuleLoaded"] == "Loaded"


def test_each_hour_goes_through_the_guardrails() -> None:
    policy = seasonal(guardrails={"max": "120"})
    first = at(policy)
    before = recorded(first)
    plan = at(after(policy, first), NOW + 2 * HOUR, factor=2.0)
    table = recorded(plan)
    assert table.values[8] == pytest.approx(before.values[8] * 1.25, rel=1e-4), "one step"
    assert table.values[9] == 120, "the limit"
    (threshold,) = plan.status.thresholds
    assert "of 168 hours change, the furthest" in threshold.message
    held = at(after(policy, plan), NOW + 2 * HOUR + 2400, factor=4.0)
    assert held.status.thresholds[0].reason == "Cooldown"
    assert held.status.thresholds[0].hours == threshold.hours


def test_a_lost_status_is_found_again_in_the_rule() -> None:
    policy = seasonal()
    first = at(policy)
    assert isinstance(first.rule, ApplyRule)
    plan = at(policy, NOW + 2 * HOUR, factor=2.0, rule=a_loaded_rule(first.rule.rule))
    assert recorded(plan).values[9] == pytest.approx(recorded(first).values[9] * 1.25, rel=1e-4)


def test_another_time_zone_starts_anew() -> None:
    policy = seasonal()
    first = at(policy)
    other = seasonal(seasonal={**SEASONAL, "timeZone": "UTC"}, status=after(policy, first).status)
    plan = at(other, NOW + 600)
    assert plan.status.thresholds[0].message.startswith("first threshold, ")


def test_the_simulation_follows_the_table() -> None:
    night = office(NOW)
    night[-123:-121] = 50.0  # about three in the morning, half of what is normal by day
    alert = {"for": "10m", "timeZone": ZONE}
    table = at(seasonal(alert=alert), columns={"": night}).status.thresholds[0].simulation
    flat = at(a_policy(history=HISTORY, alert=alert), columns={"": night}).status.thresholds[0].simulation
    assert table is not None and table.current is not None and table.current == table.proposed
    assert flat is not None and flat.current is not None
    assert float(table.current.night_episodes_per_week) == pytest.approx(0.25, rel=0.01)
    assert flat.current.night_episodes_per_week == "0"


def test_a_short_history_gives_one_threshold_for_all_hours_and_says_so() -> None:
    plan = at(seasonal(), columns={"": list(np.linspace(1, 2, 288))})
    threshold = plan.status.thresholds[0]
    assert threshold.hours is not None
    assert len(threshold.hours.split()) == 1
    assert threshold.notes[0] == "of 168 hours of the week rest 168 on all samples"


def test_while_prometheus_is_away_the_metric_follows_the_hour() -> None:
    policy = seasonal("Recommend")
    policy = after(policy, at(policy))
    night = held_plan(policy, PrometheusUnreachable("no answer"), NOW, SETTINGS)
    noon = held_plan(policy, PrometheusUnreachable("no answer"), NOW + 13 * HOUR, SETTINGS)
    assert [plan.gauges[0].value for plan in (night, noon)] == pytest.approx([11, 110], rel=0.05)


def test_a_table_for_each_label_value() -> None:
    policy = seasonal(perLabels=["service"])
    columns = {"service=a": office(NOW), "service=b": 2 * office(NOW)}
    plan = at(policy, columns=columns)
    assert isinstance(plan.rule, ApplyRule)
    _, a, b = plan.rule.rule.groups[0]["rules"]
    assert a["labels"]["service"] == "a"
    assert table_of(b["expr"], ZONE).values[9] == pytest.approx(220, rel=0.05)  # type: ignore[union-attr]


def test_more_tables_than_an_object_can_hold_are_refused() -> None:
    rng = np.random.default_rng(1)
    spec = {**SEASONAL, "minSamples": 1, "minWeeks": 1}
    policy = seasonal(perLabels=["service"], seasonal=spec, guardrails={"deadBand": "0"})
    with pytest.raises(TooMuchData, match="choose perLabels with fewer values"):
        at(policy, columns={f"service=s{n}": rng.lognormal(0, 1, 1009) for n in range(40)})


def on_trial() -> tuple[ThresholdPolicy, RuleObservation, str, float]:
    """A policy whose second table has proved wrong thirty hours later, its rule, the good table, and that time."""
    policy = seasonal(alert={"for": "10m", "name": "ManyErrors"})
    plan = judged(policy, NOW, 1.0, hours=())
    policy, rule = after(policy, plan), loaded(plan)
    good = policy.status.thresholds[0].hours
    plan = judged(policy, NOW + 2 * DAY, 0.85, rule=rule, hours=())
    policy, rule = after(policy, plan), loaded(plan)
    (threshold,) = policy.status.thresholds
    assert threshold.outcome is not None
    assert threshold.hours != good == threshold.outcome.last_good_hours
    return policy, rule, str(good), NOW + 2 * DAY + 30 * HOUR


def loaded(plan: Plan[ThresholdPolicyStatus]) -> RuleObservation:
    assert isinstance(plan.rule, ApplyRule)
    return a_loaded_rule(plan.rule.rule)


def judged(
    policy: ThresholdPolicy,
    now: float,
    factor: float,
    *,
    hours: Any,
    rule: RuleObservation | None = None,
    columns: Any = None,
) -> Plan[ThresholdPolicyStatus]:
    """An evaluation with an alert that fired for an hour, so many ``hours`` ago."""
    fired = np.full(ROWS, np.nan)
    for ago in hours:
        first = ROWS - 1 - round(ago * HOUR / STEP)
        fired[first : first + 6] = 1.0
    frame = a_frame(columns or {"": factor * office(now)}, end=now, step=STEP)
    alerts = a_frame({"alertname=ManyErrors": fired}, end=now, step=STEP)
    observation = a_policy_observation(frame, rule=rule, alerts=alerts)
    return evaluate(policy, observation, history_window(policy.spec, now, SETTINGS), now, SETTINGS)


@pytest.mark.parametrize("columns", [None, {"": [float("nan")] * ROWS}], ids=["with history", "without a sample"])
def test_a_table_that_proved_wrong_goes_back_to_the_good_one_whatever_history_says_now(columns: Any) -> None:
    policy, rule, good, now = on_trial()
    plan = judged(policy, now, 0.85, hours=range(2, 30, 2), rule=rule, columns=columns)
    (threshold,) = plan.status.thresholds
    assert (threshold.reason, threshold.hours) == ("RolledBack", good)
    assert recorded(plan) == HourTable.parse(good, ZONE)
    assert threshold.current == f"{recorded(plan).now(now):g}"
    assert "back to the last good" in plan.status.history[0].why


def test_a_table_as_predicted_is_not_left_because_history_is_gone() -> None:
    policy, rule, _, now = on_trial()
    plan = judged(policy, now, 0.85, hours=(), rule=rule, columns={"": [float("nan")] * ROWS})
    (threshold,) = plan.status.thresholds
    assert (threshold.reason, threshold.hours) == ("NoData", policy.status.thresholds[0].hours)
