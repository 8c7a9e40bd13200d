"""From incidents to a report: every section asked, the highlights first, and what changed since the report before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from itertools import chain, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Column
from .evidence import Evidence, Window, gather
from .findings import Finding
from .incidents import Incidents
from .plain import to_plain
from .sections import SECTIONS
from .timestamps import DAY

SCHEMA_VERSION = "v1alpha1"
LEVEL = 0.05
MAX_HIGHLIGHTS = 10
_TOP = 8
COMPARING = frozenset({"ResourceTypes", "HourOfDay", "SeverityTrend", "CoOccurrence", "Precursors", "Recurrence"})
"""Sections that say what is usual from incidents alone; the others tell of the window, or know messages by heart."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many incidents one value has."""

    value: str
    incidents: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Plain counts of the window; each list has the most frequent values first, at most eight."""

    incidents: int
    ongoing: int
    incidents_per_day_before: float | None
    history_days: float
    alerts: tuple[Count, ...]
    severities: tuple[Count, ...]
    resource_types: tuple[Count, ...]
    namespaces: tuple[Count, ...]
    services: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class SectionReport:
    """The findings of one section; without any, ``note`` says why."""

    name: str
    title: str
    findings: tuple[Finding, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Change:
    """A finding that is in one of two reports and not in the other, or in both."""

    section: str
    kind: str
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Against the report before: its window and incidents, and which findings are new, gone, and here still."""

    previous_start: str
    previous_end: str
    previous_incidents: int
    new: tuple[Change, ...]
    gone: tuple[Change, ...]
    continuing: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report. Times are ISO 8601 in the report's zone; ``digest`` is the SHA-256 of everything else in it.

    ``level`` bounds the chance that a report on chance data makes any false claim.
    """

    schema_version: str
    title: str
    window_start: str
    window_end: str
    time_zone: str
    level: float
    summary: Summary
    highlights: tuple[str, ...]
    sections: tuple[SectionReport, ...]
    comparison: Comparison | None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class LongKnown:
    """Which incidents come from where all was recorded since ``since``, though the rest was not; ``rows [n]``."""

    rows: NDArray[np.bool_]
    since: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """A report, and the state of the template miner that the next one should be given."""

    report: Report
    template_state: Mapping[str, Any]


def analyse(
    incidents: Incidents,
    window: Window,
    *,
    title: str = "Pattern report",
    history_start: float | None = None,
    zone: tzinfo = UTC,
    sections: Sequence[str] = tuple(SECTIONS),
    level: float = LEVEL,
    previous: Mapping[str, Any] | None = None,
    template_state: Mapping[str, Any] | None = None,
    min_support: int = 1,
    long_known: LongKnown | None = None,
) -> Analysis:
    """Ask ``sections`` about the incidents that started in ``window``; those before it are history, at best four weeks.

    ``level`` is shared evenly by the sections, so that a report on chance data makes a false claim with at most that
    probability. ``previous`` is the JSON of the report before, ``template_state`` its miner state. Findings that rest
    on fewer than ``min_support`` incidents are left out. With ``long_known`` the sections of ``COMPARING`` look at
    those incidents alone, and at their longer history. Raises ``ValueError`` for an unknown or repeated section, a
    level outside (0, 1) and a window that ends before it starts.
    """
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise ValueError(f"section {unknown[0]!r} does not exist, allowed are {', '.join(SECTIONS)}")
    if not sections or len(set(sections)) != len(sections):
        raise ValueError("sections must name at least one section, and none twice")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not {level:g}")
    evidence = gather(
        incidents,
        window,
        history_start=history_start,
        zone=zone,
        alpha=level / len(sections),
        template_state=template_state,
    )
    compared = evidence
    if long_known is not None:
        compared = gather(
            incidents.take(long_known.rows), window, history_start=long_known.since, zone=zone, alpha=evidence.alpha
        )
    told = tuple(_ask(name, compared if name in COMPARING else evidence, min_support) for name in sections)
    report = Report(
        schema_version=SCHEMA_VERSION,
        title=title,
        window_start=_iso(window.start, zone),
        window_end=_iso(window.end, zone),
        time_zone=str(zone),
        level=level,
        summary=_summary(evidence),
        highlights=_highlights(told),
        sections=told,
        comparison=compare(told, previous) if previous else None,
    )
    return Analysis(replace(report, digest=digest_of(report)), evidence.template_state)


def digest_of(report: Report) -> str:
    """SHA-256 of the report's JSON without its digest, as hex."""
    text = json.dumps(to_plain(replace(report, digest="")), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def compare(sections: Sequence[SectionReport], previous: Mapping[str, Any]) -> Comparison:
    """What changed since ``previous``, the JSON of a report; raises ``ValueError`` if it is not one of this version."""
    if previous.get("schemaVersion") != SCHEMA_VERSION:
        raise ValueError(
            f"schemaVersion of the previous report is {previous.get('schemaVersion')!r}, allowed is {SCHEMA_VERSION!r}"
        )
    asked = {section.name for section in sections}
    before = {
        (finding["section"], finding["kind"], finding["subject"]): finding["sentence"]
        for section in previous["sections"]
        for finding in section["findings"]
        if finding["section"] in asked
    }
    asked_before = {section["name"] for section in previous["sections"]}
    now = {
        (finding.section, finding.kind, finding.subject): finding.sentence
        for section in sections
        for finding in section.findings
        if section.name in asked_before
    }

    def changes(keys: Sequence[tuple[str, str, str]], source: Mapping[tuple[str, str, str], str]) -> tuple[Change, ...]:
        return tuple(Change(*key, source[key]) for key in keys)

    return Comparison(
        previous_start=previous["windowStart"],
        previous_end=previous["windowEnd"],
        previous_incidents=previous["summary"]["incidents"],
        new=changes([key for key in now if key not in before], now),
        gone=changes([key for key in before if key not in now], before),
        continuing=changes([key for key in now if key in before], now),
    )


def _ask(name: str, evidence: Evidence, min_support: int) -> SectionReport:
    outcome = SECTIONS[name].find(evidence)
    findings = tuple(finding for finding in outcome.findings if finding.support >= min_support)
    if outcome.findings and not findings:
        return SectionReport(name, SECTIONS[name].title, (), f"no finding rests on {min_support} incidents")
    return SectionReport(name, SECTIONS[name].title, findings, "" if findings else outcome.note)


def _highlights(sections: Sequence[SectionReport]) -> tuple[str, ...]:
    """The best finding of each section first, then the second best of each."""
    by_section = [[f.sentence for f in section.findings if f.highlight] for section in sections]
    ordered = chain.from_iterable(zip_longest(*by_section))
    return tuple([sentence for sentence in ordered if sentence is not None][:MAX_HIGHLIGHTS])


def _summary(evidence: Evidence) -> Summary:
    incidents, history_days = evidence.incidents, evidence.history_days
    return Summary(
        incidents=len(incidents),
        ongoing=int(np.isnan(incidents.end).sum()),
        incidents_per_day_before=len(evidence.history) / history_days if history_days >= 1.0 else None,
        history_days=evidence.window.start / DAY - evidence.history_start / DAY,
        alerts=_counts(incidents.name),
        severities=_counts(incidents.severity),
        resource_types=_counts(incidents.resource_type),
        namespaces=_counts(incidents.namespace),
        services=_counts(incidents.service),
    )


def _counts(column: Column) -> tuple[Count, ...]:
    counts = column.counts()
    order = np.argsort(-counts, kind="stable")[:_TOP]
    return tuple(Count(column.values[i], int(counts[i])) for i in order if counts[i] > 0)


def _iso(time: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(time, zone).isoformat(timespec="seconds")
