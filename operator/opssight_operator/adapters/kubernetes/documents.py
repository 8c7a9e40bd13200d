"""ConfigMaps that we own as a whole: the reports, and what is written down between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opssight_operator.core import conventions
from opssight_operator.core.report_documents import Document
from opssight_operator.errors import NameConflict
from opssight_operator.reconcile.ports import Owner

from .client import APPLY, KubeApi
from .failures import conflict, mapped
from .owned import owner_reference, read, remove
from .ownership import Standing, standing


def document_path(namespace: str, name: str = "") -> str:
    """Where the API server has a ConfigMap."""
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}"


class ConfigMaps:
    """``ports.DocumentStore`` over server-side apply: our field manager, our object, nobody else's."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def read(self, owner: Owner, name: str) -> Mapping[str, str] | None:
        """The data of the ConfigMap of that name, None when there is none that ``owner`` owns."""
        found = await self._get(owner.namespace, name)
        if found is None or standing(found, owner) is not Standing.OURS:
            return None
        return dict(found.get("data") or {})

    async def apply(self, owner: Owner, document: Document) -> None:
        """Make the ConfigMap look like this; yields to a foreign object. It is collected together with its owner."""
        found = await self._get(owner.namespace, document.name)
        place = f"ConfigMap {owner.namespace}/{document.name}"
        if found is not None and standing(found, owner) is Standing.FOREIGN:
            raise NameConflict(
                f"{place} exists and belongs to somebody else; rename this resource or delete that object"
            )
        reference = owner_reference(owner)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": document.name,
                "namespace": owner.namespace,
                "labels": dict(document.labels),
                "ownerReferences": [reference],
            },
            "data": dict(document.data),
        }
        # What a report says is ours alone, so that somebody's edit of it is overruled.
        query = [("fieldManager", conventions.FIELD_MANAGER), ("force", "true")]
        with mapped({409: conflict}):
            await self._api.request(
                "PATCH",
                document_path(owner.namespace, document.name),
                body=body,
                content_type=APPLY,
                query=query,
                what=f"apply {place}",
            )

    async def remove(self, owner: Owner, name: str) -> None:
        """Delete the ConfigMap if ``owner`` owns it, exactly the one that was looked at."""
        await remove(self._api, document_path(owner.namespace, name), f"ConfigMap {owner.namespace}/{name}", owner)

    async def _get(self, namespace: str, name: str) -> dict[str, Any] | None:
        return await read(self._api, document_path(namespace, name), f"ConfigMap {namespace}/{name}")
