"""The past of a policy's thresholds in its status: bounded, the newest first, each change with its reason."""

from __future__ import annotations

import json

from builders import NOW, a_frame, a_policy, a_policy_observation
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.listing import MAX_CHANGES
from opssight_operator.core.plan import Plan
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.timing import seconds_of
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings

SETTINGS = Settings()
FREE = {"maxStep": "10", "deadBand": "0.01", "cooldown": "1m", "whileFiring": "Allow"}
HOUR = 3600.0


def look(policy: ThresholdPolicy, level: float, now: float, series: int = 1) -> Plan[ThresholdPolicyStatus]:
    """One evaluation of an hour of history around ``level``."""
    columns = {f"service=s{n:02}": [level + n + i % 3 / 100 for i in range(61)] for n in range(series)}
    observation = a_policy_observation(a_frame(columns, end=now))
    return evaluate(policy, observation, history_window(policy.spec, now, SETTINGS), now, SETTINGS)


def written(policy: ThresholdPolicy, plan: Plan[ThresholdPolicyStatus]) -> ThresholdPolicy:
    status = ThresholdPolicyStatus.model_validate(json.loads(json.dumps(plan.status.dump())))
    return policy.model_copy(update={"status": status})


def test_of_many_changes_the_newest_ten_are_kept_with_their_reasons() -> None:
    policy, told = a_policy(guardrails=FREE), []
    for n in range(MAX_CHANGES + 5):
        plan = look(policy, 100.0 + 10 * n, NOW + n * HOUR)
        (newest,) = [change for change in plan.status.history if seconds_of(change.at) == NOW + n * HOUR]
        told.insert(0, newest)
        assert plan.status.history[0] == newest
        assert len(plan.status.history) == min(n + 1, MAX_CHANGES)
        policy = written(policy, plan)
    kept = policy.status.history
    assert [(c.at, c.from_, c.to, c.reason, c.why) for c in kept] == [
        (c.at, c.from_, c.to, c.reason, c.why) for c in told[:MAX_CHANGES]
    ]
    assert [c.from_ for c in kept[:-1]] == [c.to for c in kept[1:]], "each change begins where the one before it ended"
    assert {c.reason for c in kept} == {"Changed"}
    assert all(c.from_ is not None and f"was {c.from_}" in c.why for c in kept)


def test_a_look_that_changes_nothing_takes_no_room_in_the_past() -> None:
    policy = a_policy(guardrails=FREE)
    for n in range(3):
        policy = written(policy, look(policy, 100.0 + 10 * n, NOW + n * HOUR))
    before = policy.status.history
    after = look(policy, 120.0, NOW + 3 * HOUR).status.history
    assert [(c.at, c.to, c.why) for c in after] == [(c.at, c.to, c.why) for c in before]


def test_a_look_that_changes_more_than_ten_thresholds_keeps_ten_of_its_own() -> None:
    policy = a_policy(guardrails=FREE, perLabels=["service"])
    policy = written(policy, look(policy, 100.0, NOW, series=20))
    plan = look(policy, 200.0, NOW + HOUR, series=20)
    assert len(plan.status.history) == MAX_CHANGES
    assert {seconds_of(change.at) for change in plan.status.history} == {NOW + HOUR}
    assert len({change.labels["service"] for change in plan.status.history}) == MAX_CHANGES
