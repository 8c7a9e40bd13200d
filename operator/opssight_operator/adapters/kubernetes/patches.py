"""PrometheusRules that belong to others: read with everything that forbids a patch, and patched in one expression."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from opssight_operator.api import API_VERSION, PLURALS
from opssight_operator.api.delivery import Patch
from opssight_operator.core.conventions import FIELD_MANAGER
from opssight_operator.core.plan import PatchTarget
from opssight_operator.core.targets import Rival, Target
from opssight_operator.errors import FieldConflict, OpsSightError
from opssight_operator.reconcile.ports import Owner

from .client import KubeApi
from .failures import ApiFailure, mapped
from .rule_status import refusals
from .rules import read_rule, rule_path

JSON_PATCH = "application/json-patch+json"


class PatchTargets:
    """``ports.Targets`` over JSON patches that hold only for the object that was read.

    The ``test`` is on the resourceVersion, which stands for the whole object. A ``test`` on the expression would say
    less and often fails: the server compares with JSON in which ``<``, ``>`` and ``&`` are escaped.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def observe(self, owner: Owner, name: str) -> Target | None:
        """The object and the other policies that patch in its namespace; None when it is missing."""
        found = await read_rule(self._api, owner.namespace, name)
        if found is None:
            return None
        path = f"/apis/{API_VERSION}/namespaces/{owner.namespace}/{PLURALS['ThresholdPolicy']}"
        created, rivals = "", list[Rival]()
        async for page in self._api.pages(path, what="list ThresholdPolicies"):
            for policy in page:
                if policy["metadata"].get("uid") == owner.uid:
                    created = policy["metadata"].get("creationTimestamp", "")
                elif (rival := _rival(policy)) is not None:
                    rivals.append(rival)
        return _target(found, created, tuple(rivals))

    async def patch(self, owner: Owner, patch: PatchTarget) -> None:
        """One expression of the object; nothing happens unless it is exactly the one that was read."""
        where = f"/spec/groups/{patch.group_index}/rules/{patch.rule_index}"
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": patch.resource_version},
            {"op": "test", "path": f"{where}/alert", "value": patch.alert},
            {"op": "replace", "path": f"{where}/expr", "value": patch.after},
            {"op": "add", "path": "/metadata/annotations", "value": dict(patch.annotations)},
        ]
        with mapped(dict.fromkeys((404, 409, 422), _changed)):
            await self._api.request(
                "PATCH",
                rule_path(owner.namespace, patch.name),
                body=operations,
                content_type=JSON_PATCH,
                query=[("fieldManager", FIELD_MANAGER)],
                what=f"patch PrometheusRule {owner.namespace}/{patch.name}",
            )


def _changed(failure: ApiFailure) -> OpsSightError:
    return FieldConflict(f"{failure.what}: the object has changed meanwhile: {failure.message}")


def _target(found: dict[str, Any], created: str, rivals: tuple[Rival, ...]) -> Target:
    metadata = found["metadata"]
    controllers = [r for r in metadata.get("ownerReferences") or [] if r.get("controller")]
    return Target(
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        groups=tuple(found.get("spec", {}).get("groups") or ()),
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        managers=tuple(str(entry.get("manager", "")) for entry in metadata.get("managedFields") or ()),
        owner=f"{controllers[0].get('kind')} {controllers[0].get('name')}" if controllers else "",
        created=created,
        refusals=refusals(found),
        rivals=rivals,
    )


def _rival(policy: dict[str, Any]) -> Rival | None:
    spec, metadata = policy.get("spec", {}), policy["metadata"]
    delivery = spec.get("delivery", {})
    if delivery.get("mode") != "Patch":
        return None
    try:
        patch = Patch.model_validate(delivery.get("patch"))
    except ValidationError:
        return None  # it says so in its own status
    return Rival(metadata["name"], metadata.get("creationTimestamp", ""), patch, spec.get("bound", "Upper"))
