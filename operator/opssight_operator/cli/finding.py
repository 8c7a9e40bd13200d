"""``opssight patterns``: a report on a table of incidents, word for word as over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opssight_detectors.patterns.evidence import Window
from opssight_detectors.patterns.plain import to_plain
from opssight_detectors.patterns.report import Report, analyse
from opssight_detectors.patterns.sections import SECTIONS
from opssight_detectors.patterns.tables import COLUMN_NAMES, incidents_from_columns, incidents_from_records
from opssight_detectors.patterns.timestamps import HOUR, parse_times

from .errors import BadInput
from .progress import working
from .reading import text_of
from .tables import records_or_columns

MAX_HOURS = 8784


def found(
    file: Path,
    *,
    columns: Sequence[str],
    lookback_hours: float,
    end: str | None,
    time_zone: str | None,
    sections: Sequence[str] | None,
    level: float,
    title: str,
    previous: Path | None,
) -> tuple[Report, tzinfo]:
    """The report and the zone of its times; ``BadInput`` names what is wrong."""
    now = time.time()
    names, zone = _names(columns), _zone(time_zone)
    if not 0 < lookback_hours <= MAX_HOURS:
        raise BadInput(f"--lookback-hours is {lookback_hours:g}; it must be more than 0 and at most {MAX_HOURS}")
    until = now if end is None else _moment(end, zone)
    table = records_or_columns(file)
    naive = zone if time_zone else None
    with working("looking for patterns"):
        try:
            read = (
                incidents_from_columns(table, now=now, names=names, time_zone=naive)
                if isinstance(table, Mapping)
                else incidents_from_records(table, now=now, names=names, time_zone=naive)
            )
            report = analyse(
                read,
                Window(until - lookback_hours * HOUR, until),
                title=title,
                zone=zone,
                sections=list(sections or SECTIONS),
                level=level,
                previous=_previous(previous),
            ).report
        except ValueError as error:
            raise BadInput(f"{'stdin' if str(file) == '-' else file}: {error}") from None
    return report, zone


def plain(report: Report) -> Any:
    """The JSON of the report, which follows the published schema."""
    return to_plain(report)


def markdown(report: Report) -> str:
    """For a terminal, a chat or a pull request."""
    from opssight_operator.core.report.render_markdown import render_markdown

    return render_markdown(report)


def html(report: Report, zone: tzinfo) -> str:
    """One page that needs nothing else."""
    from opssight_operator.core.report.render_html import render_html

    return render_html(report, zone)


def _names(columns: Sequence[str]) -> dict[str, str]:
    names = {}
    for pair in columns:
        field, equals, column = pair.partition("=")
        if not equals or field.replace("-", "_") not in COLUMN_NAMES:
            raise BadInput(f"--column {pair!r}: it must be FIELD=COLUMN with a field of {', '.join(COLUMN_NAMES)}")
        names[field.replace("-", "_")] = column
    return names


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        raise BadInput(
            f"--time-zone is {name!r}; it must be a name of the IANA database, such as Europe/Berlin"
        ) from None


def _moment(text: str, zone: tzinfo) -> float:
    try:
        return float(parse_times([text], "--end", zone)[0])
    except ValueError as error:
        raise BadInput(f"--end: {error}") from None


def _previous(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        report = json.loads(text_of(path))
    except ValueError as error:
        raise BadInput(f"--previous {path} is not JSON: {error}") from None
    wrong = not isinstance(report, dict) or not {"schemaVersion", "sections", "summary"} <= set(report)
    if wrong:
        raise BadInput(f"--previous {path} is no pattern report")
    return dict(report)
