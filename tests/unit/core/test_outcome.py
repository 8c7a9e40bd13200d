"""A delivered threshold is held to its prediction: a story of evaluations, and what is known when."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NAN, NOW, a_frame, a_policy
from opssight_operator.api.outcome import ThresholdOutcome
from opssight_operator.core.evidence import episodes, groups_of, learn
from opssight_operator.core.outcome import Watch, alert_query, judged
from opssight_operator.core.plan import ApplyRule
from opssight_operator.core.timing import rfc3339
from policy_stories import CALM, DAY, HISTORY, HOUR, LOWERED, ROWS, STEP, Story, condition, firing, story


def test_more_episodes_than_predicted_bring_the_last_good_threshold_back() -> None:
    told = Story(story())
    since = told.changed()
    now = since + 30 * HOUR
    plan = told.at(now, LOWERED, firing(*(HOUR * n for n in range(2, 30, 2)), now=now))
    assert told.threshold.current == "1.94998"
    assert told.threshold.reason == "RolledBack"
    newest, wrong, *_ = plan.status.history
    assert (newest.reason, newest.from_, newest.to) == ("RolledBack", "1.65748", "1.94998")
    assert "14 episodes in 1d6h, predicted were 0 to" in newest.why
    assert wrong.to == "1.65748"
    assert float(wrong.observed_episodes_per_week or 0) == pytest.approx(14 / 30 * 168)
    assert float(wrong.predicted_episodes_per_week or 0) == pytest.approx(0.5, rel=0.01)
    assert condition(plan)[:2] == ("False", "RolledBack")
    (event,) = [e for e in plan.events if e.reason == "ThresholdRolledBack"]
    assert event.type == "Warning"
    assert isinstance(plan.rule, ApplyRule)
    assert plan.rule.rule.groups[0]["rules"][0]["expr"] == "vector(1.94998)"


def test_what_was_rolled_back_is_not_tried_again_before_the_hold_is_over() -> None:
    told = Story(story())
    since = told.changed()
    back = since + 30 * HOUR
    alerts = firing(*(HOUR * n for n in range(2, 30, 2)), now=back)
    told.at(back, LOWERED, alerts)
    told.at(back + 2 * HOUR, LOWERED, firing(now=back))
    assert (told.threshold.current, told.threshold.reason) == ("1.94998", "RolledBack")
    assert "outcome.hold asks for 1d" in told.threshold.message
    told.at(back + 25 * HOUR, LOWERED, firing(now=back))
    assert (told.threshold.current, told.threshold.reason) == ("1.65748", "Changed")


def test_a_threshold_that_was_rolled_back_is_not_rolled_back_again() -> None:
    told = Story(story())
    since = told.changed()
    back = since + 30 * HOUR
    told.at(back, LOWERED, firing(*(HOUR * n for n in range(2, 30, 2)), now=back))
    later = back + 26 * HOUR
    plan = told.at(later, CALM, firing(*(HOUR * n for n in range(2, 26, 2)), now=later))
    assert told.threshold.current == "1.94998"
    assert condition(plan)[:2] == ("False", "TooManyEpisodes")


def test_nothing_is_rolled_back_while_the_expression_is_beyond_the_threshold() -> None:
    told = Story(story())
    since = told.changed()
    now = since + 30 * HOUR
    plan = told.at(now, [*LOWERED[:-1], 5.0], firing(*(HOUR * n for n in range(2, 30, 2)), now=now))
    assert (told.threshold.current, told.threshold.reason) == ("1.65748", "Firing")
    assert condition(plan)[:2] == ("False", "TooManyEpisodes")
    told.at(now + HOUR, LOWERED, firing(*(HOUR * n for n in range(3, 31, 2)), now=now + HOUR))
    assert (told.threshold.current, told.threshold.reason) == ("1.94998", "RolledBack")


def test_report_says_it_and_changes_nothing() -> None:
    told = Story(story(outcome={"action": "Report"}))
    now = told.changed() + 30 * HOUR
    plan = told.at(now, LOWERED, firing(*(HOUR * n for n in range(2, 30, 2)), now=now))
    assert told.threshold.current == "1.65748"
    assert condition(plan)[:2] == ("False", "TooManyEpisodes")
    assert "14 episodes in 1d6h, predicted were 0 to" in condition(plan)[2]


def test_as_many_as_predicted_are_good() -> None:
    told = Story(story())
    now = told.changed() + 30 * HOUR
    plan = told.at(now, LOWERED, firing(5 * HOUR, now=now))
    assert condition(plan)[:2] == ("True", "AsPredicted")
    assert told.threshold.current == "1.65748"
    assert told.threshold.outcome.observed_episodes == 1


def test_without_a_name_of_the_alert_the_samples_since_the_change_are_simulated() -> None:
    told = Story(story(alert={"for": "10m"}))
    now = told.changed() + 30 * HOUR
    restless = [*LOWERED]
    for hour in range(2, 29, 2):
        at = ROWS - 1 - 6 * hour
        restless[at : at + 4] = [3.0] * 4
    told.at(now, restless)
    assert (told.threshold.current, told.threshold.reason) == ("1.94998", "RolledBack")


def test_a_recommendation_is_not_judged() -> None:
    policy = a_policy(history=HISTORY, alert={"for": "10m", "name": "ManyErrors"})
    told = Story(policy)
    plan = told.at(NOW)
    assert told.threshold.outcome is None
    assert condition(plan)[:2] == ("Unknown", "NotJudged")
    assert alert_query(policy.spec, STEP) is None


def test_a_limit_that_moves_with_its_metric_is_not_judged_by_what_it_would_have_raised_standing_still() -> None:
    policy = story(estimator={"type": "ExceedanceRate"})
    told = Story(policy)
    plan = told.at(NOW, [1.0 + row % 7 for row in range(ROWS)], firing(now=NOW))
    assert told.threshold.current is not None
    assert told.threshold.outcome is None
    assert condition(plan) == (
        "Unknown",
        "NotJudged",
        "the limit of ExceedanceRate moves with its metric, so that no number of episodes is predicted",
    )
    assert alert_query(policy.spec, STEP) is not None, "whether it fires is asked for all the same"


BEFORE = ThresholdOutcome(
    since=rfc3339(NOW - 7 * DAY + HOUR),
    predicted_episodes_per_week="20",
    predicted_from="14d",
    last_good="1.5",
)
WEEKLY = [HOUR * 8 * n for n in range(1, 21)]
WHAT_IS_KNOWN: dict[str, tuple[dict[str, Any], dict[str, Any], str, int | None]] = {
    "as many as predicted": ({}, {"alerts": firing(*WEEKLY, now=NOW)}, "AsPredicted", 20),
    "too early": ({"since": rfc3339(NOW - HOUR)}, {"alerts": firing(now=NOW)}, "Waiting", 0),
    "none, of an alert that was seen before": ({}, {"alerts": firing(8 * DAY, now=NOW)}, "TooFew", 0),
    "none, of an alert that never was": ({}, {"alerts": a_frame({}, step=STEP)}, "Unknown", 0),
    "an episode that had begun before is not of this threshold": (
        {"since": rfc3339(NOW - 2 * DAY), "predicted_episodes_per_week": "0"},
        {"alerts": firing(2 * DAY + 1200, now=NOW)},
        "AsPredicted",
        0,
    ),
    "the rule is not loaded": ({}, {"alerts": firing(now=NOW), "loaded": False}, "Unknown", 0),
    "no answer for the alert": ({}, {"alerts": None}, "Unknown", None),
    "what was judged to the end stays": (
        {"since": rfc3339(NOW - 8 * DAY), "state": "AsPredicted", "observed_episodes": 19},
        {"alerts": firing(now=NOW)},
        "AsPredicted",
        19,
    ),
}


@pytest.mark.parametrize(("outcome", "watched", "state", "observed"), WHAT_IS_KNOWN.values(), ids=WHAT_IS_KNOWN)
def test_what_is_known_of_an_outcome(
    outcome: dict[str, Any], watched: dict[str, Any], state: str, observed: int | None
) -> None:
    spec = story().spec
    frame = a_frame({"": CALM}, step=STEP)
    (evidence,) = learn(spec, frame, groups_of(frame.labels, []))
    watch = Watch(**{"start": NOW - 14 * DAY, "now": NOW, "loaded": True, **watched})
    said = judged(spec, BEFORE.model_copy(update=outcome), evidence, 1.9, watch)
    assert said is not None
    assert (said.outcome.state, said.outcome.observed_episodes) == (state, observed)
    assert (said.back_to is not None) == (state == "TooFew")


def test_an_alert_without_the_label_of_the_thresholds_cannot_be_counted() -> None:
    spec = story(perLabels=["service"]).spec
    frame = a_frame({"service=a": CALM, "service=b": CALM}, step=STEP)
    evidence = learn(spec, frame, groups_of(frame.labels, ["service"]))
    watch = Watch(firing(*WEEKLY, now=NOW), NOW - 14 * DAY, NOW, loaded=True)
    said = judged(spec, BEFORE, evidence[0], 1.9, watch)
    assert said is not None
    assert (said.outcome.state, said.outcome.message) == ("Unknown", "the alert ManyErrors has no label service")


def test_an_alert_counts_for_the_threshold_of_its_label() -> None:
    spec = story(perLabels=["service"]).spec
    frame = a_frame({"service=a": CALM, "service=b": CALM}, step=STEP)
    evidence = learn(spec, frame, groups_of(frame.labels, ["service"]))
    watch = Watch(firing(*WEEKLY, now=NOW, labels="service=b"), NOW - 14 * DAY, NOW, loaded=True)
    counts = [judged(spec, BEFORE, one, 1.9, watch).outcome.observed_episodes for one in evidence]  # type: ignore[union-attr]
    assert counts == [0, 20]


def test_the_firing_alert_is_asked_for_by_its_name_and_labels() -> None:
    spec = story(alert={"name": "ManyErrors", "labels": {"team": "shop"}}).spec
    query = 'max_over_time(ALERTS{alertname="ManyErrors",alertstate="firing",team="shop"}[10m])'
    assert alert_query(spec, STEP) == query


NIGHTS = [5.0 if row % 24 < 4 else 1.0 for row in range(ROWS - 1)] + [1.0]  # a peak each four hours
QUIET = [NAN if value == 5.0 else value for value in NIGHTS]  # as the guard lets the alert see it
GUARDED = {"mode": "Render", "render": {"volumeGuard": {"expr": "requests", "min": "1"}}}
HALF = {"type": "Percentile", "percentile": {"percentile": "50"}}
FREE = {"maxStep": "5", "cooldown": "1m"}


def test_an_alert_that_its_guard_keeps_quiet_is_not_rolled_back_for_being_quiet() -> None:
    told = Story(story(delivery=GUARDED, estimator=HALF, guardrails=FREE))
    told.at(NOW, NIGHTS, compared=a_frame({"": QUIET}, end=NOW, step=STEP))
    calmer, now = [v if v == 5.0 else 0.5 for v in NIGHTS], NOW + 2 * DAY
    for _ in range(2):  # a new threshold, and what came of it
        quiet = a_frame({"": [v if v == 0.5 else NAN for v in calmer]}, end=now, step=STEP)
        plan = told.at(now, calmer, firing(13 * DAY, now=now), compared=quiet)
        now += 2 * DAY
    assert (told.threshold.current, told.threshold.outcome.last_good) == ("0.5", "1")
    assert told.threshold.outcome.predicted_episodes_per_week == "0"
    assert condition(plan)[:2] == ("True", "AsPredicted")


def test_an_alert_that_cannot_be_foretold_is_not_judged_and_says_why() -> None:
    told = Story(story())
    now = told.changed() + 30 * HOUR
    plan = told.at(
        now, LOWERED, firing(*(HOUR * n for n in range(2, 30, 2)), now=now), unforetold="it is unlike others"
    )
    assert condition(plan) == ("Unknown", "NotJudged", "it is unlike others")
    assert (told.threshold.current, told.threshold.outcome.state) == ("1.65748", "Unknown")


def test_a_second_level_joins_what_would_be_many_episodes() -> None:
    dips = [2.0 if row % 6 else 0.9 for row in range(ROWS)]  # below the threshold for a moment in each hour
    frame = a_frame({"": dips}, step=STEP)

    def foretold(**render: Any) -> int:
        spec = story(alert={"for": "0s", "name": "A"}, delivery={"mode": "Render", "render": render}).spec
        (evidence,) = learn(spec, frame, groups_of(frame.labels, []))
        return len(episodes(spec, evidence, 1.0))

    assert (foretold(), foretold(recover={"margin": "0.2"})) == (ROWS // 6, 1)


def test_the_alert_is_simulated_at_the_interval_of_its_rule() -> None:
    peaks = [5.0 if row % 6 in (1, 2) else 1.0 for row in range(ROWS)]  # twenty minutes of each hour
    frame = a_frame({"": peaks}, step=STEP)

    def foretold(interval: str, **alert: Any) -> int:
        delivery = {"mode": "Render", "render": {"interval": interval}}
        spec = story(alert={"for": "0s", "name": "A", **alert}, delivery=delivery).spec
        (evidence,) = learn(spec, frame, groups_of(frame.labels, []))
        return len(episodes(spec, evidence, 2.0))

    assert foretold("10m") == foretold("30s") == ROWS // 6
    assert foretold("1h") == 0  # on the hour, between the peaks
    assert (foretold("10m", **{"for": "15m"}), foretold("5m", **{"for": "15m"})) == (0, ROWS // 6)


def test_a_group_that_the_alert_never_compares_has_no_episodes() -> None:
    spec = story(perLabels=["service"], alert={"for": "0s"}).spec
    frame = a_frame({"service=a": NIGHTS, "service=b": NIGHTS}, step=STEP)
    seen = a_frame({"service=a": NIGHTS}, step=STEP)
    both = learn(spec, frame, groups_of(frame.labels, ["service"]), compared=seen)
    assert [len(episodes(spec, one, 2.0)) for one in both] == [84, 0]
    nothing = learn(spec, frame, groups_of(frame.labels, ["service"]), compared=a_frame({}, step=STEP))
    assert [one.seen for one in nothing] == [None, None]


def test_a_rendered_alert_is_asked_for_by_all_labels_that_are_no_templates() -> None:
    render = {"labels": {"threshold": "learned", "of": "{{ $labels.of }}", "severity": "info"}}
    alert = {"name": "Full", "labels": {"severity": "warning"}}
    spec = a_policy(alert=alert, delivery={"mode": "Render", "render": render}).spec
    query = 'ALERTS{alertname="Full",alertstate="firing",threshold="learned",severity="warning"}'
    assert alert_query(spec, STEP) == f"max_over_time({query}[10m])"
