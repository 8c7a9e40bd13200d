"""Changes that follow each other soon: judged together, and what is good after them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from builders import NOW, a_frame, a_loaded_rule, a_policy, a_policy_observation
from opssight_operator.api.outcome import ThresholdOutcome
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.evidence import groups_of, learn
from opssight_operator.core.observation import RuleObservation
from opssight_operator.core.plan import ApplyRule, Plan
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.timing import rfc3339
from opssight_operator.core.trial import expected_per_week, outcome_after_change
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings
from policy_stories import CALM, DAY, HISTORY, HOUR, LOWERED, STEP, Story, condition, firing, story

SETTINGS = Settings()


def approved_story(**spec: Any) -> tuple[Story, float]:
    """A threshold of 1.94998 that stood as predicted for two days."""
    told = Story(story(guardrails={"cooldown": "1m"}, **spec))
    told.at(NOW)
    told.at(NOW + 60)
    told.at(NOW + 2 * DAY, alerts=firing(now=NOW))
    assert told.threshold.outcome.state == "AsPredicted"
    return told, NOW + 2 * DAY


def falling(told: Story, now: float, changes: int, every: float) -> float:
    """Changes twelve hours apart; from the first one on the alert fires ``every`` so many seconds."""
    for number in range(changes):
        alerts = firing(*np.arange(every, number * 12 * HOUR, every), now=now)
        told.at(now, [0.93 ** (1 + number) * v for v in CALM], alerts)
        now += 12 * HOUR
    return now


def test_a_threshold_that_changes_more_often_than_it_is_judged_is_judged_as_a_whole() -> None:
    told, now = approved_story()
    falling(told, now, changes=3, every=2 * HOUR)
    back = told.policy.status.history[0]
    assert (back.reason, back.to) == ("RolledBack", "1.94998"), "the threshold from before the whole trial"
    assert "11 episodes in 1d, predicted were 0 to" in back.why


def test_many_changes_that_raise_what_was_predicted_for_them_are_good() -> None:
    told, now = approved_story()
    now = falling(told, now, changes=2, every=DAY)
    level = told.threshold.current
    told.at(now, [0.93**2 * v for v in CALM], firing(now=now))
    assert (told.threshold.current, told.threshold.outcome.state) == (level, "AsPredicted")
    assert told.threshold.outcome.last_good == "1.94998"
    told.at(now + HOUR, [0.93**3 * v for v in CALM], firing(now=now))
    assert told.threshold.outcome.last_good == level, "the trial had its verdict, so that another one begins"
    assert told.threshold.outcome.trial is None


def test_the_changes_of_a_trial_each_say_what_came_of_them_alone() -> None:
    told = Story(story(guardrails={"cooldown": "1m"}, outcome={"action": "Report"}))
    told.at(NOW)
    told.at(NOW + 60)
    first, second = NOW + 12 * HOUR, NOW + 18 * HOUR
    told.at(first, LOWERED, firing(now=NOW))
    told.at(second, [0.75 * v for v in CALM], firing(3 * HOUR, now=second))
    now = second + 12 * HOUR
    told.at(now, [0.75 * v for v in CALM], firing(5 * HOUR, 8 * HOUR, 15 * HOUR, now=now))
    newest, before, _ = told.policy.status.history
    assert float(newest.observed_episodes_per_week or 0) == pytest.approx(2 * 14)
    assert float(before.observed_episodes_per_week or 0) == pytest.approx(1 * 28)
    assert told.threshold.outcome.observed_episodes == 3


def an_outcome(**changes: Any) -> ThresholdOutcome:
    fields = {"since": rfc3339(NOW - 7 * DAY), "predicted_episodes_per_week": "14", "predicted_from": "14d"}
    return ThresholdOutcome(**{**fields, "last_good": "1.5", **changes})


def after(old: float | None, new: float, previous: ThresholdOutcome | None, **more: Any) -> ThresholdOutcome:
    spec = story().spec
    frame = a_frame({"": CALM}, step=STEP)
    (evidence,) = learn(spec, frame, groups_of(frame.labels, []))
    given = {"rolled_back": False, "now": NOW, **more}
    begun = outcome_after_change(spec, evidence, old=old, new=new, previous=previous, **given)
    assert begun is not None
    return begun


WHAT_IS_GOOD: dict[str, tuple[dict[str, Any] | None, str | None]] = {
    "what was never judged, as nothing speaks against it": (None, "1.9"),
    "what stood as predicted": ({"state": "AsPredicted"}, "1.9"),
    "the one before, while this one is on trial": ({"state": "Waiting"}, "1.5"),
    "the one before, while this one is not known": ({"state": "Unknown"}, "1.5"),
    "the one before, when this one proved wrong": ({"state": "TooMany"}, "1.5"),
    "the first one, which nobody judged yet": ({"state": "Waiting", "last_good": None}, "1.9"),
    "none, after the first one proved wrong": ({"state": "TooMany", "last_good": None}, None),
    "none, after what was gone back to proved wrong": (
        {"state": "TooFew", "last_good": None, "rolled_back_at": rfc3339(NOW - 7 * DAY)},
        None,
    ),
    "none, when the threshold is back at it": ({"state": "Waiting", "last_good": "1.7"}, None),
}


@pytest.mark.parametrize(("previous", "good"), WHAT_IS_GOOD.values(), ids=WHAT_IS_GOOD)
def test_what_is_good_after_a_change_from_a_threshold(previous: dict[str, Any] | None, good: str | None) -> None:
    begun = after(1.9, 1.7, an_outcome(**previous) if previous is not None else None)
    assert begun.last_good == good


def test_nothing_is_good_after_going_back_or_at_the_first_threshold() -> None:
    assert after(1.9, 1.5, an_outcome(state="TooMany"), rolled_back=True).last_good is None
    assert after(None, 1.5, None).last_good is None


def test_what_was_predicted_of_the_changes_of_a_trial_adds_up() -> None:
    first = an_outcome(since=rfc3339(NOW - 3 * DAY), state="Waiting", observed_episodes=5)
    begun = after(1.9, 1.7, first)
    assert begun.trial is not None
    assert (begun.trial.since, begun.trial.predicted_episodes, begun.trial.observed_episodes) == (first.since, "6", 5)
    later = begun.model_copy(update={"predicted_episodes_per_week": "28"})
    assert expected_per_week(later, NOW) == pytest.approx(14)
    assert expected_per_week(later, NOW + 3 * DAY) == pytest.approx((6 + 12) / 6 * 7)
    third = after(1.7, 1.6, later, now=NOW + 3 * DAY)
    assert third.trial is not None
    assert (third.trial.since, third.trial.predicted_episodes) == (first.since, "18")


def test_a_trial_without_a_verdict_in_its_time_is_given_up() -> None:
    begun = after(1.9, 1.7, an_outcome(since=rfc3339(NOW - 8 * DAY), state="Unknown"))
    assert (begun.last_good, begun.trial) == ("1.5", None)


def test_a_threshold_that_is_back_by_itself_is_not_rolled_back_to_itself() -> None:
    told = Story(story(guardrails={"cooldown": "1m"}))
    told.at(NOW)
    told.at(NOW + 60)
    now = NOW + 2 * DAY
    told.at(now, alerts=firing(now=now))
    told.at(now + 600, LOWERED, firing(now=now))
    told.at(now + 1200, CALM, firing(now=now))
    assert told.threshold.current == "1.94998"
    now += 30 * HOUR
    plan = told.at(now, CALM, firing(*(HOUR * n for n in range(2, 30, 2)), now=now))
    assert condition(plan)[:2] == ("False", "TooManyEpisodes")
    assert [e.reason for e in plan.events] == []
    assert plan.status.history[0].reason == "Changed"


# Two services whose thresholds stand in one rule.


class Pair:
    """A policy with a threshold for each of two services."""

    def __init__(self) -> None:
        spec = {"history": HISTORY, "alert": {"for": "10m", "name": "ManyErrors"}, "guardrails": {"cooldown": "1m"}}
        self.policy: ThresholdPolicy = a_policy(mode="Record", perLabels=["service"], **spec)
        self.rule = RuleObservation()

    def at(self, now: float, *columns: list[float], rule: RuleObservation | None = None) -> Plan[ThresholdPolicyStatus]:
        frame = a_frame({f"service={name}": v for name, v in zip("ab", columns, strict=True)}, end=now, step=STEP)
        alerts = firing(now=now, labels="alertname=ManyErrors,service=a")
        observed = a_policy_observation(frame, rule=rule or self.rule, alerts=alerts)
        plan = evaluate(self.policy, observed, history_window(self.policy.spec, now, SETTINGS), now, SETTINGS)
        if isinstance(plan.rule, ApplyRule):
            self.rule = a_loaded_rule(plan.rule.rule)
        written = json.loads(json.dumps(plan.status.dump()))
        self.policy = self.policy.model_copy(update={"status": ThresholdPolicyStatus.model_validate(written)})
        return plan

    @property
    def states(self) -> list[str]:
        return [t.outcome.state for t in self.policy.status.thresholds if t.outcome]


def approved() -> tuple[Pair, float]:
    told = Pair()
    told.at(NOW, CALM, CALM)
    told.at(NOW + 60, CALM, CALM)
    now = NOW + 2 * DAY
    told.at(now, CALM, CALM)
    assert told.states == ["AsPredicted", "AsPredicted"]
    return told, now


NOT_KNOWN = {
    "the rule of another threshold is on its way": lambda old, new: replace(new, loaded=old.loaded),
    "Prometheus did not say": lambda old, new: replace(new, loaded=None),
}


@pytest.mark.parametrize("seen", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_a_verdict_stands_while_a_rule_is_being_loaded(seen: Any) -> None:
    told, now = approved()
    old = told.rule
    told.at(now + HOUR, CALM, LOWERED)
    assert told.states == ["AsPredicted", "Waiting"]
    told.at(now + HOUR + 30, CALM, LOWERED, rule=seen(old, told.rule))
    assert told.states == ["AsPredicted", "Waiting"]
    told.at(now + HOUR + 60, CALM, LOWERED)
    assert told.states == ["AsPredicted", "Waiting"]


def test_a_threshold_that_changes_while_another_is_being_loaded_keeps_its_approval() -> None:
    told, now = approved()
    old = told.rule
    told.at(now + HOUR, CALM, LOWERED)
    told.at(now + HOUR + 30, LOWERED, LOWERED, rule=replace(told.rule, loaded=old.loaded))
    (changed, _) = told.policy.status.thresholds
    assert changed.outcome is not None
    assert (changed.current, changed.outcome.last_good, changed.outcome.trial) == ("1.65748", "1.94998", None)


def test_a_rule_that_is_never_loaded_makes_verdicts_unknown() -> None:
    told, now = approved()
    old = told.rule
    told.at(now + HOUR, CALM, LOWERED)
    for minute in range(1, 60):
        told.at(now + HOUR + 60 * minute, CALM, LOWERED, rule=replace(told.rule, loaded=old.loaded))
    assert told.states == ["Unknown", "Waiting"]


def test_without_the_name_of_an_alert_each_part_of_a_trial_is_simulated_with_its_own_threshold() -> None:
    told = Story(story(alert={"for": "10m"}, guardrails={"cooldown": "1m"}, outcome={"action": "Report"}))
    told.at(NOW)
    told.at(NOW + 60)
    spikes = np.array(LOWERED)
    spikes[-60:] = 1.0
    spikes[-40:-36] = 1.8  # beyond the second threshold, below the third
    told.at(NOW + 60 + HOUR, LOWERED)
    assert told.threshold.current == "1.65748"
    told.at(NOW + 60 + 8 * HOUR, list(spikes))
    assert told.threshold.outcome.observed_episodes == 1
    raised = list(1.2 * spikes)
    told.at(NOW + 60 + 9 * HOUR, raised)
    assert told.threshold.outcome.trial.observed_episodes == 1
    told.at(NOW + 60 + 10 * HOUR, raised)
    assert told.threshold.outcome.observed_episodes == 1
