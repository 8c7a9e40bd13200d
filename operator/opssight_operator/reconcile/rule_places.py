"""Reading the rules of a policy wherever they stand: its own object, a shared one, and those before a move."""

from __future__ import annotations

from dataclasses import replace

from ..api.threshold_policy import ThresholdPolicy
from ..core.observation import RuleObjectState, RuleObservation
from ..core.places import Place, former_places, place_of
from ..errors import DependencyError
from .owned_rules import observe_rule
from .ports import MetricSource, Owner, Ports


async def observe_place(policy: ThresholdPolicy, owner: Owner, source: MetricSource, ports: Ports) -> RuleObservation:
    """The rules where the spec wants them, and what Prometheus has loaded of them."""
    place = place_of(policy)
    if place is None or not place.shared:
        conditions = policy.status.conditions
        return await observe_rule(owner, source, ports, wanted=place is not None, conditions=conditions)
    observed = await ports.shared_rules.observe(owner, place.name)
    if observed.state is not RuleObjectState.OURS:
        return observed
    try:
        return replace(observed, loaded=await source.rules(place.group))
    except DependencyError:
        return observed  # the samples may be there all the same


async def observe_former(
    policy: ThresholdPolicy, owner: Owner, ports: Ports
) -> tuple[tuple[Place, RuleObservation], ...]:
    """The other places that have something of ours; most policies have none, and nothing is read for them."""
    found = []
    for place in former_places(policy):
        store = ports.shared_rules if place.shared else ports.rules
        observed = await store.observe(owner, place.name)
        if observed.state is RuleObjectState.OURS:
            found.append((place, observed))
    return tuple(found)
