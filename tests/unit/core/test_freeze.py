"""An incident does not move the line that it is measured by; a level that stays does, at last."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from builders import NAN, NOW, a_frame, a_loaded_rule, a_policy, a_policy_observation
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus, ThresholdStatus
from opssight_operator.core.observation import Frame, RuleObservation
from opssight_operator.core.plan import ApplyRule
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings

SETTINGS = Settings()
HOUR, DAY = 3600.0, 86400.0
HOURS = 337  # two weeks, both ends included
HISTORY = {"window": "14d", "step": "1h", "minDuration": "1d"}


def evaluated(
    policy: ThresholdPolicy, values: list[float], now: float, rule: RuleObservation | None = None, **seen: Any
) -> tuple[ThresholdPolicy, ThresholdStatus, RuleObservation]:
    """The policy as it comes back after an evaluation by an operator that has just started, and its only threshold."""
    step = history_window(policy.spec, now, SETTINGS).step
    observed = a_policy_observation(a_frame({"": values}, end=now, step=step), rule=rule, **seen)
    plan = evaluate(policy, observed, history_window(policy.spec, now, SETTINGS), now, SETTINGS)
    written = ThresholdPolicyStatus.model_validate(json.loads(json.dumps(plan.status.dump())))
    loaded = a_loaded_rule(plan.rule.rule) if isinstance(plan.rule, ApplyRule) else rule or RuleObservation()
    return policy.model_copy(update={"status": written}), written.thresholds[0], loaded


def doubling(hours: int) -> list[float]:
    """Two weeks of traffic that has doubled so many hours ago."""
    around = 10.0 + np.sin(hours + np.arange(HOURS))
    around[HOURS - hours :] *= 2
    return list(around)


def test_a_level_that_lasts_longer_than_the_freeze_is_followed_step_by_step_and_no_further() -> None:
    policy = a_policy(mode="Record", history=HISTORY)
    policy, first, _ = evaluated(policy, [*doubling(0)[:-1], 9.0], NOW)
    moves: dict[int, float] = {}
    last = float(first.current or "nan")
    for hour in range(1, 200):
        policy, threshold, _ = evaluated(policy, doubling(hour), NOW + hour * HOUR)
        current = float(threshold.current or "nan")
        if current != last:
            moves[hour] = current / last
            last = current
        elif hour <= 24:
            assert threshold.reason in ("Firing", "WithinDeadBand"), "before the freeze is over nothing changes"
    assert min(moves) == 25, "24 hours after the first sample of the new level"
    assert all(1 < step <= 1.2500001 for step in moves.values())
    assert 20.8 < last < 22, "twice the level that it had, and no further"


@pytest.mark.parametrize(("at_most", "first"), [("6h", 17), ("1d", 25), ("2d", 49)])
def test_the_time_of_the_freeze_is_what_the_guardrail_says(at_most: str, first: int) -> None:
    # Before 17 hours of the new level the 95th percentile of two weeks does not ask for a change.
    policy = a_policy(mode="Record", history=HISTORY, guardrails={"freezeAtMost": at_most})
    policy, begun, _ = evaluated(policy, [*doubling(0)[:-1], 9.0], NOW)
    for hour in range(1, 60):
        policy, threshold, _ = evaluated(policy, doubling(hour), NOW + hour * HOUR)
        if threshold.current != begun.current:
            break
    assert hour == first


def test_a_second_incident_is_frozen_for_as_long_as_the_first() -> None:
    policy = a_policy(mode="Record", history=HISTORY)
    policy, begun, _ = evaluated(policy, doubling(0), NOW)
    values = doubling(0)
    for _ in range(3):  # of ten hours each, two hours apart
        values = [*values[12:], *[20.0] * 10, 10.0, 10.0]
    values = [*values[10:], *[40.0] * 10]
    _, threshold, _ = evaluated(policy, values, NOW + 46 * HOUR)
    assert (threshold.current, threshold.reason) == (begun.current, "Firing")


MINUTES = {"history": {"window": "1h", "step": "1m", "minDuration": "10m", "minCoverage": "0.5"}}
ALERT = {"name": "A", "for": "1m", "keepFiringFor": "30m"}
INCIDENT = [*[1.0] * 40, *[5.0] * 20, 0.95]
CAME_BACK: dict[str, tuple[list[float], dict[str, Any], dict[str, Any]]] = {
    "ALERTS fires on": (INCIDENT, {"alerts": a_frame({"alertname=A": [*[NAN] * 42, *[1.0] * 19]}, end=NOW + HOUR)}, {}),
    "the loaded rule fires on": (INCIDENT, {"alerts": a_frame({})}, {"firing": 1}),
    "the newest sample is missing": ([*INCIDENT[:-1], NAN], {"alerts": a_frame({})}, {}),
}


@pytest.mark.parametrize(("values", "seen", "rule"), CAME_BACK.values(), ids=CAME_BACK)
def test_an_incident_that_may_not_be_over_freezes(
    values: list[float], seen: dict[str, Frame], rule: dict[str, Any]
) -> None:
    render = {"mode": "Render", "render": {"recover": {"margin": "0.2"}}}
    policy = a_policy(**MINUTES, alert=ALERT, delivery=render, guardrails={"cooldown": "0s"})
    policy, _, loaded = evaluated(policy, [1.0] * 61, NOW)
    listed = replace(loaded, loaded=tuple(replace(one, **rule) for one in loaded.loaded or ()))
    _, threshold, _ = evaluated(policy, values, NOW + HOUR, listed, **seen)
    assert (threshold.current, threshold.reason) == ("1", "Firing")


def test_an_incident_that_is_over_moves_the_threshold_within_its_step() -> None:
    policy = a_policy(mode="Record", **MINUTES, alert=ALERT, guardrails={"cooldown": "0s"})
    policy, _, loaded = evaluated(policy, [1.0] * 61, NOW)
    over = {"alerts": a_frame({"alertname=A": [*[NAN] * 42, *[1.0] * 10, *[NAN] * 9]}, end=NOW + HOUR)}
    _, threshold, _ = evaluated(policy, INCIDENT, NOW + HOUR, loaded, **over)
    assert (threshold.current, threshold.reason) == ("1.25", "Changed")
