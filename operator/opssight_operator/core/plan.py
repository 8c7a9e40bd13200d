"""What a decision asks the edge to do: a value, applied by ``adapters`` once and in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from ..api.base import KubeModel
from .models import Learned
from .report_documents import Documents

StatusT = TypeVar("StatusT", bound=KubeModel)


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event, written on a transition only; ``reason`` is a condition reason or a fact in CamelCase."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """One exported sample. A resource's gauges are replaced as a whole by those of its next plan."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class RuleObject:
    """A PrometheusRule that we own as a whole, or our part of one: same namespace and owner as the resource."""

    name: str
    labels: Mapping[str, str]
    groups: tuple[Mapping[str, Any], ...]
    digest: str  # of labels and groups; equal digests mean that nothing needs to be written
    shared: bool = False  # then labels and groups are our part of it, beside those of other policies


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Leave the rule as it stands: nothing is known that would change it."""


@dataclass(frozen=True, slots=True)
class RemoveRule:
    """Delete the rule object of this name if it is ours."""

    name: str


@dataclass(frozen=True, slots=True)
class LeaveRule:
    """Take the part of the policy with this uid out of a shared object; the parts of others stay."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ApplyRule:
    """Make the rule object look like this."""

    rule: RuleObject


RuleIntent = KeepRule | RemoveRule | LeaveRule | ApplyRule


@dataclass(frozen=True, slots=True)
class PatchTarget:
    """Change one expression in somebody's PrometheusRule, if the object is still the one that was read.

    ``annotations`` are all annotations of the object as they are to be.
    """

    name: str
    resource_version: str
    group_index: int
    rule_index: int
    alert: str
    before: str
    after: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan(Generic[StatusT]):
    """The outcome of one reconcile.

    ``status`` is the whole new status; the edge writes it only when ``status_changed`` (its meaning
    differs from what stands there). ``outcome`` is the reason of Ready, for the metrics.
    ``retry_after`` (seconds) overrides the interval of the resource, for backoff.
    """

    status: StatusT
    status_changed: bool
    rule: RuleIntent
    events: tuple[Event, ...]
    gauges: tuple[Gauge, ...] | None  # None keeps the exported gauges as they are
    outcome: str
    retry_after: float | None = None
    before_rule: tuple[RuleIntent, ...] = ()  # places to be left, since the rule is loaded where it belongs now
    after_rule: tuple[
        RuleIntent, ...
    ] = ()  # places that are kept equal until then, and parts of policies that are gone
    patch: PatchTarget | None = None
    documents: Documents | None = None
    learned: Mapping[str, Learned] = field(default_factory=dict)  # models to keep for the next evaluation
