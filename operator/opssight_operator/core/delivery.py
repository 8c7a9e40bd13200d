"""How a threshold reaches an alert: what each mode wants to stand in the cluster, and what it says of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..api.base import duration
from ..api.conditions import Reason
from ..api.threshold_policy import ThresholdPolicy
from ..api.threshold_status import PatchStatus
from ..settings import Settings
from .hours import HourTable
from .observation import Labels, PolicyObservation
from .patching import Patching, patching, value_in_place
from .plan import RuleObject
from .rendering import rendered_rule
from .rules import LabelItems, Level, policy_rule
from .targets import Target, places
from .thresholds import Known

_OWNING = {"Record": Reason.RECORDED, "Render": Reason.RENDERED}


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is to stand in the cluster: an object of ours, or one number of somebody's."""

    rule: RuleObject | None = None
    patching: Patching | None = None

    @property
    def patch_status(self) -> PatchStatus | None:
        """What the status remembers of a patch."""
        return self.patching.status if self.patching else None


def owns_rule(policy: ThresholdPolicy) -> bool:
    """Whether the mode keeps a PrometheusRule of its own."""
    return policy.spec.delivery.mode in _OWNING


def written_reason(policy: ThresholdPolicy) -> Reason:
    """What Applied says once the object of ours stands there."""
    return _OWNING[policy.spec.delivery.mode]


def deliver(
    policy: ThresholdPolicy,
    current: Sequence[tuple[Labels, Level]],
    observation: PolicyObservation,
    now: float,
    settings: Settings,
) -> Delivered:
    """What the mode wants of the cluster for these thresholds; raises ``SpecError`` for a template that cannot be."""
    mode = policy.spec.delivery.mode
    if mode == "Record":
        return Delivered(policy_rule(policy, current, now) if current else None)
    numbers = [(labels, level) for labels, level in current if not isinstance(level, HourTable)]
    if mode == "Render":
        return Delivered(rendered_rule(policy, numbers, observation.matchers))
    if mode == "Patch":
        threshold = numbers[0][1] if numbers else None
        return Delivered(patching=patching(policy, threshold, observation.target, allowed=settings.allow_patch))
    return Delivered()


def with_alert_in_place(policy: ThresholdPolicy, target: Target | None) -> ThresholdPolicy:
    """The policy with the alert that it is about: in mode Patch that is the alert of the target, as it stands there."""
    patch = policy.spec.delivery.patch
    if policy.spec.delivery.mode != "Patch" or patch is None:
        return policy
    found = places(target.groups, patch) if target is not None else []
    known: dict[str, object] = {"name": patch.alert, "labels": patch.labels}
    if len(found) == 1:
        known["labels"] = found[0].labels
        durations = {"for_": found[0].for_seconds, "keep_firing_for": found[0].keep_firing_for_seconds}
        known |= {name: duration(total) for name, total in durations.items() if total is not None}
    alert = policy.spec.alert.model_copy(update=known)
    return policy.model_copy(update={"spec": policy.spec.model_copy(update={"alert": alert})})


def with_number_in_place(
    known: Mapping[LabelItems, Known], policy: ThresholdPolicy, observation: PolicyObservation, settings: Settings
) -> Mapping[LabelItems, Known]:
    """The known thresholds; before there is any, the number in the alert is the one to step from."""
    if known or policy.spec.delivery.mode != "Patch":
        return known
    value = value_in_place(policy, observation.target, allowed=settings.allow_patch)
    return known if value is None else {(): Known(value)}


def left_behind(policy: ThresholdPolicy) -> str:
    """A sentence about an alert that was patched before the mode was changed; empty when there is none."""
    kept = policy.status.patch
    if kept is None or policy.spec.delivery.mode == "Patch":
        return ""
    return (
        f"; the alert {kept.alert} of PrometheusRule {kept.target} still has the patched number {kept.value}, "
        f"its original expression is in status.patch.original"
    )
