"""What each operation gives; these models describe the answers and are not used to make them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .fields import Answer


class AnomalousPoint(Answer):
    """One point with a score above 1. Numbers are null where a method has none."""

    index: int = Field(description="The place in the list, from 0.")
    value: float | None
    score: float | None = Field(description="1 is the boundary of what is normal.")
    severity: Literal["Low", "Medium", "High", "Critical"]
    expected: float | None
    lower: float | None
    upper: float | None
    explanation: str


class Detection(Answer):
    """What was found in one list."""

    method: str
    samples: int = Field(description="Values that are no missing samples.")
    state: Literal["Scored", "WarmingUp", "NoData"] = Field(
        description="WarmingUp: at least one point could not be judged for want of samples before it."
    )
    anomalies: list[AnomalousPoint]


class NamedDetections(Answer):
    """What was found in each list by name."""

    series: dict[str, Detection]


class AllDetections(Detection):
    """What was found in ``values``, and in each list by name."""

    series: dict[str, Detection]


class Threshold(Answer):
    """A threshold with its 95 % interval; null is unknown."""

    threshold: float | None
    lower: float | None
    upper: float | None
    samples: int
    notes: list[str] = Field(description="What could not be known, in sentences.")


class Thresholds(Answer):
    """A threshold for each metric by name."""

    thresholds: dict[str, Threshold]


class WouldBeAlert(Answer):
    """One alert, from ``start`` until before ``end``: seconds since the epoch, or since the first sample."""

    series: str
    start: float
    end: float
    open: bool = Field(description="Still firing at the end of the history.")
    explanation: str


class LabelAgreement(Answer):
    """Alerts against labelled incidents of the judged part; a share of nothing is null."""

    incidents: int
    detected: int = Field(description="Incidents that an alert overlaps.")
    true_alerts: int = Field(description="Alerts that overlap an incident.")
    precision: float | None
    recall: float | None
    median_delay_seconds: float | None = Field(description="From the start of an incident to its first alert.")


class Backtest(Answer):
    """The alerts that would have been raised after the first training window."""

    judged_from: float
    judged_to: float
    episodes: int
    episodes_per_week: float = Field(description="Of all series together.")
    share_of_time: float = Field(description="From 0 to 1, over all series.")
    share_judged: float | None = Field(
        description="Share of the samples that had a score or a threshold, from 0 to 1; the others raise no alert. "
        "Null without a sample."
    )
    alerts: list[WouldBeAlert]
    labels: LabelAgreement | None = Field(description="Null without incidents in the request.")


class ParameterDescription(Answer):
    """One parameter of a method or an estimator."""

    name: str
    default: str | float | bool | list[str] | None
    description: str
    allowed: str


class MethodDescription(Answer):
    """A method or an estimator."""

    name: str
    summary: str
    parameters: list[ParameterDescription]


class Methods(Answer):
    """Everything that can be chosen."""

    methods: list[MethodDescription]
    estimators: list[MethodDescription]
    sections: list[str] = Field(description="Of a pattern report.")
    limits: dict[str, float] = Field(description="Of this server, for one request.")


class FieldProblem(Answer):
    """One field that is wrong."""

    field: str
    value: str = Field(description="As it was given, shortened.")
    allowed: str


class ProblemDetails(Answer):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str = Field(description="One sentence for people.")
    errors: list[FieldProblem] = Field(default_factory=list, description="At most ten.")
    request_id: str = ""
