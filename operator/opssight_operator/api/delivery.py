"""What a ThresholdPolicy does with its threshold: the mode of delivery and its own block."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import (
    KubeModel,
    ObjectLabels,
)
from .validation import Rule

DeliveryMode = Literal["Recommend", "Record"]


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
