"""The status subresource of our own kinds."""

from __future__ import annotations

from opssight_operator.api import PLURALS
from opssight_operator.core import conventions
from opssight_operator.reconcile.ports import Owner

from .client import APPLY, KubeApi
from .failures import ApiFailure, ours


class Statuses:
    """``ports.StatusStore``: the whole status in one server-side apply, so that what we drop is gone."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def write(self, owner: Owner, status: dict[str, object]) -> None:
        """Replace the status; an object that is gone, or that was made anew with another uid, is left alone."""
        scope = f"namespaces/{owner.namespace}/" if owner.namespace else ""
        path = f"/apis/{owner.api_version}/{scope}{PLURALS[owner.kind]}/{owner.name}/status"
        metadata: dict[str, object] = {"name": owner.name, "uid": owner.uid}
        if owner.namespace:
            metadata["namespace"] = owner.namespace
        body = {"apiVersion": owner.api_version, "kind": owner.kind, "metadata": metadata, "status": status}
        # The status is ours alone, so that a foreign manager of one of its fields is overruled.
        query = [("fieldManager", f"{conventions.FIELD_MANAGER}-status"), ("force", "true")]
        try:
            await self._api.request(
                "PATCH",
                path,
                body=body,
                content_type=APPLY,
                query=query,
                what=f"write the status of {owner.kind} {owner.namespace}/{owner.name}",
            )
        except ApiFailure as failure:
            if failure.status == 404 or (failure.status == 409 and "uid" in failure.message.lower()):
                return
            raise ours(failure) from failure
        except Exception as error:
            raise ours(error) from error
