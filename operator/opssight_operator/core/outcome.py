"""What came of a delivered threshold: observed alert episodes against predicted ones, and the way back.

The prediction is the simulation at the time of the change; changes that follow each other soon are judged together
(``core.trial``). What is still within it is a range
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
from ..api.delivery import Render
from ..api.outcome import OutcomeState, ThresholdOutcome
from ..api.threshold_policy import ThresholdPolicySpec
from ..api.threshold_status import ThresholdChange
from .case import RollBack
from .evidence import Evidence, episodes
from .exclusion import firing_selector, runs_of
from .hours import HourTable
from .numbers import number_text
from .observation import Frame, Labels
from .rules import Level
from .timing import seconds_of
from .trial import WRONG, began, expected_per_week, why_not_judged

_GAP_STEPS = 2  # samples that may be missing within one episode, as when Prometheus starts anew


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome as it is now, and the threshold to go back to when it proved wrong.

    ``own`` are the episodes since the last change alone, None when they are not known.
    """

    outcome: ThresholdOutcome
    own: int | None = None
    back_to: RollBack | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is seen of the alert: when it fired, in the window that was read, and what Prometheus says of its rule.

    ``loaded``: its alerts are those of the threshold; None while that is not known yet. ``rule_fires``: Prometheus
    lists the alert as one that fires now. ``unforetold`` says why no
    prediction is about this alert, if that is so.
    """

    alerts: Frame | None
    start: float
    now: float
    loaded: bool | None
    rule_fires: bool = False
    unforetold: str = ""


def alert_query(spec: ThresholdPolicySpec, step: float) -> str | None:
    """PromQL with a sample in each step in which the alert fired; None when nothing is delivered or named."""
    if spec.alert.name is None or spec.delivery.mode == "Recommend":
        return None
    return f"max_over_time({firing_selector(spec.alert.name, _fixed_labels(spec))}[{duration(step)}])"


def _fixed_labels(spec: ThresholdPolicySpec) -> dict[str, str]:
    """The labels that every alert of the rule has; what is a template differs from alert to alert."""
    rendered = (spec.delivery.render or Render()).labels if spec.delivery.mode == "Render" else {}
    return {name: value for name, value in {**rendered, **spec.alert.labels}.items() if "{{" not in value}


def judged(
    spec: ThresholdPolicySpec, before: ThresholdOutcome | None, evidence: Evidence, current: Level, watch: Watch
) -> Judged | None:
    """The outcome of the threshold ``current`` by now; None when there is none to judge."""
    if before is None or why_not_judged(spec):
        return None
    elapsed = watch.now - began(before)
    if elapsed > seconds(spec.outcome.until) and before.state != "Waiting":
        return Judged(before)
    rate, history = expected_per_week(before, watch.now), seconds(before.predicted_from) / WEEK
    seen_for = watch.now - max(began(before), watch.start)
    fewest, most = predicted_range(rate * history, history, max(seen_for, 0.0) / WEEK)
    observed, own, unknown = _observed(spec, before, evidence, current, watch)
    state, message = _state(spec, before, elapsed, observed, fewest, most, watch, unknown)
    outcome = before.model_copy(
        update={
            "state": state,
            "observed_episodes": observed,
            "fewest": fewest,
            "most": most,
            "message": message,
        }
    )
    if state not in WRONG or spec.outcome.action != "RollBack" or before.last_good is None:
        return Judged(outcome, own)
    why = f"{sentence(outcome, watch.now)}; back to the last good"
    return Judged(outcome, own, RollBack(float(before.last_good), why))


def table_to_go_back_to(spec: ThresholdPolicySpec, outcome: ThresholdOutcome | None) -> HourTable | None:
    """The seasonal thresholds that were good; None when there are none."""
    if outcome is None or outcome.last_good_hours is None or spec.seasonal is None:
        return None
    return HourTable.parse(outcome.last_good_hours, spec.seasonal.time_zone)


def sentence(outcome: ThresholdOutcome, now: float) -> str:
    """Observed against predicted, for a person."""
    observed = "an unknown number of" if outcome.observed_episodes is None else str(outcome.observed_episodes)
    time = duration(math.floor(max(now - began(outcome), 0.0) / 60) * 60)
    return f"{observed} episodes in {time}, predicted were {outcome.fewest} to {outcome.most}"


def with_observed(
    history: Sequence[ThresholdChange], outcomes: Sequence[tuple[Labels, Judged]], now: float
) -> list[ThresholdChange]:
    """``history`` in which the changes that are being judged say what was observed until now."""
    by_change = {(one.outcome.since, tuple(sorted(labels.items()))): one for labels, one in outcomes}
    return [_with(change, by_change.get((change.at, tuple(sorted(change.labels.items())))), now) for change in history]


def _with(change: ThresholdChange, judged: Judged | None, now: float) -> ThresholdChange:
    weeks = 0.0 if judged is None else (now - seconds_of(judged.outcome.since)) / WEEK
    if judged is None or judged.own is None or weeks <= 0:
        return change
    return change.model_copy(update={"observed_episodes_per_week": number_text(judged.own / weeks)})


def _state(
    spec: ThresholdPolicySpec,
    before: ThresholdOutcome,
    elapsed: float,
    observed: int | None,
    fewest: int,
    most: int,
    watch: Watch,
    unknown: str,
) -> tuple[OutcomeState, str]:
    if elapsed < seconds(spec.outcome.after):
        return "Waiting", ""
    if watch.loaded is None:  # a rule takes a while to load, and an answer may be missing once
        return before.state, before.message
    unknown = unknown or _why_unknown(spec, observed, fewest, watch)
    if observed is None or unknown:
        return "Unknown", unknown
    if fewest <= observed <= most:
        return "AsPredicted", ""
    return ("TooMany" if observed > most else "TooFew"), ""


def _why_unknown(spec: ThresholdPolicySpec, observed: int | None, fewest: int, watch: Watch) -> str:
    """What makes a count that is known say nothing; empty when it says something."""
    if not watch.loaded:
        return "the rule is not loaded, so that its alerts say nothing about the threshold"
    if watch.unforetold:
        return watch.unforetold
    if observed is not None and observed < fewest and watch.alerts is not None and watch.alerts.n_series == 0:
        return f"Prometheus has no ALERTS of {spec.alert.name} in the history window; is it the alertname?"
    return ""


def _observed(
    spec: ThresholdPolicySpec, before: ThresholdOutcome, evidence: Evidence, current: Level, watch: Watch
) -> tuple[int | None, int | None, str]:
    """Episodes of the whole trial and since the last change alone, or None and why they are not known."""
    first, last = (max(at, watch.start) for at in (began(before), seconds_of(before.since)))
    if spec.alert.name is None:
        own = int(np.count_nonzero(episodes(spec, evidence, current).start > last))
        earlier = before.trial.observed_episodes if before.trial else None
        return own + (earlier or 0), own, ""
    starts, unknown = _starts(spec, evidence, watch.alerts)
    if starts is None:
        return None, None, unknown
    return sum(start > first for start in starts), sum(start > last for start in starts), ""


def _starts(spec: ThresholdPolicySpec, evidence: Evidence, alerts: Frame | None) -> tuple[list[float] | None, str]:
    """When the alert began to fire for the labels of a threshold, or None and why that is not known."""
    if alerts is None:
        return None, f"Prometheus did not answer for ALERTS of {spec.alert.name}"
    lacking = [name for name in spec.per_labels if alerts.n_series and not any(s.get(name) for s in alerts.labels)]
    if lacking:
        return None, f"the alert {spec.alert.name} has no label {lacking[0]}"
    starts: list[float] = []
    for column, series in enumerate(alerts.labels):
        if all(series.get(name) == value for name, value in evidence.labels.items()):
            runs = runs_of(np.isfinite(alerts.values[:, column]), gap=_GAP_STEPS)
            starts += [float(alerts.times[first]) for first, _ in runs]
    return starts, ""
