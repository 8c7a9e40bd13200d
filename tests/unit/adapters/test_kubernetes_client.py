"""The connection to the API server: time limits, retries, what is sent."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from pathlib import Path

import pytest
from aiohttp import web

from opssight_operator.adapters.kubernetes import client
from opssight_operator.adapters.kubernetes.client import APPLY, configuration
from opssight_operator.adapters.kubernetes.failures import ApiFailure
from opssight_operator.errors import InvalidSpec, KubernetesUnavailable, TargetNotFound, Throttled
from unit.adapters.kube_server import Asked, connected, failure, serving, silence


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.01)


async def test_a_body_and_its_type_arrive_as_they_were_given() -> None:
    async with serving(lambda _: web.json_response({"a": 1})) as server, connected(server) as api:
        answer = await api.send("PATCH", "/x", body={"b": [1, "ü"]}, content_type=APPLY, query=[("force", "true")])
    asked = server.asked[0]
    assert answer == {"a": 1}
    assert (asked.method, asked.path, asked.query, asked.body) == ("PATCH", "/x", {"force": "true"}, {"b": [1, "ü"]})
    assert asked.headers["Content-Type"].startswith(APPLY)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_may_succeed_a_moment_later_is_tried_again(status: int) -> None:
    turns = itertools.count()

    def answer(_: Asked) -> web.Response:
        return failure(status) if next(turns) < 2 else web.json_response({"ok": True})

    async with serving(answer) as server, connected(server) as api:
        assert await api.send("GET", "/x") == {"ok": True}
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
async def test_what_will_fail_again_is_not_tried_again(status: int) -> None:
    async with serving(lambda _: failure(status, "Reason", "a sentence")) as server, connected(server) as api:
        with pytest.raises(ApiFailure) as caught:
            await api.request("GET", "/x", what="read x")
    assert len(server.asked) == 1
    assert (caught.value.status, caught.value.reason, caught.value.message) == (status, "Reason", "a sentence")


async def test_tries_are_limited_and_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.05)
    async with serving(lambda _: failure(503)) as server, connected(server) as api:
        with pytest.raises(KubernetesUnavailable):
            await api.send("GET", "/x")
    gaps = [b.at - a.at for a, b in itertools.pairwise(server.asked)]
    assert len(gaps) == 2
    assert gaps[0] >= 0.05 and gaps[1] >= 0.1


async def test_a_server_that_asks_for_a_pause_is_given_one_but_not_any() -> None:
    async with serving(lambda _: failure(429, Retry_After="1")) as server, connected(server, retries=1) as api:
        began = time.monotonic()
        with pytest.raises(Throttled):
            await api.send("GET", "/x")
        assert 1.0 <= time.monotonic() - began < 4.0
    assert client.LONGEST_PAUSE <= 10.0


async def test_a_server_that_asks_for_a_long_pause_is_left_alone_and_what_it_asked_for_is_known() -> None:
    async with serving(lambda _: failure(503, Retry_After="60")) as server, connected(server) as api:
        with pytest.raises(Throttled) as caught:
            await api.send("GET", "/x")
    assert len(server.asked) == 1
    assert caught.value.retry_after == 60.0


async def test_a_server_that_is_silent_is_left_after_the_time_limit() -> None:
    async with serving(silence) as server, connected(server, timeout=0.1, retries=1) as api:
        began = time.monotonic()
        with pytest.raises(KubernetesUnavailable, match="did not answer in time"):
            await api.send("GET", "/x")
        assert time.monotonic() - began < 3.0
    assert len(server.asked) == 2


async def test_a_server_that_is_not_there_is_said_to_be_out_of_reach() -> None:
    async with serving() as server:
        pass
    async with connected(server) as api:
        with pytest.raises(KubernetesUnavailable, match="cannot be reached"):
            await api.send("GET", "/x")


async def test_an_answer_that_is_cut_off_is_the_servers_fault() -> None:
    async def cut(_: Asked) -> web.StreamResponse:
        return web.Response(body=b'{"a":', content_type="application/json")

    async with serving(cut) as server, connected(server) as api:
        with pytest.raises(KubernetesUnavailable):
            await api.send("GET", "/x")


async def test_a_body_that_is_no_status_object_is_never_repeated_to_users() -> None:
    async with (
        serving(lambda _: web.Response(status=422, text="<html>secret</html>")) as server,
        connected(server) as api,
    ):
        with pytest.raises(InvalidSpec) as caught:
            await api.send("POST", "/x", body={}, what="write x")
    assert "secret" not in str(caught.value)
    assert "write x" in str(caught.value)


async def test_being_cancelled_is_not_an_error_of_the_server() -> None:
    async with serving(silence) as server, connected(server) as api:
        task = asyncio.create_task(api.send("GET", "/x"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_proxies_and_netrc_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving() as server:
        api = await client.connect(5.0, {"KUBECONFIG": str(a_kubeconfig(tmp_path, server.url))})
        try:
            await api.send("GET", "/x")
        finally:
            await api.close()
    assert server.asked[0].headers.get("Authorization") == "Bearer a-token"


async def test_a_token_that_is_rotated_in_the_pod_is_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from datetime import datetime, timedelta

    from kubernetes.aio.config import incluster_config

    token, certificate = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    certificate.write_text("any")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate))
    monkeypatch.setattr(client, "IN_CLUSTER_TOKEN", token)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    settings = await configuration({})
    assert settings.host == "https://10.0.0.1:443"
    assert await settings.get_api_key_with_prefix("BearerToken") == "bearer first"
    token.write_text("second")

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now() + timedelta(minutes=2)  # noqa: DTZ005 - as the client does it

    monkeypatch.setattr(incluster_config.datetime, "datetime", Later)
    assert await settings.get_api_key_with_prefix("BearerToken") == "bearer second"


async def test_without_a_kubeconfig_and_outside_of_a_pod_the_person_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(client, "IN_CLUSTER_TOKEN", tmp_path / "none")
    with pytest.raises(ApiFailure, match="KUBECONFIG"):
        await configuration({})


async def test_a_page_that_is_missing_is_found_missing() -> None:
    async with serving(lambda _: failure(404, "NotFound", "not found")) as server, connected(server) as api:
        with pytest.raises(TargetNotFound):
            await api.send("GET", "/x")


def a_kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "a-token"}}],
    }
    path.write_text(json.dumps(config))
    return path
