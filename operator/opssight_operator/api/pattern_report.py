"""PatternReport: what happened, when, where, and what it has in common, as a document by the clock."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import Decimal, Duration, KubeModel, LocalRef, ObjectLabels, Resource, list_set
from .report_status import PatternReportStatus
from .seasonal import TimeZone
from .validation import Bounds, Form, Rule

SectionName = Literal[
    "Clusters",
    "ErrorPatterns",
    "ResourceTypes",
    "HourOfDay",
    "SeverityTrend",
    "NoisyAlerts",
    "Flapping",
    "CoOccurrence",
    "Precursors",
    "Recurrence",
]
OutputFormat = Literal["Markdown", "Html", "Json"]

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WEEKDAYS = "sun|mon|tue|wed|thu|fri|sat"
_UNITS = (
    "[0-5]?[0-9]",
    "[01]?[0-9]|2[0-3]",
    "0?[1-9]|[12][0-9]|3[01]",
    f"0?[1-9]|1[0-2]|(?i:{_MONTHS})",
    f"[0-7]|(?i:{_WEEKDAYS})",
)


def _cron_field(unit: str) -> str:
    part = rf"([*]|({unit})(-({unit}))?)(/[1-9][0-9]?)?"
    return f"{part}(,{part})*"


CRON_PATTERN = f"^{' '.join(map(_cron_field, _UNITS))}$"
A_CRON = (
    "five fields between single spaces: minute, hour, day of the month, month and day of the week, "
    "such as 0 6 * * * or */30 8-18 * * mon-fri"
)
_SHORT = "0?[2469]|11|(?i:feb|apr|jun|sep|nov)"
NEVER_PATTERN = rf"^[^ ]+ [^ ]+ ((30|31|30,31|30-31) (0?2|(?i:feb))|31 ({_SHORT})(,({_SHORT}))*) [*]$"
MATCHER_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]*(=~|!~|!=|=)\x22([^\x22\\\n]|\\[^\n])*\x22$"
A_MATCHER = 'a label matcher such as severity=~"warning|critical": a label name, one of =, !=, =~ and !~, and a value'


def _every_output() -> list[OutputFormat]:
    return ["Markdown", "Html", "Json"]


Cron = Annotated[str, StringConstraints(min_length=1, max_length=128), Form(CRON_PATTERN, A_CRON)]
LabelMatcher = Annotated[str, StringConstraints(min_length=1, max_length=1024), Form(MATCHER_PATTERN, A_MATCHER)]
EventWord = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Schedule(KubeModel):
    """When a report is made."""

    type: Literal["Cron", "Once"] = "Cron"
    """type is Cron (the default), or Once: one report at once, and one more each time that the spec changes."""
    cron: Cron = "0 6 * * *"
    """cron says at which minutes a report is made, when type is Cron; the default is "0 6 * * *"."""
    time_zone: TimeZone = "UTC"
    """timeZone of cron and of all times in the report, daylight saving included; the default is UTC."""

    CEL = (
        Rule(
            f'!self.cron.matches(r"{NEVER_PATTERN}")',
            "schedule.cron must name a day that exists in one of its months, or no report would ever be made",
            '"{{self.cron}}" never comes, because none of its months has that day',
            field=".cron",
        ),
    )


class AlertsInput(KubeModel):
    """Alerts that fired, from the series ALERTS of the source, as far as it lets this namespace see."""

    matchers: Annotated[list[LabelMatcher], Field(max_length=16, json_schema_extra=list_set())] = Field(
        default_factory=list
    )
    """matchers that the labels of an alert must meet, such as severity=~"warning|critical"; all alerts when empty."""
    step: Annotated[Duration, Bounds(at_least="15s", at_most="10m", of="duration")] = "1m"
    """step at which ALERTS is looked at; a shorter episode may be missed. The default is 1m."""


class DetectorsInput(KubeModel):
    """Anomalies from the status of the AnomalyDetectors of the namespace."""

    match_labels: ObjectLabels = Field(default_factory=dict)
    """matchLabels that an AnomalyDetector must have; all of the namespace when empty."""


class EventsInput(KubeModel):
    """Events of type Warning of the namespace; similar ones of one object are one incident."""

    exclude_reasons: Annotated[list[EventWord], Field(max_length=64, json_schema_extra=list_set())] = Field(
        default_factory=list
    )
    """excludeReasons are reasons of Events that are left out, such as Unhealthy."""


class Inputs(KubeModel):
    """Where incidents come from."""

    alerts: AlertsInput | None = None
    """alerts that fired in Prometheus."""
    detectors: DetectorsInput | None = None
    """detectors whose anomalies are read."""
    events: EventsInput | None = None
    """events of type Warning in Kubernetes."""

    CEL = (
        Rule(
            "has(self.alerts) || has(self.detectors) || has(self.events)",
            "inputs must set alerts, detectors or events; leave inputs out for all three",
        ),
    )


class PatternReportSpec(KubeModel):
    """What to report on, when, and how much of it to keep."""

    source_ref: LocalRef = Field(default_factory=lambda: LocalRef(name="default"))
    """sourceRef names the MetricsSource of inputs.alerts; the default is the one named default."""
    suspend: bool = False
    """suspend stops all work on this resource; reports that were made stay, and what comes due is left out."""
    schedule: Schedule = Field(default_factory=Schedule)
    """schedule of the reports."""
    lookback: Annotated[Duration, Bounds(at_least="5m", at_most="31d", of="duration")] = "24h"
    """lookback is how much time one report is about; it ends when the report is due. The default is 24h."""
    history: Annotated[Duration, Bounds(at_least="0s", at_most="12w", of="duration")] = "28d"
    """history is how much time before lookback says what is usual; the default is 28d."""
    inputs: Inputs | None = None
    """inputs that are set are read; when inputs is absent all three are."""
    sections: Annotated[list[SectionName], Field(max_length=16, json_schema_extra=list_set())] = Field(
        default_factory=list
    )
    """sections of the report; all when empty."""
    outputs: Annotated[list[OutputFormat], Field(min_length=1, max_length=3, json_schema_extra=list_set())] = Field(
        default_factory=_every_output
    )
    """outputs are the forms that are kept; without Json the next report is not compared with this one."""
    min_support: Annotated[int, Field(ge=1, le=1000)] = 1
    """minSupport is how many incidents a finding must rest on to be told; the default is 1."""
    level: Annotated[Decimal, Bounds(above="0", at_most="0.5")] = "0.05"
    """level is the share of reports on chance alone that may make any claim; the default is 0.05."""
    history_limit: Annotated[int, Field(ge=1, le=30)] = 7
    """historyLimit is how many reports are kept; the default is 7."""

    @property
    def read(self) -> Inputs:
        """The inputs that are read."""
        return self.inputs or Inputs(alerts=AlertsInput(), detectors=DetectorsInput(), events=EventsInput())


class PatternReport(Resource[PatternReportSpec, PatternReportStatus]):
    """PatternReport says by the clock what happened, when and where, what is noise, and what belongs together.

    Reports are Markdown, HTML and JSON in ConfigMaps that it owns.
    """
