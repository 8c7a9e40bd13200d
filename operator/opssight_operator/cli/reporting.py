"""``opssight report run``: a report from a table of incidents or from Prometheus, without a cluster."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from pydantic import ValidationError

from opssight_detectors.patterns.evidence import Window
from opssight_detectors.patterns.incidents import Incidents
from opssight_detectors.patterns.plain import to_plain
from opssight_detectors.patterns.report import Report, analyse
from opssight_detectors.patterns.sections import SECTIONS
from opssight_detectors.patterns.tables import incidents_from_columns, incidents_from_records
from opssight_detectors.patterns.timestamps import parse_times
from opssight_operator.api.base import seconds
from opssight_operator.api.metrics_source import MetricsSource
from opssight_operator.api.pattern_report import AlertsInput
from opssight_operator.core.report_incidents import AlertsSeen, gathered
from opssight_operator.core.report_journal import Journal
from opssight_operator.errors import OpsSightError
from opssight_operator.settings import Settings

from .errors import BadInput
from .progress import working
from .tables import bytes_of, named, records_or_columns

MINUTE = 60.0
TOKEN = "token"  # noqa: S105 - the name of a key


@dataclass(frozen=True, slots=True)
class Asked:
    """What the report is to be about; texts as they were given."""

    lookback: str = "24h"
    end: str | None = None
    time_zone: str = "UTC"
    title: str = "Pattern report"
    sections: tuple[str, ...] = ()
    level: float = 0.05
    min_support: int = 1
    previous: Path | None = None


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where alerts are read from."""

    url: str
    history: str = "28d"
    namespace: str | None = None
    matchers: tuple[str, ...] = ()
    step: str = "1m"
    token_file: Path | None = None


def from_table(file: Path, columns: Sequence[str], asked: Asked, *, until_now: bool = False) -> tuple[Report, ZoneInfo]:
    """A report on a file of incidents; it ends behind the newest of them, or now, unless ``asked`` says when."""
    zone, now = _zone(asked.time_zone), time.time()
    names = dict(_column(text) for text in columns)
    with working("reading the table"):
        try:
            incidents = _incidents(file, names, zone, now)
        except ValueError as error:
            raise BadInput(f"{named(file)}: {error}") from None
    newest = math.floor(float(incidents.start[-1]) / MINUTE + 1) * MINUTE
    end = _moment(asked.end, now if until_now else newest, zone)
    return _report(incidents, end, None, asked, zone), zone


def from_prometheus(source: Prometheus, asked: Asked) -> tuple[Report, ZoneInfo]:
    """A report on the alerts that fired in a Prometheus; it ends now unless ``asked`` says when."""
    zone = _zone(asked.time_zone)
    end = _moment(asked.end, math.floor(time.time() / MINUTE) * MINUTE, zone)
    start = end - _seconds("--lookback", asked.lookback)
    history_start = start - _seconds("--history", source.history, smallest=0.0)
    try:
        alerts = AlertsInput(matchers=list(source.matchers), step=source.step)
        with working("reading the alerts"):
            seen = asyncio.run(_fetched(source, alerts, history_start, end))
    except ValidationError as error:
        raise BadInput(_first(error)) from None
    except OpsSightError as error:
        raise BadInput(str(error)) from None
    found = gathered(seen, Journal(), ("Alerts",), history_start=history_start, start=start, end=end)
    return _report(found.incidents, end, found.recorded_since, asked, zone), zone


def text_of(report: Report, zone: ZoneInfo, form: str) -> str:
    """The report as ``md``, ``html`` or ``json``."""
    if form == "json":
        return json.dumps(to_plain(report), ensure_ascii=False, indent=1) + "\n"
    if form == "html":
        from opssight_operator.core.report.render_html import render_html

        return render_html(report, zone)
    from opssight_operator.core.report.render_markdown import render_markdown

    return render_markdown(report)


def _report(incidents: Incidents, end: float, history_start: float | None, asked: Asked, zone: ZoneInfo) -> Report:
    window, previous = Window(end - _seconds("--lookback", asked.lookback), end), _previous(asked.previous)
    try:
        with working("looking for patterns"):
            return analyse(
                incidents,
                window,
                title=asked.title,
                history_start=history_start,
                zone=zone,
                sections=asked.sections or tuple(SECTIONS),
                level=asked.level,
                previous=previous,
                min_support=asked.min_support,
            ).report
    except (KeyError, TypeError, AttributeError):
        if asked.previous is None:
            raise
        raise BadInput(f"{asked.previous} is no JSON of a report") from None
    except ValueError as error:
        raise BadInput(str(error)) from None


def _incidents(file: Path, names: Mapping[str, str], zone: ZoneInfo, now: float) -> Incidents:
    given_zone = zone if zone.key != "UTC" else None
    table = records_or_columns(file)
    if isinstance(table, Mapping):
        return incidents_from_columns(table, now=now, names=names, time_zone=given_zone)
    return incidents_from_records(table, now=now, names=names, time_zone=given_zone)


async def _fetched(source: Prometheus, alerts: AlertsInput, start: float, end: float) -> AlertsSeen:
    from opssight_operator.adapters.compute import ThreadCompute
    from opssight_operator.adapters.prometheus.sources import Sources
    from opssight_operator.reconcile.pattern_report import alerts_seen

    async def secret(_: str) -> Mapping[str, str]:
        if source.token_file is None:
            return {}
        return {TOKEN: base64.b64encode(bytes_of(source.token_file).strip()).decode()}

    reference = {"bearerToken": {"secretRef": {"name": "file", "key": TOKEN}}}
    spec: dict[str, Any] = {
        "url": source.url,
        **({"auth": reference} if source.token_file else {}),
        "limits": {"timeout": "2m", "maxSeries": 50_000, "maxBytes": 1_073_741_824},
    }
    if source.namespace is not None:
        spec["tenancy"] = {"enforcedMatchers": [{"label": "namespace", "value": source.namespace}]}
    sources = Sources(
        threads=2, max_cells=Settings().max_training_points, read_secret=secret, namespace_labels=lambda _: {}
    )
    sources.update(MetricsSource.model_validate({"metadata": {"name": "cli"}, "spec": spec, "status": {}}))
    compute = ThreadCompute(1)
    try:
        return await alerts_seen(alerts, sources.bind("cli", source.namespace or ""), start, end, compute)
    finally:
        compute.close()
        sources.close()


def _previous(file: Path | None) -> Mapping[str, Any] | None:
    if file is None:
        return None
    try:
        found = json.loads(bytes_of(file))
    except ValueError:
        raise BadInput(f"{file} is no JSON of a report") from None
    if not isinstance(found, dict) or not found:
        raise BadInput(f"{file} is no JSON of a report")
    return found


def _column(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    if not equals or not column:
        raise BadInput(f"--column is {text}; it must be FIELD=COLUMN, such as start=opened_at")
    return field, column


def _seconds(option: str, text: str, smallest: float = MINUTE) -> float:
    try:
        length = seconds(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None
    if length < smallest:
        raise BadInput(f"{option} is {text}; it must be at least {smallest:g} seconds")
    return length


def _moment(text: str | None, default: float, zone: ZoneInfo) -> float:
    if text is None:
        return default
    try:
        moment = float(parse_times([text], "--end", zone)[0])
    except ValueError as error:
        raise BadInput(str(error).removeprefix("row 1: ")) from None
    if not np.isfinite(moment):
        raise BadInput(f"--end is {text!r}; it must be a time such as 2026-03-01T06:00:00Z")
    return moment


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"--time-zone is {name}; it must be the name of a zone such as Europe/Berlin") from None


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    option = {"url": "--prometheus", "matchers": "--matcher", "step": "--step"}.get(
        next((str(part) for part in problem["loc"] if part in ("url", "matchers", "step")), ""), "the input"
    )
    return f"{option}: {str(problem['msg']).removeprefix('Value error, ')}"
