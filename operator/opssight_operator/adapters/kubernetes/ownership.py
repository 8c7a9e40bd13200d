"""What of a PrometheusRule is ours: the object by its owner, and its parts by our field manager.

Somebody may add a label or a rule group to an object that we own. Those parts are theirs; a digest over them would
never agree with what we want, so that the object would be written at each look, for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from opssight_operator.core.conventions import FIELD_MANAGER
from opssight_operator.reconcile.ports import Owner


class Standing(Enum):
    """How an object stands to the resource that wants it."""

    OURS = "ours"
    PREDECESSORS = "predecessor's"  # of a resource of the same kind and name that is gone
    FOREIGN = "foreign"


def standing(found: Mapping[str, Any], owner: Owner) -> Standing:
    """By the uid of the owner reference, so that a resource that was made anew is not taken for its predecessor."""
    references = found.get("metadata", {}).get("ownerReferences") or []
    if any(reference.get("uid") == owner.uid for reference in references):
        return Standing.OURS
    namesake = (owner.api_version, owner.kind, owner.name)
    if any((r.get("apiVersion"), r.get("kind"), r.get("name")) == namesake for r in references):
        return Standing.PREDECESSORS
    return Standing.FOREIGN


def our_part(
    found: Mapping[str, Any], manager: str = FIELD_MANAGER
) -> tuple[dict[str, str], tuple[Mapping[str, Any], ...]]:
    """The labels and the rule groups of an object that our field manager has applied and still holds."""
    metadata = found.get("metadata", {})
    entries = [entry for entry in metadata.get("managedFields") or [] if applied_by(entry, manager)]
    fields: Mapping[str, Any] = entries[0].get("fieldsV1", {}) if entries else {}
    named = fields_of(fields, "metadata", "labels")
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if f"f:{name}" in named}
    groups = found.get("spec", {}).get("groups") or []
    return labels, tuple(group for group in groups if holds_group(fields, group))


def applied_by(entry: Mapping[str, Any], manager: str) -> bool:
    """Whether an entry of managedFields is what ``manager`` has applied to the object itself."""
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def fields_of(fields: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """What ``fieldsV1`` holds below a path; empty when nothing."""
    for name in path:
        fields = fields.get(f"f:{name}") or {}
    return fields


def holds_group(fields: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
    """Whether ``fieldsV1`` holds the rules of a group; ``spec.groups`` is a map by name."""
    key = f"k:{json.dumps({'name': group.get('name', '')}, separators=(',', ':'), ensure_ascii=False)}"
    return "f:rules" in fields_of(fields, "spec", "groups").get(key, {})
