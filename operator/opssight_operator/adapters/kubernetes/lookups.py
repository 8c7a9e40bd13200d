"""What is read once from the API server: Secrets of our own namespace, and lists at start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opssight_operator.api import API_VERSION, PLURALS
from opssight_operator.errors import SourceMissing, TargetNotFound

from .client import KubeApi

METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Lookups:
    """Reads, each with the error that the person behind a MetricsSource can act on."""

    def __init__(self, api: KubeApi, operator_namespace: str) -> None:
        self._api = api
        self._namespace = operator_namespace

    async def secret(self, name: str) -> Mapping[str, str]:
        """``data`` (base64) of a Secret in the operator's namespace."""
        path = f"/api/v1/namespaces/{self._namespace}/secrets/{name}"
        try:
            found = await self._api.send("GET", path, what=f"read Secret {self._namespace}/{name}")
        except TargetNotFound as error:
            raise SourceMissing(f"there is no Secret {name} in the operator's namespace {self._namespace}") from error
        return dict(found.get("data") or {})

    async def sources(self) -> list[dict[str, Any]]:
        """All MetricsSources, so that none is missing when the first detector is run."""
        path = f"/apis/{API_VERSION}/{PLURALS['MetricsSource']}"
        return [item async for page in self._api.pages(path, what="list MetricsSources") for item in page]

    async def uids(self, kind: str, namespaces: Sequence[str] = (), shard_selector: str = "") -> set[str]:
        """The uids of all resources of a kind that there are now, in some namespaces or in all.

        With ``shard_selector`` an API server that knows it leaves out those of other shards.
        """
        scoped = [f"namespaces/{name}/" for name in namespaces] if namespaces and kind != "MetricsSource" else [""]
        query = [("shardSelector", shard_selector)] if shard_selector else []
        found: set[str] = set()
        for scope in scoped:
            path = f"/apis/{API_VERSION}/{scope}{PLURALS[kind]}"
            async for page in self._api.pages(path, query=query, accept=METADATA, what=f"list {PLURALS[kind]}"):
                found.update(item["metadata"]["uid"] for item in page)
        return found

    async def namespace_labels(self) -> dict[str, Mapping[str, str]]:
        """The labels of every namespace."""
        return {
            item["metadata"]["name"]: dict(item["metadata"].get("labels") or {})
            async for page in self._api.pages("/api/v1/namespaces", what="list namespaces")
            for item in page
        }
