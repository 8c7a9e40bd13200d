"""What each operation takes. The schemas of these models are the published ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, FailFast, Field, RootModel, model_validator

from opssight_detectors.patterns.sections import SECTIONS
from opssight_detectors.patterns.tables import COLUMN_NAMES
from opssight_detectors.registry import METHODS
from opssight_detectors.thresholds.registry import ESTIMATORS

from .fields import (
    SCALAR,
    Checked,
    Moment,
    Number,
    Parameter,
    Sensitivity,
    Strict,
    Times,
    Values,
    choice,
    is_scalar,
    optional,
    wrong,
)

Method = Annotated[str, choice(METHODS)]
EstimatorName = Annotated[str, choice(ESTIMATORS)]
Section = Annotated[str, choice(SECTIONS)]
ColumnField = Annotated[str, choice(COLUMN_NAMES)]
_CELL_OR_LABELS: dict[str, Any] = {
    "anyOf": [SCALAR, {"type": "object", "additionalProperties": SCALAR}],
}


class DetectAnomalies(Strict):
    """Lists of values, each its own baseline; ``values``, ``series`` or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["values"]}, {"required": ["series"]}],
            "examples": [{"values": [10, 12, 11, 50, 13, 12]}],
        }
    )

    values: Values = optional("One list of numbers; null is a missing sample.", min_length=1)
    series: dict[str, Values] = optional("Lists of numbers by name.", min_length=1)
    times: Times = optional(
        "When the samples of every list were taken, ascending: seconds since 1970, or ISO 8601. "
        "Without them the index is the time."
    )
    method: Method = Field(default="ZScore", description="See /v1/methods.")
    sensitivity: Sensitivity = optional("How many deviations are normal, or a word; by default that of the method.")
    direction: Literal["Above", "Below", "Both"] = Field(default="Both", description="Which deviations count.")
    parameters: dict[str, Parameter] = Field(
        default_factory=dict, description="Parameters of the method by name, see /v1/methods."
    )

    @model_validator(mode="after")
    def _has_lists(self) -> DetectAnomalies:
        if not self.model_fields_set & {"values", "series"}:
            raise wrong("an object with values, series or both")
        return self


class History(RootModel[Annotated[dict[str, Values], Field(min_length=1)]]):
    """The history of metrics alone: numbers by the name of the metric; everything else by default.

    The metric ``history`` itself, if there is one, is a list.
    """

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [{"cpu_utilization": [70, 75, 72, 80, 85], "error_rate": [2, 3, 2.5, 4, 3]}],
        },
    )


class OptimizeThresholds(Strict):
    """The history of metrics by name, and how to learn a threshold from each."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"history": {"cpu_utilization": [70, 75, 72, 80, 85], "error_rate": [2, 3, 2.5, 4, 3]}},
            ],
        }
    )

    history: dict[str, Values] = Field(description="Numbers by the name of the metric.", min_length=1)
    times: Times = optional(
        "When the samples of every list were taken, ascending and evenly spaced: seconds since 1970, or ISO 8601. "
        "Without them the samples are a second apart."
    )
    estimator: EstimatorName = Field(default="Percentile", description="See /v1/methods.")
    percentile: Number = optional(
        "Of the estimator Percentile: the share of samples on the good side, in percent; 95 by default.", gt=0, lt=100
    )
    margin: Number = optional("Of the estimator Percentile: added away from normal, as a fraction; 0 by default.", ge=0)
    bound: Literal["Upper", "Lower"] = Field(default="Upper", description="Which side is bad.")
    parameters: dict[str, Number] = Field(
        default_factory=dict, description="Parameters of the estimator by name, see /v1/methods."
    )


def _is_cell(value: Any) -> bool:
    return is_scalar(value) or (isinstance(value, dict) and all(map(is_scalar, value.values())))


Row = Annotated[
    Any,
    Checked(
        lambda row: isinstance(row, dict) and all(map(_is_cell, row.values())),
        "an object with texts, numbers, true, false, null, or an object of such labels",
        {"type": "object", "additionalProperties": _CELL_OR_LABELS},
    ),
]


class FindPatterns(Strict):
    """A table of incidents, one object a row. Only a start is needed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "incidents": [
                        {
                            "timestamp": "2026-03-01T06:00:00Z",
                            "resource_type": "Pod",
                            "severity": "critical",
                            "message": "OOMKilled: memory limit 512Mi exceeded",
                        }
                    ],
                    "end": "2026-03-01T12:00:00Z",
                }
            ],
        }
    )

    incidents: Annotated[list[Row], FailFast()] = Field(
        description="Incidents; columns are found by their usual names, the others become labels.", min_length=1
    )
    columns: dict[ColumnField, str] = Field(
        default_factory=dict, description="The column that holds a field, where it has an unusual name."
    )
    lookback_hours: Number = Field(
        default=24.0, gt=0, le=8784, description="How long the window is; older incidents are its history."
    )
    end: Moment = optional("When the window ends; by default now.")
    time_zone: str = optional("IANA zone of the hours in the report, and of times without an offset; UTC by default.")
    sections: list[Section] = optional("Which sections; by default all.", min_length=1)
    level: Number = Field(
        default=0.05, gt=0, lt=1, description="The chance of any false claim in a report on data without patterns."
    )
    title: str = Field(default="Pattern report", max_length=200, description="The title of the report.")
    previous: dict[str, Any] = optional("The report before, as this operation gave it, to compare with.", min_length=1)


class LabelledIncident(Strict):
    """What a person says was an incident."""

    start: Moment
    end: Moment


class BacktestRequest(Strict):
    """A history, and one of ``method`` (ZScore if all are left out), ``estimator`` and ``threshold`` to try on it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "series": {"latency": [10, 12, 11, 12, 10, 11, 12, 50, 11, 12]},
                    "step_seconds": 60,
                    "threshold": 40,
                    "incidents": [{"start": 360, "end": 480}],
                }
            ],
        }
    )

    series: dict[str, Values] = Field(description="Numbers by name, equally many in each.", min_length=1)
    times: Times = optional(
        "When the samples of every list were taken, ascending: seconds since 1970, or ISO 8601. "
        "Without them they are step_seconds apart, from 0."
    )
    step_seconds: Number = Field(default=60.0, gt=0, le=604800, description="Between two samples, without times.")
    method: Method = optional("A method, see /v1/methods.")
    sensitivity: Sensitivity = optional("Of the method; by default that of the method.")
    direction: Literal["Above", "Below", "Both"] = Field(default="Both", description="Of the method.")
    estimator: EstimatorName = optional("An estimator of thresholds, see /v1/methods; each series has its own.")
    threshold: Number = optional("One threshold for all series and the whole history.")
    bound: Literal["Upper", "Lower"] = Field(default="Upper", description="Which side of a threshold is bad.")
    for_seconds: Number = Field(default=0.0, ge=0, le=604800, description="Beyond a threshold before it alerts.")
    keep_firing_for_seconds: Number = Field(default=0.0, ge=0, le=604800, description="Of an alert on a threshold.")
    parameters: dict[str, Parameter] = Field(default_factory=dict, description="Of the method or the estimator.")
    training_seconds: Number = optional(
        "How much is learned from before it judges; by default half of the history.", gt=0
    )
    refit_seconds: Number = optional(
        "For how long what was learned is used; by default a quarter of the training.", gt=0
    )
    incidents: list[LabelledIncident] = optional("To compare the alerts with.", max_length=1000)
