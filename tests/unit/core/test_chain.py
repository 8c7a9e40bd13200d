"""Each link of the chain in one table, and what must hold for every change."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.thresholds import Bound, ExceedanceRate
from opssight_operator.api.threshold_policy import ThresholdPolicySpec
from opssight_operator.api.threshold_reasons import ThresholdReason
from opssight_operator.core.case import Case, Change, Guards, Hold, RollBack
from opssight_operator.core.chain import decide
from opssight_operator.core.science import guards_for

EXAMPLES = Path(__file__).parents[3] / "examples"

GUARDS = Guards(min=0.001, max=0.2, max_step=0.25, dead_band=0.05, cooldown=3600, min_coverage=0.8, min_duration=86400)
CASE = Case(
    suggested=0.06,
    samples=20160,
    coverage=0.99,
    span=14 * 86400.0,
    current=0.05,
    changed_at=1_699_000_000.0,
    beyond=0,
    now=1_700_000_000.0,
    guards=GUARDS,
)

CHANGES = {
    "a change inside all guardrails is made": ({}, 0.06),
    "the first threshold has no step to bound": ({"current": None, "changed_at": None, "suggested": 0.19}, 0.19),
    "the first threshold stays below the maximum": ({"current": None, "suggested": 9.0}, 0.2),
    "the first threshold stays above the minimum": ({"current": None, "suggested": 0.0}, 0.001),
    "the first threshold may be learned while values are high": ({"current": None, "beyond": 3}, 0.06),
    "a large rise is cut to the largest step": ({"suggested": 0.2}, 0.0625),
    "half a window of history allows a larger step": ({"suggested": 0.2, "span": 7 * 86400.0}, 0.0676776),
    "a day of history allows twice the step": ({"suggested": 0.2, "span": 86400.0}, 0.075),
    "a large fall is cut to the largest step": ({"suggested": 0.001}, 0.0375),
    "a suggestion beyond the maximum climbs to it": ({"current": 0.18, "suggested": 5.0}, 0.2),
    "a change of just the dead band is made": ({"suggested": 0.0525}, 0.0525),
    "a change right after the cooldown is made": ({"changed_at": 1_700_000_000.0 - 3600}, 0.06),
    "firing does not hold when it is allowed": (
        {"beyond": 1, "guards": replace(GUARDS, freeze_while_firing=False)},
        0.06,
    ),
    "what fires for longer than the freeze is the new level": ({"beyond": 1, "firing_for": 86400.0}, 0.06),
    "an alert that fires for longer than the freeze holds no more": ({"alerting": True, "firing_for": 90000.0}, 0.06),
    "what fires through the whole of a short history is the new level": (
        {"beyond": 1, "firing_for": 3600.0, "guards": replace(GUARDS, window=3600.0), "span": 86400.0},
        0.06,
    ),
    "a threshold above a new maximum moves at once": (
        {"current": 0.5, "suggested": 0.4, "changed_at": 1_700_000_000.0, "beyond": 2},
        0.2,
    ),
    "a threshold above a new maximum goes on to what history suggests": ({"current": 0.5, "suggested": 0.17}, 0.17),
    "zero can be left": ({"current": 0.0, "suggested": 0.1, "guards": replace(GUARDS, min=None)}, 0.025),
    "zero can be crossed": ({"current": 0.1, "suggested": -1.0, "guards": Guards(cooldown=0)}, -0.15),
    "a suggestion has six digits": ({"suggested": 0.0612345678}, 0.0612346),
}

HOLDS = {
    "no sample": ({"samples": 0, "suggested": math.nan}, "NoData", "no sample"),
    "samples that give no threshold": ({"suggested": math.nan}, "InsufficientHistory", "do not give a threshold"),
    "infinity is no threshold": ({"suggested": math.inf}, "InsufficientHistory", "do not give a threshold"),
    "a short span": ({"span": 7200.0}, "InsufficientHistory", "span 2h; history.minDuration asks for 1d"),
    "holes": ({"coverage": 0.5}, "InsufficientHistory", "coverage is 0.5; history.minCoverage asks for 0.8"),
    "a short span before the first threshold": ({"current": None, "span": 0.0}, "InsufficientHistory", "span 0s"),
    "a change below the dead band": ({"suggested": 0.0524}, "WithinDeadBand", "guardrails.deadBand 0.05"),
    "no change at all": ({"suggested": 0.05}, "WithinDeadBand", "current 0.05"),
    "no change at all without a dead band": (
        {"suggested": 0.05, "guards": replace(GUARDS, dead_band=0.0)},
        "WithinDeadBand",
        "current 0.05",
    ),
    "standing at the maximum": ({"current": 0.2, "suggested": 7.0}, "AtLimit", "guardrails.max is 0.2"),
    "standing at the minimum": ({"current": 0.001, "suggested": 0.0}, "AtLimit", "guardrails.min is 0.001"),
    "a change soon after the last": (
        {"changed_at": 1_699_999_400.0},
        "Cooldown",
        "10m ago, guardrails.cooldown asks for 1h",
    ),
    "a clock that went back": ({"changed_at": 1_700_000_900.0}, "Cooldown", "0s ago"),
    "one series beyond the threshold": ({"beyond": 1}, "Firing", "1 series is beyond the current 0.05"),
    "an alert that fires on while its expression has come back": (
        {"alerting": True},
        "Firing",
        "the alert still fires at the current 0.05 now, and guardrails.whileFiring is Freeze for 1d at most",
    ),
    "firing for less than the freeze": ({"beyond": 1, "firing_for": 86399.0}, "Firing", "Freeze for 1d at most"),
    "data come before guardrails": ({"samples": 0, "beyond": 1}, "NoData", "no sample"),
    "the dead band comes before the cooldown": (
        {"suggested": 0.051, "changed_at": 1_699_999_999.0},
        "WithinDeadBand",
        "",
    ),
    "the cooldown comes before firing": ({"changed_at": 1_699_999_999.0, "beyond": 1}, "Cooldown", ""),
}


@pytest.mark.parametrize(("changes", "value"), CHANGES.values(), ids=CHANGES.keys())
def test_the_threshold_changes(changes: dict[str, object], value: float) -> None:
    verdict = decide(replace(CASE, **changes))  # type: ignore[arg-type]
    assert isinstance(verdict, Change), verdict
    assert verdict.value == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(("changes", "reason", "message"), HOLDS.values(), ids=HOLDS.keys())
def test_the_threshold_is_held(changes: dict[str, object], reason: str, message: str) -> None:
    verdict = decide(replace(CASE, **changes))  # type: ignore[arg-type]
    assert isinstance(verdict, Hold), verdict
    assert verdict.reason == reason
    assert message in verdict.message


def test_a_change_of_what_fires_says_for_how_long_it_did() -> None:
    verdict = decide(replace(CASE, beyond=2, firing_for=90061.0))
    assert isinstance(verdict, Change)
    assert verdict.why == "history suggests 0.06, and what fires for 1d1h1m now is the new level"


def test_a_change_says_what_it_rests_on() -> None:
    verdict = decide(replace(CASE, suggested=0.9))
    assert isinstance(verdict, Change)
    assert verdict.why == "history suggests 0.9, guardrails.max is 0.2, guardrails.maxStep 0.25 allows 0.0625"


def test_the_guardrails_that_exceedance_rate_needs_deliver_each_limit_as_it_is() -> None:
    manifest = yaml.safe_load((EXAMPLES / "thresholdpolicy-rate.yaml").read_text())
    guards = guards_for(ThresholdPolicySpec.model_validate(manifest["spec"]))
    times, random = 300.0 * np.arange(4000), np.random.default_rng(3)
    latency = 0.6 + 0.3 * np.sin(times / 86400 * 2 * np.pi) + random.gamma(2, 0.05, len(times))
    latency[2000:] *= 2.0
    limits = ExceedanceRate().track(times, latency, Bound.UPPER).limits
    current, firing = None, 0
    for row in range(600, len(times)):
        beyond = int(current is not None and latency[row] > current)
        firing += beyond
        case = replace(CASE, suggested=limits[row + 1], current=current, changed_at=times[row] - 300, beyond=beyond)
        verdict = decide(replace(case, now=times[row], guards=guards))
        current = verdict.value if isinstance(verdict, Change) else current
        assert current == pytest.approx(limits[row + 1], rel=1e-5), (row, verdict)
    assert firing > 2, "also while it fires"


positive = st.floats(min_value=1e-6, max_value=1e6)


@given(suggested=positive, current=positive, low=positive, width=positive, step=st.floats(0.06, 5.0))
@settings(max_examples=300, deadline=None)
def test_a_change_never_leaves_the_limits_nor_makes_a_longer_step(
    suggested: float, current: float, low: float, width: float, step: float
) -> None:
    guards = replace(GUARDS, min=low, max=low + width, max_step=step)
    verdict = decide(replace(CASE, suggested=suggested, current=current, guards=guards))
    if isinstance(verdict, Change):
        assert low <= verdict.value <= low + width
        start = guards.inside(current)
        assert abs(verdict.value - start) <= step * start * (1 + 1e-9)


@given(suggested=positive, current=positive)
@settings(max_examples=200, deadline=None)
def test_step_by_step_every_threshold_arrives_where_history_suggests(suggested: float, current: float) -> None:
    guards = Guards(cooldown=0.0)
    for _ in range(300):
        verdict = decide(replace(CASE, suggested=suggested, current=current, guards=guards))
        if isinstance(verdict, Hold):
            break
        current = verdict.value
    assert isinstance(verdict, Hold)
    assert verdict.reason == "WithinDeadBand"
    assert current == pytest.approx(suggested, rel=0.06)


def test_going_back_to_where_the_threshold_stands_is_no_change() -> None:
    proved = RollBack(0.5, "9 episodes in 1d, predicted were 0 to 2")
    verdict = decide(replace(CASE, current=0.2, back_to=proved))
    assert verdict == Hold(
        ThresholdReason.AT_LIMIT, f"{proved.why}, guardrails.max is 0.2, and the threshold stands there"
    )
