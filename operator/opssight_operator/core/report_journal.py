"""What is written down between reports, because nobody else keeps it: Kubernetes forgets an Event after an hour, and a
detector's status holds its last twenty anomalies.

A journal is a value; reading the same Events again changes nothing. It is kept as JSON in a ConfigMap.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from opssight_detectors.patterns.episodes import resource_type_of, service_of

from ..api.detector_status import Anomaly
from .observation import Labels
from .timing import seconds_of

EVENTS, DETECTORS = "Events", "Detectors"
REPEAT_SECONDS = 1800.0  # a Warning that comes back within this is the same incident
LISTED = 20  # anomalies that a detector's status holds
MAX_TEXT = 400  # characters of a message
NO_RESOURCE = "Metric"  # what an anomaly struck whose labels name nothing
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes names of
_POD_SUFFIX = re.compile(rf"(-[{_SAFE}0-9a-f]{{8,10}})?-[{_SAFE}]{{5}}$|-[0-9]+$")


@dataclass(frozen=True, slots=True)
class WarningEvent:
    """An Event of type Warning; times in seconds since the epoch."""

    kind: str
    name: str
    reason: str
    note: str
    first: float
    last: float
    count: int
    component: str = ""


@dataclass(frozen=True, slots=True)
class DetectorSeen:
    """What a detector's status says of its anomalies."""

    name: str
    anomalies: tuple[Anomaly, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One incident. ``end`` is None while it is not known; ``key`` and ``start`` tell it from all others."""

    input: str
    key: str
    start: float
    last: float
    end: float | None
    count: int
    name: str
    resource_type: str
    service: str
    severity: str
    message: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Journal:
    """Entries by start, and ``since`` when each input is written down."""

    entries: tuple[Entry, ...] = ()
    since: Mapping[str, float] = field(default_factory=dict)


def anomaly_name(detector: str, query: str) -> str:
    """What the anomalies of a query are called, and the alert on them."""
    return f"Anomaly {detector}/{query}"


def workload_of(kind: str, name: str) -> str:
    """The workload of an object, as its name tells: ``checkout`` of the Pod ``checkout-7d9f8b6c5-x2x4z``."""
    return _POD_SUFFIX.sub("", name) if kind == "Pod" else name


def with_events(journal: Journal, events: Iterable[WarningEvent], now: float) -> Journal:
    """The journal with what ``events`` add to it; similar Warnings of one object within half an hour are one entry."""
    events = sorted(events, key=lambda event: (event.first, event.kind, event.name, event.reason))
    by_key: dict[str, list[Entry]] = {}
    for entry in journal.entries:
        if entry.input == EVENTS:
            by_key.setdefault(entry.key, []).append(entry)
    for event in events:
        entries = by_key.setdefault(f"{event.kind}/{event.name}/{event.reason}", [])
        new = _of_event(event)
        near = [
            i
            for i, entry in enumerate(entries)
            if new.start <= entry.last + REPEAT_SECONDS and entry.start <= new.last + REPEAT_SECONDS
        ]
        for i in reversed(near):
            new = _together(entries.pop(i), new)
        entries.append(new)
    others = [entry for entry in journal.entries if entry.input != EVENTS]
    since = min([now, *(event.last for event in events)])
    return _ordered(
        [*others, *(entry for entries in by_key.values() for entry in entries)], journal.since, EVENTS, since
    )


def with_anomalies(journal: Journal, detectors: Sequence[DetectorSeen], now: float) -> Journal:
    """The journal with the anomalies of ``detectors``; one that was open before gets its end."""
    known = {(entry.key, entry.start): entry for entry in journal.entries if entry.input == DETECTORS}
    since = now
    full = -math.inf
    for detector in detectors:
        starts = [seconds_of(anomaly.start) for anomaly in detector.anomalies]
        since = min([since, *starts])
        if len(starts) >= LISTED:
            full = max(full, min(starts))
        for anomaly in detector.anomalies:
            entry = _of_anomaly(detector.name, anomaly)
            known[entry.key, entry.start] = entry
    others = [entry for entry in journal.entries if entry.input != DETECTORS]
    return _ordered([*others, *known.values()], journal.since, DETECTORS, max(since, full))


def kept(journal: Journal, *, oldest: float, inputs: Iterable[str], max_entries: int, max_bytes: int) -> Journal:
    """The journal without what is older than ``oldest`` or of other inputs, and cut to size from its old end."""
    wanted = set(inputs)
    entries = [entry for entry in journal.entries if entry.input in wanted and entry.last >= oldest]
    since = {name: at for name, at in journal.since.items() if name in wanted}
    size = 0
    room = len(entries)
    for count, entry in enumerate(reversed(entries)):
        size += len(_line(entry)) + 2
        if size > max_bytes or count >= max_entries:
            room = count
            break
    for entry in entries[: len(entries) - room]:
        since[entry.input] = max(since.get(entry.input, -math.inf), entry.start + 1.0)
    return Journal(tuple(entries[len(entries) - room :]), since)


def dumped(journal: Journal) -> str:
    """The journal as JSON, an entry a line."""
    lines = ",\n".join(_line(entry) for entry in journal.entries)
    return f'{{"since": {json.dumps(dict(journal.since), sort_keys=True)}, "entries": [\n{lines}\n]}}\n'


def loaded(text: str) -> Journal:
    """What ``dumped`` was given; ``ValueError`` for anything else, for anybody may edit a ConfigMap."""
    try:
        raw: Any = json.loads(text)
        entries = tuple(_entry(one) for one in raw["entries"])
        since = {str(name): float(at) for name, at in raw["since"].items()}
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no journal: {type(error).__name__}") from None
    if not all(map(math.isfinite, since.values())):
        raise ValueError("it is no journal: a time is not finite")
    return Journal(tuple(sorted(entries, key=_order)), since)


def _line(entry: Entry) -> str:
    plain = asdict(entry)
    plain["labels"] = dict(entry.labels)
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)


def _entry(raw: Mapping[str, Any]) -> Entry:
    end = None if raw["end"] is None else float(raw["end"])
    entry = Entry(
        input=str(raw["input"]),
        key=str(raw["key"]),
        start=float(raw["start"]),
        last=float(raw["last"]),
        end=end,
        count=int(raw["count"]),
        name=str(raw["name"]),
        resource_type=str(raw["resource_type"]),
        service=str(raw["service"]),
        severity=str(raw["severity"]),
        message=str(raw["message"]),
        labels={str(name): str(value) for name, value in raw["labels"].items()},
    )
    if not all(map(math.isfinite, (entry.start, entry.last, end or 0.0))):
        raise ValueError("it is no journal: a time is not finite")
    return entry


def _order(entry: Entry) -> tuple[float, str, str]:
    return entry.start, entry.input, entry.key


def _ordered(entries: list[Entry], known: Mapping[str, float], name: str, since: float) -> Journal:
    return Journal(tuple(sorted(entries, key=_order)), {**known, name: known.get(name, since)})


def _of_event(event: WarningEvent) -> Entry:
    return Entry(
        input=EVENTS,
        key=f"{event.kind}/{event.name}/{event.reason}",
        start=event.first,
        last=max(event.last, event.first),
        end=None,
        count=max(1, event.count),
        name=event.reason,
        resource_type=event.kind,
        service=workload_of(event.kind, event.name),
        severity="warning",
        message=_cut(event.note),
        labels={"object": event.name, **({"component": event.component} if event.component else {})},
    )


def _together(old: Entry, new: Entry) -> Entry:
    earlier = old if old.start <= new.start else new
    return replace(
        earlier,
        last=max(old.last, new.last),
        count=max(old.count, new.count),
    )


def _of_anomaly(detector: str, anomaly: Anomaly) -> Entry:
    start = seconds_of(anomaly.start)
    end = None if anomaly.end is None else max(start, seconds_of(anomaly.end))
    labels = {name: value for name, value in anomaly.labels.items() if name != "__name__"}
    return Entry(
        input=DETECTORS,
        key=json.dumps([detector, anomaly.query, sorted(labels.items())], ensure_ascii=False),
        start=start,
        last=start if end is None else end,
        end=end,
        count=1,
        name=anomaly_name(detector, anomaly.query),
        resource_type=_resource_type(labels),
        service=service_of(labels) or "",
        severity=anomaly.severity.lower(),
        message=_cut(anomaly.explanation),
        labels={**labels, "detector": detector, "query": anomaly.query},
    )


def _resource_type(labels: Labels) -> str:
    return resource_type_of(labels) or NO_RESOURCE


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"
