"""ThresholdPolicy: learns thresholds from history, simulates what they would raise, and delivers them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import (
    Decimal,
    Digest,
    Duration,
    KubeModel,
    LabelName,
    LocalRef,
    Number,
    ObjectLabels,
    PromQL,
    Resource,
    SeriesLabels,
    Time,
    TimeSpan,
    list_atomic,
    list_map,
    list_set,
)
from .conditions import Condition
from .durations import seconds_in_cel
from .validation import Bounds, Form, Rule, unless_malformed

BoundType = Literal["Upper", "Lower"]
EstimatorType = Literal["Percentile"]
DeliveryMode = Literal["Recommend", "Record"]


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


class PercentileEstimator(KubeModel):
    """A percentile of history, and a margin on top."""

    percentile: Annotated[Decimal, Bounds(above="0", below="100")] = "95"
    """percentile of the history; the default is 95. A lower bound uses 100 minus this."""
    margin: Annotated[Decimal, Bounds(at_least="0", at_most="10")] = "0"
    """margin as a fraction of the percentile, away from normal; 0.1 means 10 %. The default is 0."""


class Estimator(KubeModel):
    """How the threshold is learned."""

    type: EstimatorType = "Percentile"
    """type of the estimator: Percentile (the default)."""
    percentile: PercentileEstimator | None = None
    """percentile holds the parameters of type Percentile."""


class Guardrails(KubeModel):
    """What a change of the threshold may do."""

    min: Decimal | None = None
    """min is the lowest threshold that is ever proposed."""
    max: Decimal | None = None
    """max is the highest threshold that is ever proposed."""
    max_step: Annotated[Decimal, Bounds(above="0", at_most="10")] = "0.25"
    """maxStep is the largest change at once as a fraction of the current threshold; the default is 0.25."""
    dead_band: Annotated[Decimal, Bounds(at_least="0", below="10")] = "0.05"
    """deadBand is the smallest change worth making as a fraction of the current threshold; the default is 0.05."""
    cooldown: Duration = "1h"
    """cooldown is the time between two changes; the default is 1h."""
    while_firing: Literal["Freeze", "Allow"] = "Freeze"
    """whileFiring says whether the threshold may change while the expression is beyond it: Freeze (the default)
    or Allow."""

    CEL = (
        Rule(
            "!has(self.min) || !has(self.max) || "
            + unless_malformed("double(self.min) < double(self.max)", numbers=["self.min", "self.max"]),
            "guardrails.min must be less than guardrails.max",
            "guardrails.min is {{self.min}} and guardrails.max is {{self.max}}; min must be less than max",
        ),
        Rule(
            unless_malformed(
                "double(self.maxStep) <= 0.0 || double(self.deadBand) < double(self.maxStep)",
                numbers=["self.deadBand", "self.maxStep"],
            ),
            "guardrails.deadBand must be less than guardrails.maxStep",
            "guardrails.deadBand is {{self.deadBand}} and guardrails.maxStep is {{self.maxStep}}; "
            "deadBand must be less than maxStep, or no change could ever be made",
        ),
    )


TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Form("^[A-Za-z0-9_+/-]+$", "the name of a time zone such as UTC or Europe/Berlin"),
]


class SimulatedAlert(KubeModel):
    """The rule whose alerts are simulated."""

    for_: Duration = Field(default="5m", alias="for")
    """for is how long the expression must be beyond the threshold before the alert fires; the default is 5m."""
    keep_firing_for: Duration = "0s"
    """keepFiringFor is how long the alert keeps firing afterwards; the default is 0s."""
    time_zone: TimeZone = "UTC"
    """timeZone in which night is 22:00 to 06:00; the default is UTC."""


class Record(KubeModel):
    """How the threshold is recorded."""

    rule_labels: ObjectLabels = Field(default_factory=dict)
    """ruleLabels are the labels of the PrometheusRule object, for a ruleSelector such as
    release=kube-prometheus-stack."""


class Delivery(KubeModel):
    """What is done with the threshold."""

    mode: DeliveryMode = "Recommend"
    """mode is Recommend (the default: status and metrics only) or Record (an owned PrometheusRule records
    opssight:threshold)."""
    record: Record | None = None
    """record holds the parameters of mode Record."""

    CEL = (
        Rule(
            '!has(self.record) || self.mode == "Record"',
            "delivery.record may be set only when delivery.mode is Record",
            "delivery.record is set and delivery.mode is {{self.mode}}; record may be set only when mode is Record",
        ),
    )


class ThresholdPolicySpec(KubeModel):
    """What to learn a threshold for, from what, and how to deliver it."""

    source_ref: LocalRef = Field(default_factory=lambda: LocalRef(name="default"))
    """sourceRef names the MetricsSource; the default is the one named default."""
    suspend: bool = False
    """suspend stops all work on this policy; what was delivered stays as it is."""
    expr: PromQL
    """expr is the PromQL expression that the alert compares with the threshold."""
    bound: BoundType = "Upper"
    """bound is Upper (the default) when high values are bad, Lower when low values are."""
    per_labels: Annotated[list[LabelName], Field(max_length=8, json_schema_extra=list_set())] = Field(
        default_factory=list
    )
    """perLabels asks for one threshold for each value of these labels; when it is empty there is one for all."""
    history: History = Field(default_factory=History)
    """history that the threshold is learned from."""
    interval: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "1h"
    """interval between two evaluations; the default is 1h."""
    estimator: Estimator = Field(default_factory=Estimator)
    """estimator that learns the threshold."""
    guardrails: Guardrails = Field(default_factory=Guardrails)
    """guardrails of every change."""
    alert: SimulatedAlert = Field(default_factory=SimulatedAlert)
    """alert describes the rule that will use the threshold, so that its volume can be simulated."""
    delivery: Delivery = Field(default_factory=Delivery)
    """delivery of the threshold."""

    CEL = (
        Rule(
            '!has(self.perLabels) || self.perLabels.all(label, label != "policy" && label != "bound")',
            "perLabels must not contain policy or bound, because the recorded threshold carries these labels itself",
            'perLabels is {{self.perLabels.join(", ")}}; it must not contain policy or bound, '
            "because the recorded threshold carries these labels itself",
            field=".perLabels",
        ),
    )


ThresholdLabels = Annotated[SeriesLabels, Field(max_length=8)]


class Simulation(KubeModel):
    """The alerts that a threshold would have raised over the history."""

    episodes_per_week: Number
    """episodesPerWeek is how many times the alert would have fired in a week."""
    night_episodes_per_week: Number
    """nightEpisodesPerWeek is how many of these would have begun between 22:00 and 06:00."""
    median_duration: TimeSpan | None = None
    """medianDuration of an episode."""
    longest_duration: TimeSpan | None = None
    """longestDuration of an episode."""
    share_of_time: Number
    """shareOfTime is the share of all time in which the alert would have been firing, from 0 to 1."""


class ThresholdSimulation(KubeModel):
    """The current threshold against the proposed one."""

    current: Simulation | None = None
    """current threshold."""
    proposed: Simulation | None = None
    """proposed threshold."""


class ThresholdStatus(KubeModel):
    """One threshold."""

    labels: ThresholdLabels = Field(default_factory=dict)
    """labels of the threshold; empty when there is one for all."""
    current: Number | None = None
    """current threshold, as last decided."""
    proposed: Number | None = None
    """proposed is what history suggests, before the guardrails."""
    reason: Annotated[str, StringConstraints(max_length=64)]
    """reason of the last decision: Changed, or the guardrail that holds."""
    message: Annotated[str, StringConstraints(max_length=512)]
    """message says the decision in one sentence."""
    samples: Annotated[int, Field(ge=0)] = 0
    """samples that the estimate rests on."""
    coverage: Number | None = None
    """coverage is the share of points that were there, from 0 to 1."""
    lower: Number | None = None
    """lower end of the 95 % interval of the estimate."""
    upper: Number | None = None
    """upper end of the 95 % interval of the estimate."""
    changed_at: Time | None = None
    """changedAt is when the current threshold was decided."""
    simulation: ThresholdSimulation | None = None
    """simulation of the alerts over the history."""


class ThresholdChange(KubeModel):
    """One change of a threshold."""

    at: Time
    """at is when it was decided."""
    labels: ThresholdLabels = Field(default_factory=dict)
    """labels of the threshold."""
    from_: Number | None = Field(default=None, alias="from")
    """from is the threshold before; absent for the first one."""
    to: Number
    """to is the threshold after."""
    why: Annotated[str, StringConstraints(max_length=512)]
    """why it was changed."""
    predicted_episodes_per_week: Number | None = None
    """predictedEpisodesPerWeek is what the simulation expects of the new threshold."""


class ThresholdPolicyStatus(KubeModel):
    """What was learned and delivered; written when its meaning changes."""

    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] = Field(
        default_factory=list
    )
    """conditions of the policy: Ready, DataAvailable, Recommended, Applied and RuleLoaded."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """observedGeneration is the generation of the spec that this status speaks about."""
    count: Annotated[int, Field(ge=0)] = 0
    """count of thresholds, also of those beyond the list's length."""
    thresholds: Annotated[list[ThresholdStatus], Field(max_length=50, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """thresholds, at most 50 of them."""
    history: Annotated[list[ThresholdChange], Field(max_length=10, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """history of the last 10 changes, the newest first."""
    digest: Digest | None = None
    """digest of the expression, the bound and perLabels that the thresholds speak about; when it changes they start
    anew."""


class ThresholdPolicy(Resource[ThresholdPolicySpec, ThresholdPolicyStatus]):
    """ThresholdPolicy learns thresholds from history, simulates what they would raise, and delivers them."""
