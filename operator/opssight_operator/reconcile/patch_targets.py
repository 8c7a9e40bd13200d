"""Reading the object that mode Patch changes, and what Prometheus has loaded of it."""

from __future__ import annotations

from dataclasses import replace

from ..api.threshold_policy import ThresholdPolicy
from ..core.targets import Target, places
from ..errors import DependencyError
from ..settings import Settings
from .owned_rules import refused_by_prometheus
from .ports import MetricSource, Owner, Ports

MOST_TRIED = 50


async def observe_target(
    policy: ThresholdPolicy, owner: Owner, source: MetricSource, ports: Ports, now: float, settings: Settings
) -> Target | None:
    """The object as it is; None in another mode, where patches are switched off, and when it is missing.

    One invalid rule keeps the whole object from being loaded, so that all of them are tried when the group is not.
    """
    patch = policy.spec.delivery.patch
    if policy.spec.delivery.mode != "Patch" or patch is None or not settings.allow_patch:
        return None
    target = await ports.targets.observe(owner, patch.target.name)
    found = places(target.groups, patch) if target is not None else []
    if target is None or len(found) != 1:
        return target
    try:
        loaded = await source.rules(found[0].group)
    except DependencyError:
        return target  # the samples may be there all the same
    if loaded:
        return replace(target, loaded=loaded)
    rules = [rule for group in target.groups for rule in group.get("rules") or ()]
    return replace(target, loaded=loaded, unreadable=await refused_by_prometheus(rules[:MOST_TRIED], source, now))
