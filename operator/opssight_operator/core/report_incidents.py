"""All incidents of a report in one table, each once: an anomaly and the alert on it are one incident."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from opssight_detectors.patterns.columns import Column, LabelColumn
from opssight_detectors.patterns.episodes import resource_type_of, service_of
from opssight_detectors.patterns.evidence import MIN_HISTORY_DAYS
from opssight_detectors.patterns.incidents import Incidents, concatenate, no_incidents
from opssight_detectors.patterns.report import LongKnown
from opssight_detectors.patterns.timestamps import DAY

from .conventions import ANOMALY_ALERT
from .report_journal import DETECTORS, EVENTS, NO_RESOURCE, REPEAT_SECONDS, Entry, Journal, anomaly_name

ALERTS = "Alerts"
SCRAPED = ("job", "instance", "namespace")  # of a score: the operator that exported it, and whose it is
SLACK_SECONDS = 900.0  # by how much an alert on an anomaly may begin after its end: its for, and a step


@dataclass(frozen=True, slots=True)
class AlertsSeen:
    """What Prometheus says; ``since`` when it knows anything of the namespace, None for never."""

    incidents: Incidents
    since: float | None


@dataclass(frozen=True, slots=True)
class InputSeen:
    """One input: how many of its incidents began in the window, and since when it is known."""

    name: str
    incidents: int
    since: float | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The table, since when all of it was recorded, and what came from which input.

    ``long_known`` are the incidents of inputs that have a history where all of them together have none.
    """

    incidents: Incidents
    recorded_since: float
    inputs: tuple[InputSeen, ...]
    long_known: LongKnown | None = None


def gathered(
    alerts: AlertsSeen | None,
    journal: Journal,
    inputs: Sequence[str],
    *,
    history_start: float,
    start: float,
    end: float,
) -> Gathered:
    """The incidents that began from ``history_start`` to ``end``; the report is about those from ``start`` on.

    History begins where the youngest of the inputs that have incidents in the window does: what was not written down
    must not look like calm. Where that leaves less than a week, inputs that are known for longer have their own.
    """
    entries = {name: [entry for entry in journal.entries if entry.input == name] for name in (DETECTORS, EVENTS)}
    anomalies, table = entries[DETECTORS], no_incidents()
    if alerts is not None:
        table, anomalies = _one_of_both(alerts.incidents, anomalies)
    parts = {ALERTS: table, DETECTORS: table_of(anomalies, end), EVENTS: table_of(entries[EVENTS], end)}
    known = {ALERTS: None if alerts is None else alerts.since, **{n: journal.since.get(n) for n in entries}}
    counts = {name: len(part.between(start, end)) for name, part in parts.items()}
    since = {name: known[name] for name in inputs}
    begins = {name: start if at is None else max(history_start, at) for name, at in since.items()}
    recorded = min(start, max([history_start, *(begins[name] for name in inputs if counts[name])]))
    old = [name for name in inputs if counts[name] and begins[name] <= start - MIN_HISTORY_DAYS * DAY]
    tables = [parts[name].between(history_start, end) for name in inputs]
    long_known = None
    if old and recorded > start - MIN_HISTORY_DAYS * DAY:
        marks = np.concatenate([np.full(len(one), name in old) for one, name in zip(tables, inputs, strict=True)])
        order = np.argsort(np.concatenate([one.start for one in tables]), kind="stable")  # that of concatenate
        long_known = LongKnown(marks[order], max(begins[name] for name in old))
    return Gathered(
        incidents=concatenate(tables),
        recorded_since=recorded,
        inputs=tuple(InputSeen(name, counts[name], known[name]) for name in inputs),
        long_known=long_known,
    )


def table_of(entries: Sequence[Entry], end: float) -> Incidents:
    """Entries of a journal as a table; a Warning that may come back, or came but once, has no end."""
    entries = sorted(entries, key=lambda entry: entry.start)
    return Incidents(
        start=np.array([entry.start for entry in entries], dtype=np.float64),
        end=np.array([_end(entry, end) for entry in entries], dtype=np.float64),
        name=Column.of(entry.name for entry in entries),
        resource_type=Column.of(entry.resource_type for entry in entries),
        namespace=Column.of(entry.labels.get("namespace") for entry in entries),
        service=Column.of(entry.service for entry in entries),
        severity=Column.of(entry.severity for entry in entries),
        message=Column.of(entry.message for entry in entries),
        labels=LabelColumn.of([entry.labels for entry in entries]),
    )


def _end(entry: Entry, now: float) -> float:
    if entry.input != EVENTS:
        return math.nan if entry.end is None else entry.end
    over = entry.last > entry.start and now - entry.last > REPEAT_SECONDS
    return entry.last if over else math.nan


def _one_of_both(alerts: Incidents, anomalies: Sequence[Entry]) -> tuple[Incidents, list[Entry]]:
    """Alerts on anomalies under the name of these, with their beginning and explanation; and the anomalies left."""
    rows = range(len(alerts))
    names, messages = [alerts.name[row] for row in rows], [alerts.message[row] for row in rows]
    services, types = [alerts.service[row] for row in rows], [alerts.resource_type[row] for row in rows]
    start, left = alerts.start.copy(), list(anomalies)
    for row, name in enumerate(names):
        labels = alerts.labels[row]
        if name != ANOMALY_ALERT or "detector" not in labels:
            continue
        names[row] = anomaly_name(labels["detector"], labels.get("query", ""))
        own = {name: value for name, value in labels.items() if name not in SCRAPED}
        services[row], types[row] = service_of(own), resource_type_of(own) or NO_RESOURCE
        found = next((one for one in left if _is_of(one, labels, alerts.start[row], alerts.end[row])), None)
        if found is not None:
            left.remove(found)
            start[row] = min(start[row], found.start)
            messages[row] = messages[row] or found.message
    order = np.argsort(start, kind="stable")
    told = replace(
        alerts,
        start=start,
        name=Column.of(names),
        message=Column.of(messages),
        service=Column.of(services),
        resource_type=Column.of(types),
    )
    return told.take(order), left


def _is_of(anomaly: Entry, labels: Mapping[str, str], start: float, end: float) -> bool:
    if any(labels.get(name) != value for name, value in anomaly.labels.items() if name in labels):
        return False
    if (anomaly.labels["detector"], anomaly.labels["query"]) != (labels["detector"], labels.get("query")):
        return False
    until = math.inf if anomaly.end is None else anomaly.end + SLACK_SECONDS
    return anomaly.start <= (math.inf if math.isnan(end) else end) and start <= until
