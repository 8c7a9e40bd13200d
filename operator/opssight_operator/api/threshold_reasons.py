"""Why a threshold is what it is: the values of ``status.thresholds[].reason``, each with its sentence."""

from __future__ import annotations

from enum import StrEnum


class ThresholdReason(StrEnum):
    """Changed, or the guardrail that holds; each value's sentence is in ``THRESHOLD_REASON_MEANING``."""

    CHANGED = "Changed"
    NO_DATA = "NoData"
    INSUFFICIENT_HISTORY = "InsufficientHistory"
    AT_LIMIT = "AtLimit"
    WITHIN_DEAD_BAND = "WithinDeadBand"
    COOLDOWN = "Cooldown"
    FIRING = "Firing"
    ROLLED_BACK = "RolledBack"


THRESHOLD_REASON_MEANING: dict[ThresholdReason, str] = {
    ThresholdReason.CHANGED: "The threshold is what history suggests, as far as guardrails.maxStep allows.",
    ThresholdReason.NO_DATA: "There is no sample in the history window; the last threshold is held.",
    ThresholdReason.INSUFFICIENT_HISTORY: (
        "The samples span less than history.minDuration or leave more holes than history.minCoverage allows; the last "
        "threshold is held."
    ),
    ThresholdReason.AT_LIMIT: "History suggests more than guardrails.max or less than guardrails.min allows.",
    ThresholdReason.WITHIN_DEAD_BAND: "What history suggests is closer to the threshold than guardrails.deadBand.",
    ThresholdReason.COOLDOWN: "The last change is not guardrails.cooldown ago.",
    ThresholdReason.FIRING: (
        "The expression is beyond the threshold right now, or the alert fires, for less than guardrails.freezeAtMost, "
        "and guardrails.whileFiring is Freeze: an incident must not move the line that it is measured by."
    ),
    ThresholdReason.ROLLED_BACK: (
        "The delivered threshold raised another number of alerts than was predicted; it went back to the last good "
        "value, and stays there for outcome.hold."
    ),
}
