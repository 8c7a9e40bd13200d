"""From one change of a threshold to the next: which one is good, and which changes are judged together.

A threshold that changes more often than ``outcome.after`` would never be judged by itself. So all changes since the
last good threshold was left are one trial: what was predicted for each of them adds up, and so does what came.
"""

from __future__ import annotations

from dataclasses import dataclass

from opssight_detectors.thresholds.simulation import WEEK

from ..api.base import duration, seconds
from ..api.outcome import OutcomeState, ThresholdOutcome, Trial
from ..api.threshold_policy import ThresholdPolicySpec
from .evidence import Evidence, episodes
from .hours import HourTable
from .numbers import exact_text, number_text
from .rules import Level
from .timing import seconds_of, whole_second

WRONG: tuple[OutcomeState, ...] = ("TooMany", "TooFew")


def why_not_judged(spec: ThresholdPolicySpec) -> str:
    """Why there is no outcome; empty when there is one."""
    if spec.delivery.mode == "Recommend":
        return "delivery.mode is Recommend: nothing is delivered to be judged"
    if spec.estimator.type == "ExceedanceRate":
        # What a limit of now would have raised over two weeks says nothing of one that moves with each point.
        return "the limit of ExceedanceRate moves with its metric, so that no number of episodes is predicted"
    return ""


def began(outcome: ThresholdOutcome) -> float:
    """When the last good threshold was left: at this change, or at the first of its trial."""
    return seconds_of(outcome.trial.since if outcome.trial else outcome.since)


def expected_per_week(outcome: ThresholdOutcome, now: float) -> float:
    """Episodes a week that were predicted for the trial as it went until ``now``."""
    rate = float(outcome.predicted_episodes_per_week)
    weeks = (now - began(outcome)) / WEEK
    if outcome.trial is None or weeks <= 0:
        return rate
    return _expected(outcome, now) / weeks


def outcome_after_change(
    spec: ThresholdPolicySpec,
    evidence: Evidence | None,
    *,
    old: Level | None,
    new: Level,
    previous: ThresholdOutcome | None,
    rolled_back: bool,
    now: float,
) -> ThresholdOutcome | None:
    """The outcome that a change from ``old`` to ``new`` begins with."""
    if evidence is None or evidence.seen is None or why_not_judged(spec):
        return None
    found = episodes(spec, evidence, new)
    good = None if rolled_back or old is None else _good(_Standing.of(old, now), previous)
    if good is not None and good.equals(_Standing.of(new, now)):
        good = None  # it is back by itself: there is nothing else to go back to
    on_trial = good is not None and previous is not None and _goes_on(spec, previous, now)
    return ThresholdOutcome(
        since=whole_second(now),
        predicted_episodes_per_week=number_text(len(found) / found.weeks),
        predicted_from=duration(found.window[1] - found.window[0]),
        last_good=good.value if good else None,
        last_good_hours=good.hours if good else None,
        rolled_back_at=whole_second(now) if rolled_back else None,
        trial=_continued(previous, now) if on_trial and previous is not None else None,
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    """A threshold as status has it."""

    value: str
    hours: str | None = None

    @classmethod
    def of(cls, level: Level, now: float) -> _Standing:
        if isinstance(level, HourTable):
            return cls(exact_text(level.now(now)), level.text)
        return cls(exact_text(level))

    def equals(self, other: _Standing) -> bool:
        """Of a table only the hours count, its value is that of some hour."""
        return self.hours == other.hours if self.hours or other.hours else self.value == other.value


def _good(old: _Standing, previous: ThresholdOutcome | None) -> _Standing | None:
    """The last good threshold once ``old`` is left: itself if nothing speaks against it, else the one before."""
    if previous is None or previous.state == "AsPredicted":
        return old
    if previous.last_good is not None:
        return _Standing(previous.last_good, previous.last_good_hours)
    return None if previous.state in WRONG else old


def _goes_on(spec: ThresholdPolicySpec, previous: ThresholdOutcome, now: float) -> bool:
    """Whether the trial of ``previous`` has no verdict yet; one without any in its time is given up."""
    longest = min(seconds(spec.outcome.until), seconds(spec.history.window))
    undecided = previous.state not in ("AsPredicted", *WRONG)
    return undecided and previous.last_good is not None and now - began(previous) <= longest


def _continued(previous: ThresholdOutcome, now: float) -> Trial:
    return Trial(
        since=previous.trial.since if previous.trial else previous.since,
        predicted_episodes=number_text(_expected(previous, now)),
        observed_episodes=previous.observed_episodes,
    )


def _expected(outcome: ThresholdOutcome, now: float) -> float:
    before = float(outcome.trial.predicted_episodes) if outcome.trial else 0.0
    weeks = max(now - seconds_of(outcome.since), 0.0) / WEEK
    return before + float(outcome.predicted_episodes_per_week) * weeks
