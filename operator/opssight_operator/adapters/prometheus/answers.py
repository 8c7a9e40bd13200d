"""The answers of Prometheus' HTTP API that are small enough to be read as a whole."""

from __future__ import annotations

import msgspec


class Failure(msgspec.Struct):
    """What Prometheus says when it does not answer a request."""

    status: str = ""
    error_type: str = msgspec.field(default="", name="errorType")
    error: str = ""


EMPTY, NULL = msgspec.Raw(b"[]"), msgspec.Raw(b"null")


class Series(msgspec.Struct):
    """A series of a range query: floats, native histograms, or both.

    Lists stay as text, here and below, until it is known that they are worth reading: two bytes of text may become a
    list of fifty.
    """

    metric: dict[str, str]
    values: msgspec.Raw = EMPTY
    histograms: msgspec.Raw = EMPTY


class MatrixData(msgspec.Struct):
    """The data of a range query."""

    result_type: str = msgspec.field(name="resultType")
    result: list[msgspec.Raw]  # each is a ``Series``


class Matrix(msgspec.Struct):
    """The answer to a range query."""

    status: str
    data: MatrixData
    warnings: msgspec.Raw = NULL
    infos: msgspec.Raw = NULL
    is_partial: bool = msgspec.field(default=False, name="isPartial")  # VictoriaMetrics' word for missing data


class Alert(msgspec.Struct, gc=False):
    """An alert of a rule that is pending or firing."""

    state: str = ""


class Rule(msgspec.Struct):
    """One rule; the fields of alerting and of recording rules."""

    name: str
    type: str
    health: str = "unknown"
    query: str = ""
    labels: dict[str, str] = {}
    last_error: str = msgspec.field(default="", name="lastError")
    alerts: list[Alert] = []
    duration: float | None = None
    keep_firing_for: float | None = msgspec.field(default=None, name="keepFiringFor")


class Group(msgspec.Struct, gc=False):
    """One rule group of one file."""

    name: str
    rules: msgspec.Raw  # a list of ``Rule``


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


# Once and here: msgspec ends the process where two threads are the first that decode a struct.
read_failure = msgspec.json.Decoder(Failure).decode
read_rule_groups = msgspec.json.Decoder(Rules).decode
read_rules = msgspec.json.Decoder(list[Rule]).decode
read_build = msgspec.json.Decoder(BuildInfo).decode
