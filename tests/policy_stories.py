"""A delivered threshold that is evaluated again and again: a policy, its rule, its alerts and what status says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from builders import NAN, NOW, a_frame, a_loaded_rule, a_policy, a_policy_observation
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.observation import Frame, RuleObservation
from opssight_operator.core.plan import ApplyRule, Plan
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings

SETTINGS = Settings()
STEP, HOUR, DAY = 600.0, 3600.0, 86400.0
ROWS = 2017  # two weeks
HISTORY = {"window": "14d", "step": "10m", "minDuration": "1d"}
CALM = [*np.linspace(1.0, 2.0, ROWS - 1), 1.0]


def story(**spec: Any) -> ThresholdPolicy:
    return a_policy(**{"mode": "Record", "history": HISTORY, "alert": {"for": "10m", "name": "ManyErrors"}, **spec})


def firing(*ago: float, now: float, labels: str = "alertname=ManyErrors") -> Frame:
    """ALERTS that fired for an hour each, so many seconds ago."""
    column = [NAN] * ROWS
    for seconds in ago:
        first = ROWS - 1 - round(seconds / STEP)
        column[first : first + 6] = [1.0] * len(column[first : first + 6])
    return a_frame({labels: column}, end=now, step=STEP)


class Story:
    """A policy that is evaluated again and again; its rule is always loaded."""

    def __init__(self, policy: ThresholdPolicy) -> None:
        self.policy = policy
        self.rule = RuleObservation()

    def at(
        self, now: float, values: Sequence[float] = CALM, alerts: Frame | None = None, **observed: Any
    ) -> Plan[ThresholdPolicyStatus]:
        frame = a_frame({"": values}, end=now, step=STEP)
        observation = a_policy_observation(frame, rule=self.rule, alerts=alerts, **observed)
        window = history_window(self.policy.spec, now, SETTINGS)
        plan = evaluate(self.policy, observation, window, now, SETTINGS)
        if isinstance(plan.rule, ApplyRule):
            self.rule = a_loaded_rule(plan.rule.rule)
        written = json.loads(json.dumps(plan.status.dump()))
        self.policy = self.policy.model_copy(update={"status": ThresholdPolicyStatus.model_validate(written)})
        return plan

    def changed(self) -> float:
        """First threshold, its approval, and a second one; the time of the latter."""
        self.at(NOW)
        self.at(NOW + 60)
        assert self.threshold.current == "1.94998"
        assert self.at(NOW + 2 * DAY, alerts=firing(now=NOW)).status.thresholds[0].outcome is not None
        lowered = [0.85 * v for v in CALM]
        self.at(NOW + 2 * DAY + 60, lowered, firing(now=NOW))
        assert self.threshold.current == "1.65748"
        return NOW + 2 * DAY + 60

    @property
    def threshold(self) -> Any:
        return self.policy.status.thresholds[0]


def condition(plan: Plan[ThresholdPolicyStatus]) -> tuple[str, str, str]:
    return next((c.status, c.reason, c.message) for c in plan.status.conditions if c.type == "AsPredicted")


LOWERED = [0.85 * v for v in CALM]
