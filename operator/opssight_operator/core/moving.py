"""A policy whose rules belong into another object than before: the threshold is never missing in between.

The new object is written first. The old one keeps its part, with the same values, until Prometheus lists the new one;
then the old part goes. Both record the same series meanwhile, which Prometheus takes as one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..api.threshold_policy import ThresholdPolicy
from ..errors import TooMuchData
from .loaded import rule_verdict
from .observation import Labels, PolicyObservation, RuleObjectState, RuleObservation
from .places import Place, place_of
from .plan import ApplyRule, KeepRule, LeaveRule, RemoveRule, RuleIntent, RuleObject
from .rules import Level, policy_rule
from .sharing import agreed, check_room


def loaded_there(observed: RuleObservation) -> bool:
    """Whether Prometheus evaluates the rules as they stand in the object."""
    if observed.state is not RuleObjectState.OURS or not observed.groups:  # somebody may have taken our group by force
        return False
    return rule_verdict(RuleObject("", {}, observed.groups, ""), observed).status == "True"


def last_good(observation: PolicyObservation) -> RuleObservation:
    """The object to read the last good thresholds from: the present one, or the one before the move."""
    candidates = (observation.rule, *(observed for _, observed in observation.former))
    return next((observed for observed in candidates if observed.groups), observation.rule)


def left(policy: ThresholdPolicy, observation: PolicyObservation) -> tuple[RuleIntent, ...]:
    """The former places that are given up now, before the rule is written: no two values, and none missing."""
    if place_of(policy) is not None and not loaded_there(observation.rule):
        return ()
    return tuple(_leave(policy, place) for place, _ in observation.former)


def kept_equal(
    policy: ThresholdPolicy,
    observation: PolicyObservation,
    current: Sequence[tuple[Labels, Level]],
    now: float,
) -> tuple[RuleIntent, ...]:
    """What has to be written to the former places that stay for now.

    Only recorded thresholds are kept equal; an alert that was rendered stays as it is.
    """
    if left(policy, observation) or policy.spec.delivery.mode != "Record" or not current:
        return ()
    return tuple(_equal(policy, place, observed, current, now) for place, observed in observation.former)


def departed(policy: ThresholdPolicy, observation: PolicyObservation) -> tuple[RuleIntent, ...]:
    """The parts of policies that are gone; whoever sees them first takes them out."""
    place = place_of(policy)
    return tuple(LeaveRule(place.name, uid) for uid in observation.rule.rest.departed) if place else ()


def standing_in(policy: ThresholdPolicy, observation: PolicyObservation, intent: RuleIntent) -> list[str]:
    """The names of the objects that hold the rules once all of this is done."""
    place = place_of(policy)
    stays = isinstance(intent, KeepRule) and observation.rule.state is RuleObjectState.OURS
    here = [place.name] if place and (isinstance(intent, ApplyRule) or stays) else []
    gone = {intent.name for intent in left(policy, observation) if isinstance(intent, RemoveRule | LeaveRule)}
    return [*here, *(place.name for place, _ in observation.former if place.name not in gone)]


def _leave(policy: ThresholdPolicy, place: Place) -> RuleIntent:
    return LeaveRule(place.name, policy.metadata.uid) if place.shared else RemoveRule(place.name)


def _equal(
    policy: ThresholdPolicy,
    place: Place,
    observed: RuleObservation,
    current: Sequence[tuple[Labels, Level]],
    now: float,
) -> RuleIntent:
    if not observed.groups or any("alert" in rule for group in observed.groups for rule in group.get("rules", ())):
        return KeepRule()
    wanted = policy_rule(policy, current, now, place)
    try:
        check_room(wanted, observed)
    except TooMuchData:  # others have filled the object; what stands there is the last good
        return KeepRule()
    rule, _ = agreed(wanted, observed)
    # Only the values follow; labels of an object that is on its way out are nobody's concern.
    return KeepRule() if tuple(rule.groups) == tuple(observed.groups) else ApplyRule(rule)
