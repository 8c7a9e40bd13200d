"""AnomalyDetector: scores the series of PromQL queries and owns the alert on that score."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import (
    AlertLabels,
    Decimal,
    Digest,
    Duration,
    KubeModel,
    LocalRef,
    Name,
    Number,
    ObjectLabels,
    ObservedGeneration,
    PromQL,
    Resource,
    SeriesLabels,
    Time,
    list_atomic,
    list_map,
)
from .conditions import Condition
from .durations import seconds_in_cel
from .methods import Method, MethodType
from .together import Contribution, Together
from .validation import Bounds, Rule, unless_malformed

Direction = Literal["Above", "Below", "Both"]
SeriesState = Literal["Normal", "Anomalous", "WarmingUp", "NoData"]
Severity = Literal["None", "Low", "Medium", "High", "Critical"]


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


class SeriesStatus(KubeModel):
    """One series as it was when the status was last written."""

    query: Annotated[str, StringConstraints(max_length=63)]
    """query that the series belongs to, or the name of what is judged together."""
    labels: SeriesLabels
    """labels of the series."""
    state: SeriesState
    """state is Normal, Anomalous, WarmingUp or NoData."""
    value: Number | None = None
    """value that was observed."""
    expected: Number | None = None
    """expected value."""
    lower: Number | None = None
    """lower bound of what is normal."""
    upper: Number | None = None
    """upper bound of what is normal."""
    score: Number | None = None
    """score: 0 is as expected, 1 is at the boundary, above 1 is anomalous."""
    severity: Severity | None = None
    """severity that follows from the score."""
    since: Time | None = None
    """since when the series has been in this state."""
    contributions: Annotated[list[Contribution], Field(max_length=10, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """contributions of the queries to a joint score, the largest first; absent for a query by itself."""


class Anomaly(KubeModel):
    """One episode: consecutive anomalous points of one series."""

    query: Annotated[str, StringConstraints(max_length=63)]
    """query that the series belongs to, or the name of what is judged together."""
    labels: SeriesLabels
    """labels of the series."""
    start: Time
    """start is the time of the first anomalous point."""
    end: Time | None = None
    """end is the time of the last anomalous point; absent while the episode is open."""
    peak: Number
    """peak is the value at the highest score; of queries that are judged together, that score."""
    peak_score: Number
    """peakScore is the highest score of the episode."""
    expected: Number | None = None
    """expected value at the peak."""
    deviation: Number | None = None
    """deviation of the peak from the expected value, in the unit of the metric."""
    severity: Severity
    """severity that follows from the peak score."""
    moved_at: Time | None = None
    """movedAt is when the level of this episode was accepted as the new baseline; absent when it was not."""
    contributions: Annotated[list[Contribution], Field(max_length=10, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """contributions of the queries at the peak of a joint score, the largest first; absent for a query by itself."""
    explanation: Annotated[str, StringConstraints(max_length=1024)]
    """explanation in one sentence: what was seen, what was expected, how far, since when."""


class Summary(KubeModel):
    """Counts of series by state."""

    series: Annotated[int, Field(ge=0)] = 0
    """series in all."""
    anomalous: Annotated[int, Field(ge=0)] = 0
    """anomalous is how many series are in an open episode."""
    warming_up: Annotated[int, Field(ge=0)] = 0
    """warmingUp is how many series are not judged yet."""
    no_data: Annotated[int, Field(ge=0)] = 0
    """noData is how many series have no recent sample."""


class ModelStatus(KubeModel):
    """What the model was trained on."""

    method: MethodType
    """method that was used."""
    samples: Annotated[int, Field(ge=0)]
    """samples in the training window, all series together."""
    from_: Time = Field(alias="from")
    """from is the start of the training window when the status was written."""
    to: Time
    """to is the end of the training window when the status was written."""
    digest: Digest
    """digest of the method, its parameters and the queries."""


class AnomalyDetectorStatus(KubeModel):
    """What the detector saw; written when its meaning changes, never per evaluation."""

    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] = Field(
        default_factory=list
    )
    """conditions of the detector: Ready, DataAvailable, ModelTrained and RuleLoaded; Stalled where a person
    has to act."""
    observed_generation: ObservedGeneration | None = None
    """observedGeneration is the generation of the spec that this status speaks about; -1 before the first look."""
    summary: Summary | None = None
    """summary of all series."""
    series: Annotated[list[SeriesStatus], Field(max_length=20, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """series with the highest scores, at most 20."""
    anomalies: Annotated[list[Anomaly], Field(max_length=20, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """anomalies are the last 20 episodes, the newest first."""
    model: ModelStatus | None = None
    """model that judged last."""


class AnomalyDetector(Resource[AnomalyDetectorSpec, AnomalyDetectorStatus]):
    """AnomalyDetector scores the series of PromQL queries and owns the alert on that score.

    What it sees is data: its conditions speak of whether it can see.
    """
