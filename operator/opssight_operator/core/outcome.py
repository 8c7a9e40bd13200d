"""What came of a delivered threshold: observed alert episodes against predicted ones, and the way back.

The prediction is the simulation at the time of the change. What is still within it is a range
(``opssight_detectors.thresholds.prediction``) that takes in what chance brings and how short the history was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from opssight_detectors.thresholds.prediction import predicted_range
from opssight_detectors.thresholds.simulation import WEEK

from ..api.base import duration, seconds
from ..api.outcome import OutcomeState, ThresholdOutcome
from ..api.threshold_policy import ThresholdPolicySpec
from ..api.threshold_status import ThresholdChange
from .chain import RollBack
from .evidence import Evidence, episodes
from .exclusion import firing_selector, runs_of
from .hours import HourTable
from .numbers import exact_text, number_text
from .observation import Frame, Labels
from .rules import Level
from .timing import seconds_of, whole_second

_WRONG: tuple[OutcomeState, ...] = ("TooMany", "TooFew")
_GAP_STEPS = 2  # samples that may be missing within one episode, as when Prometheus starts anew


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome as it is now, and the threshold to go back to when it proved wrong."""

    outcome: ThresholdOutcome
    back_to: RollBack | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is seen of the alert: when it fired, in the window that was read, and what Prometheus says of its rule.

    ``loaded``: its alerts are those of the threshold. ``rule_fires``: it lists the alert as one that fires now.
    """

    alerts: Frame | None
    start: float
    now: float
    loaded: bool
    rule_fires: bool = False


def alert_query(spec: ThresholdPolicySpec, step: float) -> str | None:
    """PromQL with a sample in each step in which the alert fired; None when nothing is delivered or named."""
    if spec.alert.name is None or not is_judged(spec):
        return None
    return f"max_over_time({firing_selector(spec.alert.name, spec.alert.labels)}[{duration(step)}])"


def is_judged(spec: ThresholdPolicySpec) -> bool:
    """Whether thresholds are delivered, so that there is an outcome."""
    return spec.delivery.mode != "Recommend"


def judged(
    spec: ThresholdPolicySpec, before: ThresholdOutcome | None, evidence: Evidence, current: Level, watch: Watch
) -> Judged | None:
    """The outcome of the threshold ``current`` by now; None when there is none to judge."""
    if before is None or not is_judged(spec):
        return None
    since = max(seconds_of(before.since), watch.start)
    elapsed = watch.now - seconds_of(before.since)
    if elapsed > seconds(spec.outcome.until) and before.state != "Waiting":
        return Judged(before)
    rate, history = float(before.predicted_episodes_per_week), seconds(before.predicted_from) / WEEK
    fewest, most = predicted_range(rate * history, history, max(watch.now - since, 0.0) / WEEK)
    observed, unknown = _observed(spec, evidence, current, since, watch.alerts)
    state, message = _state(spec, elapsed, observed, fewest, most, watch, unknown)
    outcome = before.model_copy(
        update={
            "state": state,
            "observed_episodes": observed,
            "fewest": fewest,
            "most": most,
            "message": message,
        }
    )
    if state not in _WRONG or spec.outcome.action != "RollBack" or before.last_good is None:
        return Judged(outcome)
    return Judged(outcome, RollBack(float(before.last_good), f"{sentence(outcome, watch.now)}; back to the last good"))


def table_to_go_back_to(spec: ThresholdPolicySpec, outcome: ThresholdOutcome | None) -> HourTable | None:
    """The seasonal thresholds that were good; None when there are none."""
    if outcome is None or outcome.last_good_hours is None or spec.seasonal is None:
        return None
    return HourTable.parse(outcome.last_good_hours, spec.seasonal.time_zone)


def sentence(outcome: ThresholdOutcome, now: float) -> str:
    """Observed against predicted, for a person."""
    observed = "an unknown number of" if outcome.observed_episodes is None else str(outcome.observed_episodes)
    time = duration(math.floor(max(now - seconds_of(outcome.since), 0.0) / 60) * 60)
    return f"{observed} episodes in {time}, predicted were {outcome.fewest} to {outcome.most}"


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
    """The outcome that a change from ``old`` to ``new`` begins with.

    The last good threshold is ``old`` if nothing speaks against it; while it was still on trial, it is the one before.
    """
    if evidence is None or evidence.seen is None or not is_judged(spec):
        return None
    found = episodes(spec, evidence, new)
    if rolled_back or old is None:
        last_good, hours = None, None
    elif previous is None or previous.state == "AsPredicted" or previous.last_good is None:
        last_good = exact_text(old.now(now) if isinstance(old, HourTable) else old)
        hours = old.text if isinstance(old, HourTable) else None
    else:
        last_good, hours = previous.last_good, previous.last_good_hours
    return ThresholdOutcome(
        since=whole_second(now),
        predicted_episodes_per_week=number_text(len(found) / found.weeks),
        predicted_from=duration(found.window[1] - found.window[0]),
        last_good=last_good,
        last_good_hours=hours,
        rolled_back_at=whole_second(now) if rolled_back else None,
    )


def with_observed(
    history: Sequence[ThresholdChange], outcomes: Sequence[tuple[Labels, ThresholdOutcome]], now: float
) -> list[ThresholdChange]:
    """``history`` in which the changes that are being judged say what was observed until now."""
    by_change = {(outcome.since, tuple(sorted(labels.items()))): outcome for labels, outcome in outcomes}
    return [_with(change, by_change.get((change.at, tuple(sorted(change.labels.items())))), now) for change in history]


def _with(change: ThresholdChange, outcome: ThresholdOutcome | None, now: float) -> ThresholdChange:
    weeks = 0.0 if outcome is None else (now - seconds_of(outcome.since)) / WEEK
    if outcome is None or outcome.observed_episodes is None or weeks <= 0:
        return change
    return change.model_copy(update={"observed_episodes_per_week": number_text(outcome.observed_episodes / weeks)})


def _state(
    spec: ThresholdPolicySpec,
    elapsed: float,
    observed: int | None,
    fewest: int,
    most: int,
    watch: Watch,
    unknown: str,
) -> tuple[OutcomeState, str]:
    if elapsed < seconds(spec.outcome.after):
        return "Waiting", ""
    if not watch.loaded:
        return "Unknown", "the rule is not loaded, so that its alerts say nothing about the threshold"
    if observed is None:
        return "Unknown", unknown
    if fewest <= observed <= most:
        return "AsPredicted", ""
    if observed < fewest and watch.alerts is not None and watch.alerts.n_series == 0:
        return "Unknown", f"Prometheus has no ALERTS of {spec.alert.name} in the history window; is it the alertname?"
    return ("TooMany" if observed > most else "TooFew"), ""


def _observed(
    spec: ThresholdPolicySpec, evidence: Evidence, current: Level, since: float, alerts: Frame | None
) -> tuple[int | None, str]:
    """Episodes that began after ``since``, or None and why they are not known."""
    if spec.alert.name is None:
        return int(np.count_nonzero(episodes(spec, evidence, current).start > since)), ""
    if alerts is None:
        return None, f"Prometheus did not answer for ALERTS of {spec.alert.name}"
    lacking = [name for name in spec.per_labels if alerts.n_series and not any(s.get(name) for s in alerts.labels)]
    if lacking:
        return None, f"the alert {spec.alert.name} has no label {lacking[0]}"
    count = 0
    for column, series in enumerate(alerts.labels):
        if all(series.get(name) == value for name, value in evidence.labels.items()):
            runs = runs_of(np.isfinite(alerts.values[:, column]), gap=_GAP_STEPS)
            count += sum(float(alerts.times[first]) > since for first, _ in runs)
    return count, ""
