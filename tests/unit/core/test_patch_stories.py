"""Mode Patch over many looks: what the next look knows is what was written, and a write may be the last act."""

from __future__ import annotations

import json
from typing import Any

from builders import NOW, a_frame, a_policy_observation
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.patching import MAX_REVERTS
from opssight_operator.core.plan import Plan
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings
from unit.core.test_patching import EXPR, a_patching_policy, a_target, after

SETTINGS = Settings(allow_patch=True, status_heartbeat_seconds=0)  # a write is for a meaning alone
LOOK = 30.0
FREE = {"maxStep": "1", "cooldown": "0s", "deadBand": "0", "whileFiring": "Allow"}


class Story:
    """A policy that looks at an alert again and again; like the operator, it writes a status that says something new.

    ``patch`` changes the policy's choice of the number.
    """

    def __init__(self, **patch: Any) -> None:
        self.policy = a_patching_policy(patch=patch, guardrails=FREE, interval="30s")
        self.target = a_target(loaded=())
        self.now = NOW

    def look(self, level: float = 0.08, *, dies: bool = False) -> Plan[ThresholdPolicyStatus]:
        """One look at a history around ``level``; the operator ``dies`` after the patch, before the status."""
        window = history_window(self.policy.spec, self.now, SETTINGS)
        observed = a_policy_observation(a_frame({"": [level] * 61}, end=self.now), target=self.target)
        plan = evaluate(self.policy, observed, window, self.now, SETTINGS)
        if plan.patch is not None:
            self.target = after(self.target, plan.patch)
        if plan.status_changed and not dies:
            self.policy = with_status(self.policy, plan.status)
        self.now += LOOK
        return plan

    @property
    def expr(self) -> str:
        """The alert as it stands in the object."""
        return str(self.target.groups[0]["rules"][0]["expr"])

    @property
    def remembered(self) -> Any:
        """What the written status holds of the patch."""
        return self.policy.status.patch


def with_status(policy: ThresholdPolicy, status: ThresholdPolicyStatus) -> ThresholdPolicy:
    written = ThresholdPolicyStatus.model_validate(json.loads(json.dumps(status.dump())))
    return policy.model_copy(update={"status": written})


def reason(plan: Plan[ThresholdPolicyStatus], condition: str) -> str:
    return next(c.reason for c in plan.status.conditions if c.type == condition)


def test_who_sets_the_number_back_at_each_look_has_it_after_the_third_time() -> None:
    told = Story()
    theirs = told.target
    seen = []
    for _ in range(MAX_REVERTS + 4):
        told.target = theirs
        plan = told.look()
        seen.append((reason(plan, "Applied"), plan.patch is not None))
    ours, left = ("Patched", True), ("TargetReverted", False)
    assert seen == [ours] * MAX_REVERTS + [left] * 4  # the first one was no answer to anybody
    assert told.remembered.reverts == MAX_REVERTS


def test_looks_that_find_nothing_new_write_no_status() -> None:
    told = Story()
    told.look()
    assert reason(told.look(), "RuleLoaded") == "NotLoaded"  # no longer "is being patched"
    assert [told.look().status_changed for _ in range(5)] == [False] * 5


def test_a_patch_that_is_not_loaded_in_time_says_for_how_long() -> None:
    told = Story()
    for _ in range(12):
        plan = told.look()
    (message,) = (c.message for c in plan.status.conditions if c.type == "RuleLoaded")
    assert message.startswith("not loaded in time, for 5m now: Prometheus does not evaluate group shop: Errors")


def test_the_first_patch_without_a_status_is_recognised_as_ours() -> None:
    told = Story(literal={"value": "0.05"})
    told.look(0.08, dies=True)
    plan = told.look(0.1)
    assert (reason(plan, "Applied"), told.remembered.original, told.remembered.reverts) == ("Patched", EXPR, 0)


def test_an_operator_that_dies_between_patch_and_status_finds_the_number_by_its_first_value() -> None:
    told = Story(literal={"value": "0.05"})
    told.look(0.08)
    told.look(0.1, dies=True)
    written = told.expr
    plan = told.look(0.1)
    assert (reason(plan, "Applied"), plan.patch) == ("Patched", None)
    assert told.expr == written
    assert (told.remembered.original, told.remembered.reverts) == (EXPR, 0)


def test_an_operator_that_dies_after_every_patch_keeps_the_owners_original_and_blames_nobody() -> None:
    told = Story()
    told.look(0.08)
    for level in (0.1, 0.12, 0.14, 0.16, 0.18):
        told.look(level, dies=True)
        told.look(level)
    (noted,) = json.loads(told.target.annotations["opssight.dev/originals"]).values()
    assert (told.remembered.original, told.remembered.reverts) == (EXPR, 0)
    assert (noted["expr"], noted["value"]) == (EXPR, told.remembered.value)


def test_an_alert_that_was_written_anew_and_patched_before_the_end_keeps_the_new_original() -> None:
    told = Story()
    told.look(0.08)
    new = "errors / (requests + 1) > 0.05"
    told.target = a_target({"alert": "Errors", "expr": new, "labels": {"severity": "warning"}}, loaded=())
    told.look(0.1, dies=True)
    told.look(0.12)
    assert told.remembered.original == new


def test_a_number_that_its_owner_chose_after_the_status_was_lost_is_the_original() -> None:
    told = Story()
    told.look(0.08, dies=True)
    (rule,) = told.target.groups[0]["rules"]
    chosen = EXPR.replace("0.05", "0.07")
    told.target = a_target({**rule, "expr": chosen}, annotations=dict(told.target.annotations), loaded=())
    told.look(0.08)
    assert told.remembered.original == chosen
