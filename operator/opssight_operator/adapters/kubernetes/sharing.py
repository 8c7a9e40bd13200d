"""Who has which part of a PrometheusRule that policies share, read from its managedFields and owner references.

Each policy writes with a field manager of its own, named after its uid, so that the object itself says whose part is
whose. Garbage collection takes the owner reference of a deleted policy away and leaves its group: a manager without an
owner reference is how a part without a policy is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opssight_operator.core.conventions import SHARED_MANAGER, policy_of_group, shared_group_name
from opssight_operator.core.observation import RuleObjectState, RuleObservation, SharedRest
from opssight_operator.core.rules import groups_size, rule_digest
from opssight_operator.reconcile.ports import Owner

from .ownership import applied_by, fields_of, holds_group, our_part
from .rule_status import refusals


def manager_of(uid: str) -> str:
    """The field manager of a policy's part."""
    return f"{SHARED_MANAGER}{uid}"


def sharers(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The fields of each part, by the uid of its policy."""
    entries = found.get("metadata", {}).get("managedFields") or []
    return {
        entry["manager"].removeprefix(SHARED_MANAGER): entry.get("fieldsV1", {})
        for entry in entries
        if str(entry.get("manager", "")).startswith(SHARED_MANAGER) and applied_by(entry, entry["manager"])
    }


def owners(found: Mapping[str, Any]) -> dict[str, str]:
    """The names in the owner references, by uid."""
    references = found.get("metadata", {}).get("ownerReferences") or []
    return {str(reference.get("uid")): str(reference.get("name")) for reference in references}


def groups_of(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """``spec.groups``, which may be missing."""
    return list(found.get("spec", {}).get("groups") or [])


def suspects(found: Mapping[str, Any], name: str) -> dict[str, str | None]:
    """The uids of parts without an owner reference, and the policy that their group names, if they have one still."""
    known, metadata = owners(found), found.get("metadata", {})
    return {
        uid: next(
            (
                policy_of_group(str(metadata.get("namespace", "")), str(group.get("name", "")), name)
                for group in groups_of(found)
                if holds_group(fields, group)
            ),
            None,
        )
        for uid, fields in sharers(found).items()
        if uid not in known
    }


def groups_without(found: Mapping[str, Any], uid: str) -> list[Mapping[str, Any]]:
    """The groups that stay when the part of ``uid`` is taken out."""
    own = sharers(found).get(uid, {})
    others = [entry.get("fieldsV1", {}) for entry in _others(found, uid)]
    return [
        group
        for group in groups_of(found)
        if not holds_group(own, group) or any(holds_group(fields, group) for fields in others)
    ]


def predecessors(found: Mapping[str, Any], owner: Owner, name: str) -> bool:
    """Whether the group of ``owner`` is held by policies of its name that were deleted, and by nobody else."""
    wanted = shared_group_name(owner.namespace, owner.name, name)
    holders = [
        str(entry.get("manager", ""))
        for entry in _others(found, owner.uid)
        for group in groups_of(found)
        if group.get("name") == wanted and holds_group(entry.get("fieldsV1", {}), group)
    ]
    return bool(holders) and all(holder.startswith(SHARED_MANAGER) for holder in holders)


def observation(found: Mapping[str, Any], owner: Owner, name: str, departed: tuple[str, ...]) -> RuleObservation:
    """The part of ``owner`` in the object, and what the others have there."""
    parts, known = sharers(found), owners(found)
    if not parts:
        return RuleObservation(RuleObjectState.FOREIGN)
    labels, groups = our_part(found, manager_of(owner.uid))
    stands = found.get("metadata", {}).get("labels") or {}
    names = {uid: "that is gone" if uid in departed else known.get(uid, uid) for uid in parts if uid != owner.uid}
    held: dict[str, list[str]] = {}
    for uid, policy in sorted(names.items(), key=lambda item: item[1]):
        for label in stands:
            if f"f:{label}" in fields_of(parts[uid], "metadata", "labels"):
                held.setdefault(label, []).append(policy)
    own = shared_group_name(owner.namespace, owner.name, name)
    rest = SharedRest(
        size=groups_size([group for group in groups_of(found) if group.get("name") != own]),
        policies=tuple(sorted(policy for uid, policy in names.items() if uid not in departed)),
        labels={label: (str(stands[label]), tuple(holders)) for label, holders in held.items()},
        departed=departed,
    )
    if owner.uid not in parts:
        return RuleObservation(RuleObjectState.ABSENT, rest=rest)
    whole = owner.uid in known  # without its owner reference the part would not go with the policy
    return RuleObservation(
        RuleObjectState.OURS,
        rule_digest(labels, groups) if whole else "",
        groups=groups,
        refusals=refusals(found),
        rest=rest,
    )


def _others(found: Mapping[str, Any], uid: str) -> list[Mapping[str, Any]]:
    entries = found.get("metadata", {}).get("managedFields") or []
    return [entry for entry in entries if not applied_by(entry, manager_of(uid))]
