"""From a table that a person has (see ``readers``) to ``Incidents``, or to a clear complaint.

Only the start is needed. Columns are found by the names people commonly give them, or as told. All complaints are
``ValueError`` with a sentence that names the row, the column, the value and what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo

import numpy as np

from .columns import Column, LabelColumn
from .incidents import Incidents
from .timestamps import parse_times

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "start": ("start", "startsat", "startedat", "starttime", "timestamp", "time", "date", "datetime", "createdat",
              "created", "openedat", "opened", "firsttimestamp", "eventtime"),
    "end": ("end", "endsat", "endedat", "endtime", "resolvedat", "resolved", "closedat", "closed"),
    "name": ("name", "alertname", "alert", "rule", "title", "reason"),
    "resource_type": ("resourcetype", "resource", "kind", "type"),
    "namespace": ("namespace", "ns"),
    "service": ("service", "app", "application", "component", "job", "workload"),
    "severity": ("severity", "level", "priority"),
    "message": ("message", "msg", "description", "summary", "note", "error", "errormessage"),
}  # fmt: skip
CLOCK_SKEW_SECONDS = 300.0
MAX_ROWS = 1_000_000


def incidents_from_columns(
    columns: Mapping[str, Sequence[object]],
    *,
    now: float,
    names: Mapping[str, str] | None = None,
    time_zone: tzinfo | None = None,
    max_rows: int = MAX_ROWS,
) -> Incidents:
    """``Incidents`` from named columns of equal length.

    ``names`` maps a field (``start``, ``severity``, ...) to the column that holds it; other fields are found by their
    usual names, other columns become labels. ``time_zone`` is that of times without an offset (UTC if all lack one).
    ``now`` (seconds) is what no start may lie after, but for five minutes of clock skew.
    """
    rows = max((len(values) for values in columns.values()), default=0)
    if rows == 0:
        raise ValueError("the table of incidents is empty: it needs at least one row")
    if rows > max_rows:
        raise ValueError(f"the table has {rows:,} rows, allowed are {max_rows:,}")
    for column, values in columns.items():
        if len(values) != rows:
            raise ValueError(f"column {column!r} has {len(values)} rows and another has {rows}; they must be equal")
    found = _find_columns(list(columns), names or {})
    start = parse_times(columns[found["start"]], found["start"], time_zone)
    end = parse_times(columns[found["end"]], found["end"], time_zone) if "end" in found else np.full(rows, np.nan)
    _check_times(start, end, now, found)
    order = np.argsort(start, kind="stable")

    def text(field: str) -> Column:
        if field not in found:
            return Column.unknown(rows)
        return Column.of(_text(value) for value in columns[found[field]]).take(order)

    labels = _labels(columns, [column for column in columns if column not in found.values()], rows)
    return Incidents(
        start=start[order],
        end=end[order],
        name=text("name"),
        resource_type=text("resource_type"),
        namespace=text("namespace"),
        service=text("service"),
        severity=text("severity"),
        message=text("message"),
        labels=labels.take(order),
    )


def incidents_from_records(
    records: Iterable[Mapping[str, object]],
    *,
    now: float,
    names: Mapping[str, str] | None = None,
    time_zone: tzinfo | None = None,
    max_rows: int = MAX_ROWS,
) -> Incidents:
    """``Incidents`` from one mapping a row, a missing key being unknown; else as ``incidents_from_columns``."""
    columns: dict[str, list[object]] = {}
    for rows, record in enumerate(records):
        if rows >= max_rows:
            raise ValueError(f"the table has more than {max_rows:,} rows, which is the most allowed")
        if not isinstance(record, Mapping):
            raise ValueError(f"row {rows + 1} is {_brief(record)}, not an object with named values")
        for key in record:
            if key not in columns:
                columns[key] = [None] * rows
        for key, values in columns.items():
            values.append(record.get(key))
    return incidents_from_columns(columns, now=now, names=names, time_zone=time_zone, max_rows=max_rows)


def _normal(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _find_columns(columns: list[str], names: Mapping[str, str]) -> dict[str, str]:
    listing = ", ".join(columns[:20])
    found = {}
    for field, column in names.items():
        if field not in COLUMN_NAMES:
            raise ValueError(f"{field!r} is no field of an incident, allowed are {', '.join(COLUMN_NAMES)}")
        if column not in columns:
            raise ValueError(f"column {column!r} for {field} does not exist, the table has {listing}")
        found[field] = column
    taken = set(found.values())
    by_name = {_normal(column): column for column in reversed(columns) if column not in taken}
    for field, usual in COLUMN_NAMES.items():
        match = next((by_name[name] for name in usual if name in by_name), None)
        if field not in found and match is not None and match not in taken:
            found[field] = match
            taken.add(match)
    if "start" not in found:
        raise ValueError(f"no column holds the start of the incidents, the table has {listing}; say which one it is")
    return found


def _check_times(start: np.ndarray, end: np.ndarray, now: float, found: Mapping[str, str]) -> None:
    missing = np.flatnonzero(np.isnan(start))
    if missing.size:
        raise ValueError(f"row {missing[0] + 1}: {found['start']} is missing; every incident needs a start")
    future = np.flatnonzero(start > now + CLOCK_SKEW_SECONDS)
    if future.size:
        ahead = start[future[0]] - now
        raise ValueError(
            f"row {future[0] + 1}: {found['start']} lies {ahead:,.0f} seconds in the future "
            f"({future.size:,} such rows); check the time zone"
        )
    reversed_rows = np.flatnonzero(end < start)
    if reversed_rows.size:
        raise ValueError(f"row {reversed_rows[0] + 1}: {found['end']} lies before {found['start']}")


def _text(value: object) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.strip() if isinstance(value, str) else str(value)


def _labels(columns: Mapping[str, Sequence[object]], others: list[str], rows: int) -> LabelColumn:
    """Labels from the ``labels`` column, if it holds mappings, and from every column that is no field."""
    if not others:
        return LabelColumn.of([{}] * rows)
    sets = []
    for row in range(rows):
        labels: dict[str, str] = {}
        for column in others:
            value = columns[column][row]
            if isinstance(value, Mapping):
                labels.update({str(key): str(inner) for key, inner in value.items()})
            elif (text := _text(value)) is not None and text:
                labels[column] = text
        sets.append(labels)
    return LabelColumn.of(sets)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
