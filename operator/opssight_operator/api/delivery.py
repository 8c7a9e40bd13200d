"""What a ThresholdPolicy does with its threshold: the mode of delivery and its own block."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import AlertLabels, Decimal, Duration, KubeModel, LocalRef, ObjectLabels, ObjectName, PromQL
from .validation import Bounds, Rule

DeliveryMode = Literal["Recommend", "Record", "Render", "Patch"]
MatchedLabels = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=1024)]],
    Field(max_length=32),
]


class Record(KubeModel):
    """How the threshold is recorded."""

    rule_labels: ObjectLabels = Field(default_factory=dict)
    """ruleLabels are the labels of the PrometheusRule object, for a ruleSelector such as
    release=kube-prometheus-stack; policies that share an object give it the same values."""
    shared_object: ObjectName | None = None
    """sharedObject is the name of a PrometheusRule that this policy shares with others of its namespace: all that give
    the same name record their thresholds in that one object; without it the policy has an object of its own."""

    CEL = (
        Rule(
            '!has(self.sharedObject) || !self.sharedObject.matches("^opssight-(adet|tpol)-")',
            "delivery.record.sharedObject must not begin with opssight-adet- or opssight-tpol-",
            "delivery.record.sharedObject is {{self.sharedObject}}; names that begin with opssight-adet- or "
            "opssight-tpol- are those of objects that belong to one resource alone",
            field=".sharedObject",
        ),
    )


class VolumeGuard(KubeModel):
    """Keeps the alert quiet while there is little traffic."""

    expr: PromQL
    """expr is the PromQL of the volume, such as requests a second; it is summed, by perLabels where these are set."""
    min: Annotated[Decimal, Bounds(above="0")]
    """min is the volume below which the alert is quiet; a volume that is missing keeps nothing quiet."""


class Recover(KubeModel):
    """A second level, so that an alert that fires does not end at once when the value dips below the threshold."""

    margin: Annotated[Decimal, Bounds(above="0", below="1")]
    """margin is how far the value has to come back behind the threshold, as a fraction of it, before the alert ends."""


class Render(KubeModel):
    """The alert that is written around the threshold; its name, for and keepFiringFor are those of spec.alert."""

    expr: PromQL | None = None
    """expr is the expression of the alert, in which $threshold stands for the threshold; without it spec.expr is
    compared with the threshold."""
    default: Decimal | None = None
    """default is the threshold as long as none is learned, and of label values for which there is none yet."""
    labels: AlertLabels = Field(default_factory=lambda: {"severity": "warning"})
    """labels of the alert, besides those of spec.alert.labels; the default is severity=warning."""
    annotations: AlertLabels = Field(default_factory=dict)
    """annotations of the alert, such as runbook_url; $threshold in them stands for the threshold, without perLabels."""
    rule_labels: ObjectLabels = Field(default_factory=dict)
    """ruleLabels are the labels of the PrometheusRule object, for a ruleSelector such as
    release=kube-prometheus-stack."""
    interval: Annotated[Duration, Bounds(at_least="1s", of="duration")] | None = None
    """interval between two evaluations of the alert; without it that of Prometheus."""
    volume_guard: VolumeGuard | None = None
    """volumeGuard keeps the alert quiet while there is little traffic."""
    recover: Recover | None = None
    """recover asks for a second level behind the threshold that ends the alert."""

    CEL = (
        Rule(
            '!has(self.labels) || !("namespace" in self.labels)',
            "delivery.render.labels must not set namespace; another one would speak in the name of others",
            field=".labels",
        ),
        Rule(
            '!has(self.expr) || self.expr.contains("$threshold")',
            "delivery.render.expr must hold $threshold where the threshold belongs",
            field=".expr",
        ),
    )


class LiteralChoice(KubeModel):
    """Which number of the expression is the threshold, when several are compared on the side of spec.bound."""

    occurrence: Annotated[int, Field(ge=1, le=100)] | None = None
    """occurrence counts the numbers of the expression from 1."""
    metric: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """metric stands on the other side of the comparison."""
    value: Decimal | None = None
    """value is the number as the owner of the alert wrote it."""


class Patch(KubeModel):
    """The one number in somebody's alert that the threshold takes the place of."""

    target: LocalRef
    """target names the PrometheusRule, in the namespace of the policy; it consents by the label
    opssight.dev/patch=allowed."""
    group: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = None
    """group of rules that the alert is in, when several groups have an alert of this name."""
    alert: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """alert is the name of the alert."""
    labels: MatchedLabels = Field(default_factory=dict)
    """labels that the alert has in its rule, such as severity, when several have the same name."""
    literal: LiteralChoice = Field(default_factory=LiteralChoice)
    """literal says which number it is; without it the only one that is compared on the side of spec.bound."""


def _only_with(mode: str) -> Rule:
    block = mode.lower()
    return Rule(
        f'!has(self.{block}) || self.mode == "{mode}"',
        f"delivery.{block} may be set only when delivery.mode is {mode}",
        f"delivery.{block} is set and delivery.mode is {{{{self.mode}}}}; {block} may be set only when mode is {mode}",
    )


class Delivery(KubeModel):
    """What is done with the threshold."""

    mode: DeliveryMode = "Recommend"
    """mode is Recommend (the default: status and metrics only), Record (an owned or shared PrometheusRule records
    opssight:threshold), Render (an owned PrometheusRule holds the whole alert) or Patch (one number in somebody's
    PrometheusRule is changed)."""
    record: Record | None = None
    """record holds the parameters of mode Record."""
    render: Render | None = None
    """render holds the parameters of mode Render."""
    patch: Patch | None = None
    """patch holds the parameters of mode Patch."""

    CEL = (
        _only_with("Record"),
        _only_with("Render"),
        _only_with("Patch"),
        Rule('self.mode != "Patch" || has(self.patch)', "delivery.patch must be set when delivery.mode is Patch"),
    )


DELIVERY_RULES = (
    Rule(
        'self.delivery.mode != "Render" || (has(self.alert.name) && self.alert.name != "")',
        "alert.name must be set when delivery.mode is Render; it is the name of the alert that is written",
        field=".alert",
    ),
    Rule(
        'self.delivery.mode != "Render" || !has(self.alert.labels) || !("namespace" in self.alert.labels)',
        "alert.labels must not set namespace when delivery.mode is Render; it would speak in the name of others",
        field=".alert",
    ),
    Rule(
        'self.delivery.mode != "Render" || !has(self.perLabels) || size(self.perLabels) == 0 || '
        "(has(self.delivery.render) && has(self.delivery.render.default))",
        "delivery.render.default must be set when delivery.mode is Render and perLabels is set, "
        "so that a label value without a threshold is not without an alert",
        field=".delivery",
    ),
    Rule(
        'self.delivery.mode != "Patch" || !has(self.perLabels) || size(self.perLabels) == 0',
        "perLabels must be empty when delivery.mode is Patch, because one number cannot hold several thresholds",
        field=".perLabels",
    ),
)
