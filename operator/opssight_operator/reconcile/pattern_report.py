"""Use case: a look at a PatternReport, which makes a report when one is due."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..api import API_VERSION
from ..api.base import seconds
from ..api.pattern_report import AlertsInput, PatternReport
from ..api.report_status import PatternReportStatus
from ..core.fields import naming
from ..core.held import held_plan, suspended_plan
from ..core.plan import Plan
from ..core.report_alerts import (
    SINCE_EXPRESSION,
    SINCE_STEP,
    AlertLog,
    alerts_expression,
    known_since,
    stretches,
)
from ..core.report_documents import JOURNAL, JSON, TEMPLATES, document_name, part_names, unpacked
from ..core.report_incidents import AlertsSeen
from ..core.report_journal import DetectorSeen, Journal, WarningEvent, loaded, with_anomalies, with_events
from ..core.report_plan import ReportObservation, evaluate, writes_down
from ..core.report_schedule import DueReport, timetable
from ..core.switches import check_may_report
from ..core.timing import on_grid
from ..errors import OpsSightError
from ..settings import Settings
from .owned_rules import owner_of
from .ports import Compute, MetricSource, Owner, Ports


async def reconcile(resource: PatternReport, now: float, ports: Ports, settings: Settings) -> Plan[PatternReportStatus]:
    """Gather, work it out off the loop, decide. Errors on purpose become a held plan; a defect is raised."""
    if resource.spec.suspend:
        return suspended_plan(resource, now)
    try:
        check_may_report(settings)
        table = timetable(resource, now, settings.report_min_interval_seconds)
        observation = await _gather(resource, table.due, now, ports, settings)
        return await ports.compute.run(partial(evaluate, resource, observation, table, now, settings))
    except OpsSightError as error:
        return held_plan(resource, error, now, settings)


async def _gather(
    resource: PatternReport, due: DueReport | None, now: float, ports: Ports, settings: Settings
) -> ReportObservation:
    alerts = resource.spec.read.alerts
    if alerts is not None:
        # An impossible matcher, or a source that does not serve this namespace, is said at once and not in the morning.
        alerts_expression(alerts)
        source = ports.sources.bind(resource.spec.source_ref.name, resource.metadata.namespace)
    owner = owner_of("PatternReport", API_VERSION, resource.metadata)
    observation = ReportObservation()
    if due is not None or writes_down(resource):
        observation = await _written_down(resource, owner, now, ports, settings)
    if due is None:
        return observation
    if alerts is not None:
        seen = await alerts_seen(alerts, source, due.history_start, due.end, ports.compute)
        observation = replace(observation, alerts=seen)
    previous, templates = await _report_before(resource, owner, ports)
    return replace(observation, previous=previous, template_state=templates)


async def _written_down(
    resource: PatternReport, owner: Owner, now: float, ports: Ports, settings: Settings
) -> ReportObservation:
    """The journal as it stands, with what there is now."""
    read, namespace, cut = resource.spec.read, resource.metadata.namespace, []
    stored: str | None = None
    detectors: tuple[DetectorSeen, ...] | None = None
    events: tuple[WarningEvent, ...] | None = None
    if writes_down(resource):
        data = await ports.documents.read(owner, document_name(owner.name, "journal"))
        stored = (data or {}).get(JOURNAL)
    if read.detectors is not None:
        limit = settings.report_max_detectors
        detectors, more = await ports.lookout.detectors(namespace, read.detectors.match_labels, limit)
        if more:
            cut.append(f"there are more AnomalyDetectors than the {limit} that are read")
    if read.events is not None:
        limit = settings.report_max_events
        found, more = await ports.lookout.warnings(namespace, limit)
        if more:
            cut.append(f"there are more Events than the {limit} that are read")
        left_out = set(read.events.exclude_reasons)
        events = tuple(event for event in found if event.reason not in left_out)
    journal, told = await ports.compute.run(partial(_continued, stored, detectors, events, now))
    return ReportObservation(journal=journal, stored=stored, cut=(*told, *cut))


def _continued(
    stored: str | None,
    detectors: tuple[DetectorSeen, ...] | None,
    events: tuple[WarningEvent, ...] | None,
    now: float,
) -> tuple[Journal, tuple[str, ...]]:
    """The journal that was stored with what was seen since, and what is to be said about it."""
    journal = Journal()
    told: tuple[str, ...] = ()
    if stored is not None:
        try:
            journal = loaded(stored)
        except ValueError:
            told = ("what was written down cannot be read and begins anew",)
    if detectors is not None:
        journal = with_anomalies(journal, detectors, now)
    if events is not None:
        journal = with_events(journal, events, now)
    return journal, told


async def alerts_seen(
    alerts: AlertsInput, source: MetricSource, start: float, end: float, compute: Compute
) -> AlertsSeen:
    """What fired from ``start`` to ``end``, read a day at a time."""
    expression, step = alerts_expression(alerts), seconds(alerts.step)
    log = AlertLog(alerts)
    for part in stretches(alerts, start, end):
        with naming("inputs.alerts"):
            frame = await source.range(expression, part.start, part.end, step)
        await compute.run(partial(log.add, frame))
    known = await source.range(SINCE_EXPRESSION, on_grid(start, SINCE_STEP), on_grid(end, SINCE_STEP), SINCE_STEP)
    return AlertsSeen(await compute.run(partial(log.incidents, start, end)), known_since(known))


async def _report_before(
    resource: PatternReport, owner: Owner, ports: Ports
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The JSON of the newest report and what it learned; None for what is gone or was edited."""
    last = resource.status.last_report
    if last is None:
        return None, None
    maps = [await ports.documents.read(owner, name) for name in part_names(last.name, last.parts)]
    files = unpacked(data for data in maps if data is not None)
    return _parsed(files.get(JSON)), _parsed(files.get(TEMPLATES))


def _parsed(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
