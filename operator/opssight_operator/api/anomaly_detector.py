"""AnomalyDetector: scores the series of PromQL queries and owns the alert on that score."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import (
    AlertLabels,
    Decimal,
    Duration,
    KubeModel,
    LocalRef,
    Name,
    ObjectLabels,
    PromQL,
    Resource,
    list_map,
)
from .detector_status import AnomalyDetectorStatus
from .durations import seconds_in_cel
from .methods import Method
from .together import Together
from .validation import Bounds, Rule, unless_malformed

Direction = Literal["Above", "Below", "Both"]


class MinDeviation(KubeModel):
    """How far a value must be from the expected one to count; both must be exceeded when both are set."""

    absolute: Annotated[Decimal, Bounds(at_least="0")] | None = None
    """absolute deviation in the unit of the metric."""
    relative: Annotated[Decimal, Bounds(at_least="0")] | None = None
    """relative deviation as a fraction of the expected value; 0.2 means 20 %."""

    CEL = (
        Rule(
            "has(self.absolute) || has(self.relative)",
            "minDeviation must set absolute, relative or both; it is empty",
        ),
    )


class ValueRange(KubeModel):
    """What the metric can be; a value outside is anomalous at once."""

    min: Decimal | None = None
    """min is the smallest possible value."""
    max: Decimal | None = None
    """max is the largest possible value."""

    CEL = (
        Rule("has(self.min) || has(self.max)", "range must set min, max or both; it is empty"),
        Rule(
            "!has(self.min) || !has(self.max) || "
            + unless_malformed("double(self.min) < double(self.max)", numbers=["self.min", "self.max"]),
            "range.min must be less than range.max",
            "range.min is {{self.min}} and range.max is {{self.max}}; min must be less than max",
        ),
    )


class Volume(KubeModel):
    """A guard for low traffic: below it nothing is anomalous."""

    expr: PromQL
    """expr is a PromQL query whose series match those of the query by the labels they share."""
    min: Annotated[Decimal, Bounds(above="0")]
    """min is the volume from which on a point is judged."""


class Query(KubeModel):
    """One metric and the policies that belong to it."""

    name: Name
    """name of the query; it is unique within the detector and becomes the label query of the exported scores."""
    expr: PromQL
    """expr is the PromQL query whose series are scored."""
    direction: Direction = "Both"
    """direction in which a deviation counts: Above, Below or Both (the default)."""
    min_deviation: MinDeviation | None = None
    """minDeviation keeps small deviations from being anomalous; when it is absent every deviation counts."""
    range: ValueRange | None = None
    """range of possible values; a value outside is anomalous at once."""
    volume: Volume | None = None
    """volume is the low-traffic guard; when it is absent every point is judged."""


class Alert(KubeModel):
    """The owned alert on the score."""

    for_: Duration = Field(default="5m", alias="for")
    """for is how long the score must stay above 1 before the alert fires; the default is 5m."""
    keep_firing_for: Duration | None = None
    """keepFiringFor is how long the alert keeps firing after the score has come back."""
    labels: AlertLabels = Field(default_factory=lambda: {"severity": "warning"})
    """labels of the alert; the default is severity=warning, and labels that are set replace it."""
    annotations: AlertLabels = Field(default_factory=dict)
    """annotations of the alert; summary and description are made when they are absent."""
    rule_labels: ObjectLabels = Field(default_factory=dict)
    """ruleLabels are the labels of the PrometheusRule object, for a ruleSelector such as
    release=kube-prometheus-stack."""

    CEL = (
        Rule(
            '!has(self.labels) || !("namespace" in self.labels)',
            "alert.labels must not set namespace, which is that of the detector; "
            "another one would speak in the name of others",
            field=".labels",
        ),
    )


class AnomalyDetectorSpec(KubeModel):
    """What to score, how, and whom to tell."""

    source_ref: LocalRef = Field(default_factory=lambda: LocalRef(name="default"))
    """sourceRef names the MetricsSource; the default is the one named default."""
    suspend: bool = False
    """suspend stops all work on this detector; its rule stays as it is."""
    queries: Annotated[list[Query], Field(min_length=1, max_length=10, json_schema_extra=list_map("name"))]
    """queries whose series are scored."""
    step: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "1m"
    """step between two points of a series; the default is 1m."""
    training_window: Duration = "7d"
    """trainingWindow is how much history the model learns from; the judged points are never part of it. The default
    is 7d."""
    interval: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "1m"
    """interval between two evaluations; the default is 1m."""
    min_training_samples: Annotated[int, Field(ge=3, le=100000)] = 30
    """minTrainingSamples is how many samples a series needs before it is judged; the default is 30. A method that
    needs more waits for more: IsolationForest for 64, Autoencoder for 96."""
    accept_after: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "6h"
    """acceptAfter is how long a series must stay anomalous before its new level is accepted as the baseline; the
    default is 6h. It is never longer than trainingWindow."""
    method: Method = Field(default_factory=Method)
    """method that scores the series."""
    together: Together | None = None
    """together judges the queries as one; when it is absent each query is judged by itself."""
    alert: Alert | None = None
    """alert asks for an owned PrometheusRule on the exported score; when it is absent there is none."""

    CEL = (
        Rule(
            "!has(self.together) || size(self.queries) > 1",
            "together needs two queries at least",
            field=".together",
        ),
        Rule(
            "!has(self.together) || !self.queries.exists(q, q.name == self.together.name)",
            "together.name must not be the name of a query",
            "together.name is {{self.together.name}}, which is the name of a query; give the joint score another one",
            field=".together.name",
        ),
        Rule(
            "!has(self.together) || !has(self.together.weights) || "
            "self.together.weights.all(w, self.queries.exists(q, q.name == w.query))",
            "together.weights must name queries of this detector",
            field=".together.weights",
        ),
        Rule(
            unless_malformed(
                f"{seconds_in_cel('self.trainingWindow')} >= {seconds_in_cel('self.step')} * self.minTrainingSamples",
                durations=["self.trainingWindow", "self.step"],
            ),
            "trainingWindow must hold minTrainingSamples points at the distance of step",
            "trainingWindow is {{self.trainingWindow}} and step is {{self.step}}; "
            "trainingWindow must hold as many steps as minTrainingSamples says",
            field=".trainingWindow",
        ),
    )


class AnomalyDetector(Resource[AnomalyDetectorSpec, AnomalyDetectorStatus]):
    """AnomalyDetector scores the series of PromQL queries and owns the alert on that score.

    What it sees is data: its conditions speak of whether it can see.
    """
