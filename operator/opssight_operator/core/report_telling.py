"""What a new report says of itself: in the status of its PatternReport, and in a few words."""

from __future__ import annotations

from opssight_detectors.patterns.report import Report

from ..api.pattern_report import PatternReport
from ..api.report_status import (
    MAX_HIGHLIGHT,
    MAX_HIGHLIGHTS,
    KeptReport,
    PatternReportStatus,
    ReadInput,
    SectionFindings,
)
from .conditions import shortened
from .report_incidents import Gathered
from .report_schedule import DueReport
from .timing import rfc3339, whole_second


def told_status(
    report: PatternReport, made: Report, seen: Gathered, due: DueReport, name: str, parts: int, now: float
) -> PatternReportStatus:
    """The status with the newest report on top; ``parts`` is how many ConfigMaps hold it."""
    newest = KeptReport(
        name=name,
        parts=parts,
        at=whole_second(now),
        from_=rfc3339(due.start),
        to=rfc3339(due.end),
        incidents=made.summary.incidents,
        digest=f"sha256:{made.digest}",
        generation=report.metadata.generation,
    )
    older = [one for one in report.status.history if one.name != name]
    highlights = dict.fromkeys(shortened(sentence, MAX_HIGHLIGHT) for sentence in made.highlights)
    return report.status.model_copy(
        update={
            "last_report": newest,
            "highlights": list(highlights)[:MAX_HIGHLIGHTS],
            "sections": [SectionFindings(name=one.name, findings=len(one.findings)) for one in made.sections],
            "inputs": [
                ReadInput.model_validate(
                    {
                        "name": one.name,
                        "incidents": one.incidents,
                        "since": None if one.since is None else whole_second(one.since),
                    }
                )
                for one in seen.inputs
            ],
            "history": [newest, *older][: report.spec.history_limit],
        }
    )


def count_words(incidents: int) -> str:
    """So many incidents."""
    return f"{incidents} incident{'' if incidents == 1 else 's'}"


def inputs_words(seen: Gathered) -> str:
    """What each input had."""
    return ", ".join(f"{count_words(one.incidents)} from {one.name}" for one in seen.inputs)


def event_words(status: PatternReportStatus, lookback: str) -> str:
    """The Event of a new report: how much there was, and the best of it."""
    incidents = status.last_report.incidents if status.last_report else 0
    best = f": {status.highlights[0]}" if status.highlights else ""
    return f"{count_words(incidents)} in {lookback}{best}"
