"""Reasons of Kubernetes Events that are no condition reasons: facts, each with its sentence."""

from __future__ import annotations

from enum import StrEnum


class EventReason(StrEnum):
    """What happened; each value's sentence is in ``EVENT_REASON_MEANING``."""

    ANOMALY_STARTED = "AnomalyStarted"
    ANOMALY_ENDED = "AnomalyEnded"
    BASELINE_MOVED = "BaselineMoved"
    THRESHOLD_CHANGED = "ThresholdChanged"
    THRESHOLD_ROLLED_BACK = "ThresholdRolledBack"
    REPORT_MADE = "ReportMade"


EVENT_REASON_MEANING: dict[EventReason, str] = {
    EventReason.ANOMALY_STARTED: (
        "A series of an AnomalyDetector became anomalous; the note says what was seen and what was expected."
    ),
    EventReason.ANOMALY_ENDED: "A series is as expected again; the note says how long it was not, and its worst.",
    EventReason.BASELINE_MOVED: (
        "A series has been anomalous for as long as spec.acceptAfter says; its new level is the baseline from now on."
    ),
    EventReason.THRESHOLD_CHANGED: "A ThresholdPolicy has another threshold; the note says from what to what, and why.",
    EventReason.THRESHOLD_ROLLED_BACK: (
        "A ThresholdPolicy went back to its last good threshold, because there were more or fewer alert episodes than "
        "predicted; the note has both."
    ),
    EventReason.REPORT_MADE: "A PatternReport has a new report; the note has its incidents and its first highlight.",
}
