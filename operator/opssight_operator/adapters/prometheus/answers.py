"""The answers of Prometheus' HTTP API that are small enough to be read as a whole."""

from __future__ import annotations

from typing import Any

import msgspec


class Failure(msgspec.Struct):
    """What Prometheus says when it does not answer a request."""

    status: str = ""
    error_type: str = msgspec.field(default="", name="errorType")
    error: str = ""


class Histograms(msgspec.Struct):
    """A series of a range query: floats, native histograms, or both."""

    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    histograms: list[msgspec.Raw] = []


class MatrixData(msgspec.Struct):
    """The data of a range query."""

    result_type: str = msgspec.field(name="resultType")
    result: list[Histograms]


class Matrix(msgspec.Struct):
    """The answer to a range query."""

    status: str
    data: MatrixData
    warnings: list[str] | None = None
    infos: list[str] | None = None
    is_partial: bool = msgspec.field(default=False, name="isPartial")  # VictoriaMetrics' word for missing data


class Rule(msgspec.Struct):
    """One rule; the fields of alerting and of recording rules."""

    name: str
    type: str
    health: str = "unknown"
    query: str = ""
    labels: dict[str, str] = {}
    last_error: str = msgspec.field(default="", name="lastError")
    alerts: list[dict[str, Any]] = []
    duration: float | None = None
    keep_firing_for: float | None = msgspec.field(default=None, name="keepFiringFor")


class Group(msgspec.Struct):
    """One rule group of one file."""

    name: str
    rules: list[Rule]


class RulesData(msgspec.Struct):
    """All rule groups that were asked for."""

    groups: list[Group]


class Rules(msgspec.Struct):
    """The answer of ``/api/v1/rules``."""

    status: str
    data: RulesData


class BuildData(msgspec.Struct):
    """What a server says of itself."""

    version: str = ""
    go_version: str = msgspec.field(default="", name="goVersion")
    application: str = ""


class BuildInfo(msgspec.Struct):
    """The answer of ``/api/v1/status/buildinfo``."""

    status: str
    data: BuildData
