"""What a MetricsSource sends besides the query, as a server on a real socket sees it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from opssight_operator.adapters.prometheus.sources import Sources
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.metrics_source import MetricsSource, MetricsSourceSpec, MetricsSourceStatus
from unit.adapters.test_prometheus_hostile import GOOD, says, served

REF = {"name": "prom", "key": "secret"}
BASIC = base64.b64encode("12345:pässword".encode()).decode()
SENT: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing that was not asked for": ({}, {}),
    "a token": ({"auth": {"bearerToken": {"secretRef": REF}}}, {"authorization": "Bearer pässword"}),
    "a name and a password": (
        {"auth": {"basic": {"username": "12345", "passwordSecretRef": REF}}},
        {"authorization": f"Basic {BASIC}"},
    ),
    "a tenant": ({"headers": {"X-Scope-OrgID": "shop|bank"}}, {"x-scope-orgid": "shop|bank"}),
    "a tenant with a password": (
        {
            "headers": {"X-Scope-OrgID": "shop", "X-Team": "web"},
            "auth": {"basic": {"username": "12345", "passwordSecretRef": REF}},
        },
        {"x-scope-orgid": "shop", "x-team": "web", "authorization": f"Basic {BASIC}"},
    ),
}
ALWAYS = {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"}


def head(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize(("spec", "headers"), SENT.values(), ids=SENT)
async def test_what_is_sent_with_a_query(spec: dict[str, Any], headers: dict[str, str]) -> None:
    async def secret(name: str) -> Mapping[str, str]:
        assert name == "prom"
        return {"secret": base64.b64encode("pässword\n".encode()).decode()}

    sources = Sources(threads=1, max_cells=1000, read_secret=secret, namespace_labels=lambda _: {})
    with served(says("200 OK", GOOD)) as server:
        sources.update(
            MetricsSource(
                metadata=ObjectMeta(name="default", namespace="", uid="u", generation=1),
                spec=MetricsSourceSpec.model_validate({"url": server.url, **spec}),
                status=MetricsSourceStatus(),
            )
        )
        try:
            await sources.bind("default", "shop").range("x", 1_700_000_040, 1_700_000_100, 60)
        finally:
            sources.close()
    (request,) = server.requests
    found = head(request)
    assert {name: value for name, value in found.items() if name not in ALWAYS} == headers
    assert found["accept-encoding"] == "identity"
