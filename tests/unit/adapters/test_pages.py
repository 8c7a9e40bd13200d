"""Lists that are long, read page by page by everyone who reads one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from opssight_operator.adapters.kubernetes.client import KubeApi
from opssight_operator.adapters.kubernetes.lookups import Lookups
from opssight_operator.adapters.kubernetes.patches import PatchTargets
from opssight_operator.reconcile.ports import Owner
from unit.adapters.kube_server import Asked, connected, serving

NAMES = [f"p{number}" for number in range(7)]
OWNER = Owner("opssight.dev/v1alpha1", "ThresholdPolicy", "p3", "shop", "uid-of-p3")


def item(name: str) -> dict[str, Any]:
    patch = {"target": {"name": "rules"}, "alert": "TooSlow"}
    return {
        "metadata": {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": f"2026-01-0{1 + NAMES.index(name)}"},
        "spec": {"url": "http://prometheus", "delivery": {"mode": "Patch", "patch": patch}},
    }


def pages_of_two(asked: Asked) -> web.Response:
    if asked.path.endswith("/prometheusrules/rules"):
        return web.json_response({"metadata": {"name": "rules", "resourceVersion": "1"}, "spec": {"groups": []}})
    begin = int(asked.query.get("continue", "0"))
    following = {"continue": str(begin + 2)} if begin + 2 < len(NAMES) else {}
    return web.json_response({"items": [item(name) for name in NAMES[begin : begin + 2]], "metadata": following})


async def rivals(api: KubeApi) -> list[str]:
    target = await PatchTargets(api).observe(OWNER, "rules")
    assert target is not None and target.created == "2026-01-04"
    return [rival.name for rival in target.rivals]


async def sources(api: KubeApi) -> list[str]:
    return [body["metadata"]["name"] for body in await Lookups(api, "ops").sources()]


async def uids(api: KubeApi) -> list[str]:
    return sorted(uid.removeprefix("uid-of-") for uid in await Lookups(api, "ops").uids("ThresholdPolicy"))


async def namespaces(api: KubeApi) -> list[str]:
    return list(await Lookups(api, "ops").namespace_labels())


READERS: list[tuple[Callable[[KubeApi], Awaitable[list[str]]], list[str]]] = [
    (rivals, [name for name in NAMES if name != "p3"]),
    (sources, NAMES),
    (uids, NAMES),
    (namespaces, NAMES),
]


@pytest.mark.parametrize(("read", "expected"), READERS, ids=lambda one: getattr(one, "__name__", ""))
async def test_a_long_list_is_read_to_its_end(
    read: Callable[[KubeApi], Awaitable[list[str]]], expected: list[str]
) -> None:
    async with serving(pages_of_two) as server, connected(server) as api:
        assert await read(api) == expected
    lists = [asked.query for asked in server.asked if not asked.path.endswith("/rules")]
    assert [query.get("continue") for query in lists] == [None, "2", "4", "6"]
    assert {query["limit"] for query in lists} == {"500"}
