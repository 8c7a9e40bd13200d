"""What the condition AsPredicted says of all thresholds of a policy."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.base import seconds
from ..api.conditions import Reason
from ..api.threshold_policy import ThresholdPolicySpec
from .conditions import Verdict
from .outcome import sentence
from .series import described
from .thresholds import Decision
from .timing import seconds_of
from .trial import why_not_judged


def outcome_verdict(spec: ThresholdPolicySpec, made: Sequence[Decision], now: float) -> Verdict:
    """The worst that is known comes first: wrong, rolled back, as predicted, not yet judged."""
    if why := why_not_judged(spec):
        return Verdict("Unknown", Reason.NOT_JUDGED, why)
    for state, reason in (("TooMany", Reason.TOO_MANY_EPISODES), ("TooFew", Reason.TOO_FEW_EPISODES)):
        wrong = [d for d in made if d.outcome and d.outcome.state == state]
        if wrong:
            return Verdict("False", reason, _counted(wrong, now))
    back = [d for d in made if d.outcome and d.outcome.rolled_back_at and _held(spec, d.outcome.rolled_back_at, now)]
    if back:
        return Verdict("False", Reason.ROLLED_BACK, f"{_name(back[0])} was rolled back to {back[0].current:g}")
    good = [d for d in made if d.outcome and d.outcome.state == "AsPredicted"]
    if good:
        return Verdict("True", Reason.AS_PREDICTED, _counted(good, now))
    unknown = next((d.outcome.message for d in made if d.outcome and d.outcome.state == "Unknown"), "")
    waiting = f"no change is {spec.outcome.after} old, which is outcome.after"
    return Verdict("Unknown", Reason.NOT_JUDGED, unknown or waiting)


def _counted(decisions: Sequence[Decision], now: float) -> str:
    first = decisions[0]
    said = sentence(first.outcome, now) if first.outcome else ""
    return f"{_name(first)}: {said}" + (f"; and {len(decisions) - 1} more" if len(decisions) > 1 else "")


def _held(spec: ThresholdPolicySpec, rolled_back_at: str, now: float) -> bool:
    return now - seconds_of(rolled_back_at) < seconds(spec.outcome.hold)


def _name(decision: Decision) -> str:
    return described("threshold", decision.labels)
