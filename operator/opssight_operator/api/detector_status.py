"""The status of an AnomalyDetector: what was seen of each series, and the episodes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import (
    Digest,
    KubeModel,
    Number,
    ObservedGeneration,
    SeriesLabels,
    Time,
    list_atomic,
    list_map,
)
from .conditions import Condition
from .methods import MethodType
from .together import Contribution

SeriesState = Literal["Normal", "Anomalous", "WarmingUp", "NoData"]
Severity = Literal["None", "Low", "Medium", "High", "Critical"]


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
