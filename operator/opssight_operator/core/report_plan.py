"""A PatternReport's decision: what was read and what is due in, ConfigMaps and status out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opssight_detectors.patterns.evidence import Window
from opssight_detectors.patterns.plain import to_plain
from opssight_detectors.patterns.report import Analysis, LongKnown, analyse
from opssight_detectors.patterns.sections import SECTIONS

from ..api.base import seconds
from ..api.conditions import ConditionType, Reason
from ..api.event_reasons import EventReason
from ..api.pattern_report import PatternReport
from ..api.report_status import PatternReportStatus
from ..settings import Settings
from .conditions import Verdict, shortened, with_verdicts
from .events import ready_events
from .gauges import report_gauges
from .meaning import meaning
from .plan import Event, KeepRule, Plan
from .report_documents import (
    HTML,
    JOURNAL,
    JSON,
    MARKDOWN,
    TEMPLATES,
    Document,
    Documents,
    document_name,
    owned_labels,
    packed,
    part_names,
)
from .report_incidents import ALERTS, AlertsSeen, Gathered, gathered
from .report_journal import DETECTORS, EVENTS, Journal, dumped, kept
from .report_schedule import DueReport, Timetable
from .report_telling import count_words, event_words, inputs_words, told_status
from .timing import rfc3339

LONGEST_WAIT = 3600.0  # seconds after which a schedule is looked at again, whatever the clock did
JOURNAL_BYTES = 700 * 1024
SETTLING = 0.5  # seconds after the full minute, so that a clock that is late does not ask twice


@dataclass(frozen=True, slots=True)
class ReportObservation:
    """What a report rests on. ``stored`` is the journal as it stands in its ConfigMap, None when there is none.

    ``previous`` is the JSON of the report before and ``template_state`` what it learned; ``cut`` says in sentences what
    could not be read in full.
    """

    journal: Journal = field(default_factory=Journal)
    stored: str | None = None
    alerts: AlertsSeen | None = None
    previous: Mapping[str, Any] | None = None
    template_state: Mapping[str, Any] | None = None
    cut: tuple[str, ...] = ()


def inputs_of(report: PatternReport) -> tuple[str, ...]:
    """The names of the inputs that are read."""
    read = report.spec.read
    chosen = ((ALERTS, read.alerts), (DETECTORS, read.detectors), (EVENTS, read.events))
    return tuple(name for name, given in chosen if given is not None)


def writes_down(report: PatternReport) -> bool:
    """Whether there is something to write down between reports."""
    read = report.spec.read
    return report.spec.schedule.type == "Cron" and (read.detectors is not None or read.events is not None)


def evaluate(
    report: PatternReport, observation: ReportObservation, table: Timetable, now: float, settings: Settings
) -> Plan[PatternReportStatus]:
    """Make the report that is due, if one is; the journal is written down either way."""
    journal = _kept_journal(report, observation.journal, now, settings)
    state = _journal_document(report, journal, observation.stored)
    if table.due is None:
        return _plan(report, report.status, Documents(write=state), None, (), table, now, settings)
    due, spec = table.due, report.spec
    seen = gathered(
        observation.alerts,
        observation.journal,
        inputs_of(report),
        history_start=due.history_start,
        start=due.start,
        end=due.end,
    )
    cut = list(observation.cut)
    if observation.alerts is not None and observation.alerts.since is None:
        cut.append("Prometheus has neither ALERTS nor up of this namespace, so that alerts are unknown, not absent")
    seen = _limited(seen, due, settings, cut)
    analysis = _analysed(report, seen, due, table, observation, cut)
    files = _files(report, analysis, table)
    name = document_name(report.metadata.name, due.label)
    documents = packed(report.metadata.name, name, files)
    status = told_status(report, analysis.report, seen, due, name, len(documents), now)
    kept_names = {one for each in status.history for one in part_names(each.name, each.parts)}
    before = [one for each in report.status.history for one in part_names(each.name, each.parts)]
    remove = tuple(dict.fromkeys(one for one in before if one not in kept_names))
    complete = (
        Verdict("False", Reason.INPUT_CUT, "; ".join(cut))
        if cut
        else Verdict("True", Reason.EVERYTHING_READ, inputs_words(seen))
    )
    told = Event("Normal", EventReason.REPORT_MADE, shortened(event_words(status, spec.lookback)), "Report")
    return _plan(report, status, Documents((*documents, *state), remove), complete, (told,), table, now, settings)


def _analysed(
    report: PatternReport,
    seen: Gathered,
    due: DueReport,
    table: Timetable,
    observation: ReportObservation,
    cut: list[str],
) -> Analysis:
    """The report; what somebody made of the one before must not keep this one from being made."""
    spec = report.spec

    def told(previous: Mapping[str, Any] | None, templates: Mapping[str, Any] | None) -> Analysis:
        return analyse(
            seen.incidents,
            Window(due.start, due.end),
            title=f"{report.metadata.namespace}/{report.metadata.name}",
            history_start=seen.recorded_since,
            zone=table.zone,
            sections=tuple(spec.sections) or tuple(SECTIONS),
            level=float(spec.level),
            previous=previous,
            template_state=templates,
            min_support=spec.min_support,
            long_known=seen.long_known,
        )

    if observation.previous is None and observation.template_state is None:
        return told(None, None)
    try:
        return told(observation.previous, observation.template_state)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        cut.append("the report before cannot be read, so that this one is not compared with it")
        return told(None, None)


def _limited(seen: Gathered, due: DueReport, settings: Settings, cut: list[str]) -> Gathered:
    table, most = seen.incidents, settings.report_max_incidents
    if len(table) <= most:
        return seen
    rows = table.start >= table.start[len(table) - most]
    newest = table.take(rows)
    cut.append(f"there were {len(table)} incidents; the newest {len(newest)} are reported on")
    since = min(due.start, float(newest.start[0]))
    old = seen.long_known
    long_known = None if old is None else LongKnown(old.rows[rows], max(old.since, since))
    return replace(seen, incidents=newest, recorded_since=max(seen.recorded_since, since), long_known=long_known)


def _files(report: PatternReport, analysis: Analysis, table: Timetable) -> dict[str, str]:
    from .report.render_html import render_html
    from .report.render_markdown import render_markdown

    outputs = report.spec.outputs
    files: dict[str, str] = {}
    if "Markdown" in outputs:
        files[MARKDOWN] = render_markdown(analysis.report)
    if "Html" in outputs:
        files[HTML] = render_html(analysis.report, table.zone)
    if "Json" in outputs:
        files[JSON] = json.dumps(to_plain(analysis.report), ensure_ascii=False, indent=1) + "\n"
    files[TEMPLATES] = json.dumps(analysis.template_state, ensure_ascii=False, separators=(",", ":")) + "\n"
    return files


def _plan(
    report: PatternReport,
    status: PatternReportStatus,
    documents: Documents,
    complete: Verdict | None,
    events: tuple[Event, ...],
    table: Timetable,
    now: float,
    settings: Settings,
) -> Plan[PatternReportStatus]:
    previous, generation = report.status.conditions, report.metadata.generation
    following = "" if table.next_at is None else f"; the next report is due at {rfc3339(table.next_at)}"
    if status.last_report is None:
        ready = Verdict("True", Reason.SCHEDULED, f"no report has been due yet{following}")
        complete = Verdict("Unknown", Reason.SCHEDULED, "no report has been due yet")
    else:
        last = status.last_report
        ready = Verdict(
            "True", Reason.RECONCILED, f"{count_words(last.incidents)} from {last.from_} to {last.to}{following}"
        )
    verdicts = {ConditionType.READY: ready, ConditionType.COMPLETE: complete}
    conditions = with_verdicts(previous, verdicts, generation=generation, now=now)
    status = status.model_copy(
        update={
            "conditions": conditions,
            "observed_generation": generation,
            "next_run_at": None if table.next_at is None else rfc3339(table.next_at),
        }
    )
    return Plan(
        status=status,
        status_changed=meaning(report.status) != meaning(status),
        rule=KeepRule(),
        events=(*ready_events(previous, conditions), *events),
        gauges=report_gauges(report, status),
        outcome=str(ready.reason),
        retry_after=_wait(report, table, now, settings),
        documents=documents if documents != Documents() else None,
    )


def _wait(report: PatternReport, table: Timetable, now: float, settings: Settings) -> float:
    waits = [LONGEST_WAIT]
    if table.next_at is not None:
        waits.append(table.next_at - now + SETTLING)
    if writes_down(report):
        waits.append(settings.report_collect_seconds)
    return max(1.0, min(waits))


def _kept_journal(report: PatternReport, journal: Journal, now: float, settings: Settings) -> Journal:
    spec = report.spec
    return kept(
        journal,
        oldest=now - seconds(spec.lookback) - seconds(spec.history),
        inputs=inputs_of(report),
        max_entries=settings.report_journal_entries,
        max_bytes=JOURNAL_BYTES,
    )


def _journal_document(report: PatternReport, journal: Journal, stored: str | None) -> tuple[Document, ...]:
    if not writes_down(report):
        return ()
    text = dumped(journal)
    if text == stored:
        return ()
    name = report.metadata.name
    return (Document(document_name(name, "journal"), owned_labels(name), {JOURNAL: text}),)
