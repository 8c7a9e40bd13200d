"""What a ThresholdPolicy learns from, and what part of it must teach nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .base import (
    AlertLabels,
    Decimal,
    Duration,
    KubeModel,
    ObjectName,
    list_atomic,
    list_map,
    list_set,
)
from .durations import seconds_in_cel
from .validation import Bounds, Form, Rule, unless_malformed

INSTANT_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
Instant = Annotated[
    str,
    StringConstraints(min_length=1, max_length=32),
    Form(INSTANT_PATTERN, "a UTC time such as 2026-03-29T12:00:00Z"),
]
AlertName = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class ExcludedAlert(KubeModel):
    """The times in which an alert was firing."""

    name: AlertName
    """name of the alert, its alertname."""
    labels: AlertLabels = Field(default_factory=dict)
    """labels that the alert must have had."""


class ExcludedRange(KubeModel):
    """One stretch of time."""

    start: Instant
    """start of the stretch, in UTC."""
    end: Instant
    """end of the stretch, in UTC."""

    CEL = (
        Rule(
            "self.start < self.end",
            "start must be before end",
            "start is {{self.start}} and end is {{self.end}}; start must be before end",
        ),
    )


class Exclude(KubeModel):
    """What is left out of the training history; where it was, there is no sample."""

    alerts: Annotated[list[ExcludedAlert], Field(max_length=16, json_schema_extra=list_map("name"))] = Field(
        default_factory=list
    )
    """alerts whose firing times are left out. An alert with a label of perLabels counts for that value alone."""
    detectors: Annotated[list[ObjectName], Field(max_length=16, json_schema_extra=list_set())] = Field(
        default_factory=list
    )
    """detectors are the names of AnomalyDetectors of this namespace whose anomalies are left out; their scores must be
    scraped."""
    ranges: Annotated[list[ExcludedRange], Field(max_length=32, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """ranges of time that are left out."""
    before: Duration = "10m"
    """before is how much time is left out before an alert or an anomaly, as that led to it; the default is 10m."""
    after: Duration = "10m"
    """after is how much time is left out after an alert or an anomaly; the default is 10m."""


class History(KubeModel):
    """What the threshold is learned from."""

    window: Duration = "14d"
    """window of history; the default is 14d."""
    step: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "1m"
    """step between two points; the default is 1m."""
    min_coverage: Annotated[Decimal, Bounds(at_least="0", at_most="1")] = "0.8"
    """minCoverage is the share of points that must be there between the first and the last; the default is 0.8."""
    min_duration: Duration = "1d"
    """minDuration is how much time the samples must span; the default is 1d."""
    exclude: Exclude | None = None
    """exclude says what part of the history must teach nothing: past incidents."""

    CEL = (
        Rule(
            unless_malformed(
                f"{seconds_in_cel('self.minDuration')} <= {seconds_in_cel('self.window')}",
                durations=["self.minDuration", "self.window"],
            ),
            "history.minDuration must not be longer than history.window",
            "history.minDuration is {{self.minDuration}} and history.window is {{self.window}}; "
            "minDuration must not be longer than window, or no history could ever be enough",
            field=".minDuration",
        ),
        Rule(
            unless_malformed(
                f"{seconds_in_cel('self.step')} <= {seconds_in_cel('self.window')}",
                durations=["self.step", "self.window"],
            ),
            "history.step must not be longer than history.window",
            "history.step is {{self.step}} and history.window is {{self.window}}; step must not be longer than window",
            field=".step",
        ),
    )
