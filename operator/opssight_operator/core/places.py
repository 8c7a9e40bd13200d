"""Where the rules of a policy stand: in an object of its own or in one that policies share, now and before a move."""

from __future__ import annotations

from dataclasses import dataclass

from ..api.threshold_policy import ThresholdPolicy
from .conventions import rule_group_name, rule_object_name, shared_group_name

_KIND = "ThresholdPolicy"
_OWNING_MODES = ("Record", "Render")


@dataclass(frozen=True, slots=True)
class Place:
    """A PrometheusRule, and the group in it that is the policy's."""

    name: str
    group: str
    shared: bool = False


def own_place(policy: ThresholdPolicy) -> Place:
    """The object that belongs to the policy alone."""
    meta = policy.metadata
    return Place(rule_object_name(_KIND, meta.name), rule_group_name(_KIND, meta.namespace, meta.name))


def shared_place(policy: ThresholdPolicy, name: str) -> Place:
    """The policy's part of an object that is shared."""
    return Place(name, shared_group_name(policy.metadata.namespace, policy.metadata.name, name), shared=True)


def place_of(policy: ThresholdPolicy) -> Place | None:
    """Where the spec wants the rules; None in a mode that keeps none."""
    delivery = policy.spec.delivery
    if delivery.mode not in _OWNING_MODES:
        return None
    shared = delivery.record.shared_object if delivery.mode == "Record" and delivery.record else None
    return shared_place(policy, shared) if shared else own_place(policy)


def former_places(policy: ThresholdPolicy) -> tuple[Place, ...]:
    """Other places that may still hold the rules: those that the status names.

    The own object is looked after here only while the rules belong into a shared one. A status that names nothing may
    have been lost, or is of a version that named nothing, so that the own object is then looked at all the same.
    """
    wanted, own, named = place_of(policy), own_place(policy), policy.status.rule_objects
    places = [shared_place(policy, name) for name in named if name not in (own.name, wanted.name if wanted else "")]
    if wanted is not None and wanted.shared and (not named or own.name in named):
        places.append(own)
    return tuple(places)


def shared_objects(policy: ThresholdPolicy) -> tuple[str, ...]:
    """The names of all shared objects that may have a part of this policy."""
    wanted = place_of(policy)
    places = (*((wanted,) if wanted else ()), *former_places(policy))
    return tuple(place.name for place in places if place.shared)
