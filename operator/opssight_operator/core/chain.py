"""The decision on one threshold, one link after the other.

``CHAIN`` at the end of this file reads like its own documentation. Each link takes the change that is
wanted so far and gives it back, perhaps smaller, or holds the threshold with a reason. What is done with
a change (``delivery.mode``) is decided in ``policy_plan``. ``BACK`` is the shorter way of a roll-back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from opssight_detectors.thresholds.hygiene import allowed_step

from ..api.base import duration
from ..api.threshold_reasons import ThresholdReason
from .case import Case, Change, Hold
from .numbers import number_text, readable, readable_towards

_NOISE = 1e-9  # of float arithmetic, relative


Link = Callable[[Case, Change], Change | Hold]


def decide(case: Case) -> Change | Hold:
    """Send what history suggests through every link; the first that holds has the last word."""
    if case.back_to is not None:
        return _sent(case, Change(case.back_to.value, case.back_to.why, rolled_back=True), BACK)
    return _sent(case, Change(readable(case.suggested), f"history suggests {number_text(case.suggested)}"), CHAIN)


def _sent(case: Case, wanted: Change, links: tuple[Link, ...]) -> Change | Hold:
    for link in links:
        verdict = link(case, wanted)
        if isinstance(verdict, Hold):
            return verdict
        wanted = verdict
    return wanted


def data_present(case: Case, wanted: Change) -> Change | Hold:
    """History has samples, and something can be learned from them."""
    if case.samples == 0:
        return Hold(ThresholdReason.NO_DATA, "there is no sample in the history window")
    if not math.isfinite(case.suggested):
        return Hold(ThresholdReason.INSUFFICIENT_HISTORY, f"{case.samples} samples do not give a threshold")
    return wanted


def enough_history(case: Case, wanted: Change) -> Change | Hold:
    """The samples span long enough and leave few holes."""
    guards = case.guards
    if case.span < guards.min_duration:
        return Hold(
            ThresholdReason.INSUFFICIENT_HISTORY,
            f"the samples span {duration(case.span)}; history.minDuration asks for {duration(guards.min_duration)}",
        )
    if case.coverage < guards.min_coverage:
        return Hold(
            ThresholdReason.INSUFFICIENT_HISTORY,
            f"coverage is {case.coverage:.3g}; history.minCoverage asks for {number_text(guards.min_coverage)}",
        )
    return wanted


def inside_limits(case: Case, wanted: Change) -> Change | Hold:
    """Between guardrails.min and guardrails.max; a current threshold outside of them has to move."""
    value = case.guards.inside(wanted.value)
    forced = case.current is not None and case.guards.inside(case.current) != case.current
    if value == wanted.value:
        return replace(wanted, forced=forced)
    limit = "min" if value > wanted.value else "max"
    why = f"{wanted.why}, guardrails.{limit} is {number_text(value)}"
    return replace(wanted, value=value, why=why, at_limit=True, forced=forced)


def step_bounded(case: Case, wanted: Change) -> Change | Hold:
    """At most guardrails.maxStep away from the current threshold; the first threshold has no way to go."""
    if case.current is None:
        return wanted
    start = case.guards.inside(case.current)  # a threshold outside of the limits starts at the limit
    step = allowed_step(case.guards.max_step, case.span, case.guards.window)
    largest = step * _scale(start, wanted.value)
    if abs(wanted.value - start) <= largest:
        return wanted
    stop = start + math.copysign(largest, wanted.value - start)
    value = case.guards.inside(readable_towards(stop, start))
    wider = "" if step == case.guards.max_step else f" ({number_text(step)} with {duration(case.span)} of history)"
    why = f"{wanted.why}, guardrails.maxStep {number_text(case.guards.max_step)}{wider} allows {number_text(value)}"
    return replace(wanted, value=value, why=why, at_limit=False)


def outside_dead_band(case: Case, wanted: Change) -> Change | Hold:
    """A change that is worth making: at least guardrails.deadBand of the current threshold."""
    if case.current is None or wanted.forced:
        return wanted
    way = abs(wanted.value - case.current)
    band = case.guards.dead_band * _scale(case.current, wanted.value)
    if way > 0 and way >= band * (1 - _NOISE):
        return wanted
    if wanted.at_limit:
        return Hold(ThresholdReason.AT_LIMIT, f"{wanted.why}, and the threshold stands there")
    return Hold(
        ThresholdReason.WITHIN_DEAD_BAND,
        f"{wanted.why}, within guardrails.deadBand {number_text(case.guards.dead_band)} "
        f"of the current {number_text(case.current)}",
    )


def leads_elsewhere(case: Case, wanted: Change) -> Change | Hold:
    """The threshold to go back to is another one; guardrails.min or max may have cut it to the current one."""
    if wanted.value != case.current:
        return wanted
    reason = ThresholdReason.AT_LIMIT if wanted.at_limit else ThresholdReason.WITHIN_DEAD_BAND
    return Hold(reason, f"{wanted.why}, and the threshold stands there")


def cooldown_over(case: Case, wanted: Change) -> Change | Hold:
    """The last change is guardrails.cooldown ago."""
    if case.current is None or case.changed_at is None or wanted.forced:
        return wanted
    since = case.now - case.changed_at
    if since >= case.guards.cooldown:
        return wanted
    return Hold(
        ThresholdReason.COOLDOWN,
        f"{wanted.why}; the last change was {duration(max(since, 0.0))} ago, "
        f"guardrails.cooldown asks for {duration(case.guards.cooldown)}",
    )


def roll_back_held(case: Case, wanted: Change) -> Change | Hold:
    """The threshold was not rolled back within outcome.hold: what proved wrong is not tried again at once."""
    if case.rolled_back_at is None or wanted.forced:
        return wanted
    since = case.now - case.rolled_back_at
    if since >= case.guards.hold_after_roll_back:
        return wanted
    return Hold(
        ThresholdReason.ROLLED_BACK,
        f"{wanted.why}; the threshold was rolled back {duration(max(since, 0.0))} ago, "
        f"outcome.hold asks for {duration(case.guards.hold_after_roll_back)}",
    )


def not_firing(case: Case, wanted: Change) -> Change | Hold:
    """Nothing fires now: an incident must not move the line that it is measured by.

    What has fired for longer than guardrails.freezeAtMost is no incident any more but the new level. Without an end
    a threshold below the level of its metric would stay there for good.
    """
    guards = case.guards
    if case.current is None or not (case.beyond or case.alerting) or wanted.forced or not guards.freeze_while_firing:
        return wanted
    if case.firing_for >= guards.longest_freeze:
        lasted = duration(math.floor(case.firing_for / 60) * 60)
        return replace(wanted, why=f"{wanted.why}, and what fires for {lasted} now is the new level")
    if case.beyond:
        fires = f"{case.beyond} series {'is' if case.beyond == 1 else 'are'} beyond the current"
    else:
        fires = "the alert still fires at the current"
    return Hold(
        ThresholdReason.FIRING,
        f"{wanted.why}; {fires} {number_text(case.current)} now, and guardrails.whileFiring is Freeze "
        f"for {duration(guards.longest_freeze)} at most",
    )


CHAIN: tuple[Link, ...] = (
    data_present,
    enough_history,
    inside_limits,
    step_bounded,
    outside_dead_band,
    cooldown_over,
    roll_back_held,
    not_firing,
)
BACK: tuple[Link, ...] = (inside_limits, leads_elsewhere, not_firing)


def _scale(current: float, wanted: float) -> float:
    """What a fraction of the current threshold is a fraction of.

    Zero has no size and a change of sign no ratio; there the larger of both stands in, or a threshold
    could never leave zero.
    """
    return abs(current) if current * wanted > 0 else max(abs(current), abs(wanted))
