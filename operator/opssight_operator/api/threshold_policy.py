"""ThresholdPolicy: learns thresholds from history, simulates what they would raise, and delivers them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import (
    AlertLabels,
    Decimal,
    Duration,
    KubeModel,
    LabelName,
    LocalRef,
    PromQL,
    Resource,
    list_set,
)
from .delivery import DELIVERY_RULES, Delivery
from .estimators import Estimator
from .history import AlertName, History
from .outcome import Outcome
from .seasonal import SEASONAL_RULES, Seasonal, TimeZone
from .threshold_status import ThresholdPolicyStatus
from .validation import Bounds, Rule, unless_malformed

BoundType = Literal["Upper", "Lower"]


class Guardrails(KubeModel):
    """What a change of the threshold may do."""

    min: Decimal | None = None
    """min is the lowest threshold that is ever proposed."""
    max: Decimal | None = None
    """max is the highest threshold that is ever proposed."""
    max_step: Annotated[Decimal, Bounds(above="0", at_most="10")] = "0.25"
    """maxStep is the largest change at once as a fraction of the current threshold; the default is 0.25. It is that of
    a full window of history; while there is less, up to twice as much is allowed."""
    dead_band: Annotated[Decimal, Bounds(at_least="0", below="10")] = "0.05"
    """deadBand is the smallest change worth making as a fraction of the current threshold; the default is 0.05."""
    cooldown: Duration = "1h"
    """cooldown is the time between two changes; the default is 1h."""
    while_firing: Literal["Freeze", "Allow"] = "Freeze"
    """whileFiring says whether the threshold may change while the expression is beyond it or the alert fires: Freeze
    (the default) or Allow."""
    freeze_at_most: Duration = "1d"
    """freezeAtMost is how long whileFiring: Freeze holds the threshold; what fires for longer is the new level, which
    the threshold follows. The default is 1d; history.window is the longest."""

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


class SimulatedAlert(KubeModel):
    """The rule whose alerts are simulated, and observed once it has a name."""

    name: AlertName | None = None
    """name of the alert that uses the threshold, its alertname. Its episodes are then counted from ALERTS; without a
    name they are simulated on the samples since the change."""
    labels: AlertLabels = Field(default_factory=dict)
    """labels that the alert has, when others have the same name."""
    for_: Duration = Field(default="5m", alias="for")
    """for is how long the expression must be beyond the threshold before the alert fires; the default is 5m."""
    keep_firing_for: Duration = "0s"
    """keepFiringFor is how long the alert keeps firing afterwards; the default is 0s."""
    time_zone: TimeZone = "UTC"
    """timeZone in which night is 22:00 to 06:00; the default is UTC."""


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
    seasonal: Seasonal | None = None
    """seasonal asks for one threshold for each hour of the week, in the modes Recommend and Record."""
    guardrails: Guardrails = Field(default_factory=Guardrails)
    """guardrails of every change."""
    alert: SimulatedAlert = Field(default_factory=SimulatedAlert)
    """alert describes the rule that will use the threshold, so that its volume can be simulated."""
    outcome: Outcome = Field(default_factory=Outcome)
    """outcome says what follows when the delivered threshold raises another number of alerts than was predicted."""
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
        *SEASONAL_RULES,
        *DELIVERY_RULES,
    )


class ThresholdPolicy(Resource[ThresholdPolicySpec, ThresholdPolicyStatus]):
    """ThresholdPolicy learns thresholds from history, simulates what they would raise, and delivers them."""
