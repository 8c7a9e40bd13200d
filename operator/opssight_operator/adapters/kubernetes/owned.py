"""Objects that a resource owns, of whatever kind: how they name their owner, are read and are removed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from opssight_operator.errors import TargetNotFound
from opssight_operator.reconcile.ports import Owner

from .client import KubeApi
from .ownership import Standing, standing


def owner_reference(owner: Owner) -> dict[str, Any]:
    """It carries the uid, so that garbage collection removes the object with the operator dead too."""
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


async def read(api: KubeApi, path: str, place: str) -> dict[str, Any] | None:
    """The object at ``path``, None when there is none; ``place`` names it in errors."""
    try:
        return await api.send("GET", path, what=f"read {place}")
    except TargetNotFound:
        return None


async def remove(api: KubeApi, path: str, place: str, owner: Owner) -> None:
    """Delete the object if ``owner`` owns it, exactly the one that was looked at."""
    found = await read(api, path, place)
    if found is not None and standing(found, owner) is Standing.OURS:
        await remove_exactly(api, path, place, found)


async def remove_exactly(api: KubeApi, path: str, place: str, found: dict[str, Any]) -> None:
    """Delete the object if it is still the very version that was ``found``; raises ``FieldConflict`` if it is not."""
    metadata = found["metadata"]
    preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    with suppress(TargetNotFound):
        await api.send("DELETE", path, body=body, what=f"delete {place}")
