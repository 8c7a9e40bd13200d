"""Who may use which source, with whose credentials, and how many at once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import numpy as np
import pytest

from opssight_operator.adapters.prometheus import credentials
from opssight_operator.adapters.prometheus.client import PrometheusClient
from opssight_operator.adapters.prometheus.errors import refused
from opssight_operator.adapters.prometheus.grid import Grid
from opssight_operator.adapters.prometheus.sources import Sources, limits_of
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.metrics_source import MetricsSource, MetricsSourceSpec, MetricsSourceStatus
from opssight_operator.core.observation import Frame
from opssight_operator.errors import (
    KubernetesUnavailable,
    NotAllowed,
    OpsSightError,
    PrometheusUnreachable,
    SourceMissing,
)


def a_source(name: str = "default", *, url: str = "http://127.0.0.1:1", **spec: Any) -> MetricsSource:
    return MetricsSource(
        metadata=ObjectMeta(name=name, namespace="", uid="u", generation=1),
        spec=MetricsSourceSpec.model_validate({"url": url, **spec}),
        status=MetricsSourceStatus(),
    )


class World:
    """Namespaces and Secrets, and what was read of them."""

    def __init__(self) -> None:
        self.namespaces: dict[str, dict[str, str]] = {"shop": {"team": "web"}, "bank": {}}
        self.secrets: dict[str, dict[str, str]] = {"prom": {"token": base64.b64encode(b"t0ken\n").decode()}}
        self.reads = 0
        self.error: OpsSightError | None = None
        self.silent: asyncio.Event | None = None
        self.queried: list[tuple[str, str]] = []

    async def secret(self, name: str) -> Mapping[str, str]:
        self.reads += 1
        if self.silent is not None:
            await self.silent.wait()
        if self.error is not None:
            raise self.error
        return self.secrets[name]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def sources(world: World) -> AsyncIterator[Sources]:
    made = Sources(
        threads=4,
        max_cells=1000,
        read_secret=world.secret,
        namespace_labels=lambda name: world.namespaces.get(name, {}),
        queried=lambda source, outcome, _: world.queried.append((source, outcome)),
    )
    yield made
    made.close()


def test_a_source_that_is_not_there_is_missing(sources: Sources) -> None:
    with pytest.raises(SourceMissing, match="no MetricsSource named default"):
        sources.bind("default", "shop")
    assert sources.get("default") is None


ALLOWED = {
    "nothing said": (None, "bank", True),
    "by name": ({"names": ["shop"]}, "shop", True),
    "not by name": ({"names": ["shop"]}, "bank", False),
    "by label": ({"matchLabels": {"team": "web"}}, "shop", True),
    "not by label": ({"matchLabels": {"team": "web"}}, "bank", False),
    "by another value of the label": ({"matchLabels": {"team": "db"}}, "shop", False),
    "by name although not by label": ({"names": ["bank"], "matchLabels": {"team": "web"}}, "bank", True),
    "a namespace nobody knows": ({"matchLabels": {"team": "web"}}, "new", False),
    "neither names nor labels": ({}, "shop", False),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_only_allowed_namespaces_may_use_a_source(case: str, sources: Sources) -> None:
    allowed, namespace, may = ALLOWED[case]
    sources.update(a_source(tenancy={"allowedNamespaces": allowed} if allowed is not None else {}))
    if may:
        sources.bind("default", namespace)
    else:
        with pytest.raises(NotAllowed, match=f"default does not serve namespace {namespace}"):
            sources.bind("default", namespace)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """The expressions that reach Prometheus, and the token that would go with them."""
    found: list[tuple[str, str | None]] = []

    def answer(self: PrometheusClient, expression: str, grid: Grid) -> Frame:
        found.append((expression, self._session._token()))
        return Frame(grid.times, np.zeros((grid.rows, 1)), ({},))

    monkeypatch.setattr(PrometheusClient, "range", answer)
    return found


TENANCY = {"enforcedMatchers": [{"label": "namespace", "value": "$(namespace)"}, {"label": "cluster", "value": "eu"}]}


async def test_queries_carry_the_matchers_of_their_namespace(sources: Sources, asked: list[Any]) -> None:
    sources.update(a_source(tenancy=TENANCY))
    await sources.bind("default", "shop").range("x", 0, 60, 60)
    await sources.bind("default", "bank").range("x", 0, 60, 60)
    assert [expression for expression, _ in asked] == [
        'x{namespace="shop",cluster="eu"}',
        'x{namespace="bank",cluster="eu"}',
    ]


async def test_a_query_that_reaches_outside_never_reaches_prometheus(sources: Sources, asked: list[Any]) -> None:
    sources.update(a_source(tenancy=TENANCY))
    for _ in range(2):  # the second time from memory
        with pytest.raises(NotAllowed, match="bank"):
            await sources.bind("default", "shop").range('x{namespace="bank"}', 0, 60, 60)
    assert asked == []


@pytest.mark.parametrize("query", ["x", "x offset -1m"], ids=["cached", "not cached"])
async def test_a_result_that_claims_another_namespace_is_refused(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """As label_replace can make it; for its own namespace the same answer is fine."""

    def answer(self: PrometheusClient, expression: str, grid: Grid) -> Frame:
        return Frame(grid.times, np.zeros((grid.rows, 1)), ({"namespace": "bank", "cluster": "eu"},))

    monkeypatch.setattr(PrometheusClient, "range", answer)
    sources.update(a_source(tenancy=TENANCY))
    assert (await sources.bind("default", "bank").range(query, 0, 60, 60)).n_series == 1
    with pytest.raises(NotAllowed, match='namespace="bank"'):
        await sources.bind("default", "shop").range(query, 0, 60, 60)


async def test_the_same_query_of_two_resources_is_one_fetch(sources: Sources, asked: list[Any]) -> None:
    sources.update(a_source(tenancy=TENANCY))
    one, two = sources.bind("default", "shop"), sources.bind("default", "shop")
    await asyncio.gather(one.range("x # one", 0, 60, 60), two.range("x", 0, 60, 60))
    assert len(asked) == 1


async def test_the_ends_of_the_range_are_pinned_and_not_remembered(sources: Sources, asked: list[Any]) -> None:
    sources.update(a_source())
    for _ in range(2):
        await sources.bind("default", "shop").range("x - x @ end()", 0, 60, 60)
    assert [expression for expression, _ in asked] == ["x - x @ 60.000"] * 2


async def test_what_we_cannot_read_is_left_to_the_server(sources: Sources, asked: list[Any]) -> None:
    sources.update(a_source())
    await sources.bind("default", "shop").range("x §", 0, 60, 60)
    assert [expression for expression, _ in asked] == ["x §"]


TOKEN = {"bearerToken": {"secretRef": {"name": "prom", "key": "token"}}}


async def test_the_token_comes_from_its_secret(sources: Sources, world: World, asked: list[Any]) -> None:
    sources.update(a_source(auth=TOKEN))
    for end in (60, 120, 180):
        await sources.bind("default", "shop").range("x", 0, end, 60)
    assert {token for _, token in asked} == {"t0ken"}
    assert world.reads == 1


async def test_a_replaced_token_is_read_after_a_refusal(
    sources: Sources, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = []

    def refuse(self: PrometheusClient, *_: object) -> Frame:
        tokens.append(self._session._token())
        raise refused(401, b"")

    monkeypatch.setattr(PrometheusClient, "range", refuse)
    monkeypatch.setattr(credentials, "AGAIN_SECONDS", 0.0)
    sources.update(a_source(auth=TOKEN))
    for token in (b"old", b"new"):
        world.secrets["prom"]["token"] = base64.b64encode(token).decode()
        with pytest.raises(PrometheusUnreachable):
            await sources.bind("default", "shop").range("x", 0, 60, 60)
    assert tokens == ["old", "new"]
    assert world.queried == [("default", "PrometheusUnreachable")] * 2


async def test_an_outage_of_prometheus_reads_no_secret_again(
    sources: Sources, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: PrometheusClient, *_: object) -> Frame:
        raise PrometheusUnreachable("Prometheus cannot be asked: no connection")

    monkeypatch.setattr(PrometheusClient, "range", gone)
    monkeypatch.setattr(credentials, "AGAIN_SECONDS", 0.0)
    sources.update(a_source(auth=TOKEN))
    for _ in range(10):
        with pytest.raises(PrometheusUnreachable):
            await sources.bind("default", "shop").range("x", 0, 60, 60)
    assert world.reads == 1


async def test_reading_a_secret_holds_up_nobody_who_asks(sources: Sources, world: World, asked: list[Any]) -> None:
    """Where the API server is silent, the one place of this source stays free for whoever knows the token."""
    sources.update(a_source(auth=TOKEN, limits={"concurrency": 1}))
    bound = sources.bind("default", "shop")
    await bound.range("x", 0, 60, 60)
    known = sources._known["default"]._credentials
    known.doubt()
    known._tried_at = float("-inf")
    world.silent = asyncio.Event()
    waiting = asyncio.create_task(bound.range("x", 0, 120, 60))
    await asyncio.sleep(0.01)
    assert not known._reading.done() and not sources._known["default"]._gate.locked()
    world.silent.set()
    await waiting


class Wallet:
    """Credentials of a source with a token, on a clock that the test moves."""

    def __init__(self) -> None:
        self.world, self.now = World(), 1000.0
        spec = a_source(auth=TOKEN).spec
        self.credentials = credentials.Credentials(spec, self.world.secret, lambda: self.now)

    async def token_after(self, seconds: float) -> str | None:
        """What is used then, and the reading beside it done."""
        self.now += seconds
        token = (await self.credentials.current()).token
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return token


async def test_a_rotated_token_is_noticed_beside_the_queries() -> None:
    wallet = Wallet()
    assert await wallet.token_after(0) == "t0ken"
    wallet.world.secrets["prom"]["token"] = base64.b64encode(b"new").decode()
    assert await wallet.token_after(30) == "t0ken"
    assert await wallet.token_after(30) == "t0ken", "the query that has it read does not wait for it"
    assert await wallet.token_after(1) == "new"
    assert wallet.world.reads == 2


async def test_a_token_that_is_known_outlives_an_outage_of_the_api_server(caplog: pytest.LogCaptureFixture) -> None:
    wallet = Wallet()
    await wallet.token_after(0)
    wallet.world.error = KubernetesUnavailable("the API server did not answer in time")
    for _ in range(10):
        assert await wallet.token_after(61) == "t0ken"
    assert len(caplog.messages) == 1
    wallet.world.error = None
    wallet.world.secrets["prom"]["token"] = base64.b64encode(b"new").decode()
    await wallet.token_after(61)
    assert await wallet.token_after(1) == "new"


async def test_what_prometheus_refuses_is_read_again_every_few_seconds_at_most() -> None:
    wallet = Wallet()
    for _ in range(100):
        await wallet.token_after(0.1)
        wallet.credentials.doubt()
    assert 3 <= wallet.world.reads <= 4


async def test_a_secret_that_was_deleted_is_said_and_no_more_used() -> None:
    wallet = Wallet()
    await wallet.token_after(0)
    wallet.world.error = SourceMissing("there is no Secret prom")
    await wallet.token_after(61)
    for _ in range(5):
        with pytest.raises(SourceMissing, match="no Secret prom"):
            await wallet.token_after(0.1)
    assert wallet.world.reads == 2


BAD_SECRETS = {
    "no such key": ({"other": ""}, "has no key token"),
    "no base64": ({"token": "a"}, "is not text"),
    "no text": ({"token": base64.b64encode(b"\xff\xfe").decode()}, "is not text"),
}


@pytest.mark.parametrize("case", BAD_SECRETS)
async def test_a_bad_secret_is_named(case: str, sources: Sources, world: World) -> None:
    data, fragment = BAD_SECRETS[case]
    world.secrets["prom"] = data
    sources.update(a_source(auth=TOKEN))
    with pytest.raises(SourceMissing, match=fragment):
        await sources.bind("default", "shop").range("x", 0, 60, 60)


async def test_certificates_that_are_none_are_named(sources: Sources, world: World) -> None:
    world.secrets["ca"] = {"ca.crt": base64.b64encode(b"not a certificate").decode()}
    sources.update(a_source(url="https://127.0.0.1:1", tls={"caSecretRef": {"name": "ca", "key": "ca.crt"}}))
    with pytest.raises(PrometheusUnreachable, match=r"Secret ca of .* holds no PEM certificates"):
        await sources.probe("default")


@pytest.mark.parametrize("url", ["https://[::::]", "https://prometheus:99999", "https://prometheus:0"])
async def test_an_address_that_is_none_is_said_to_be_one_and_no_certificate_blamed(
    sources: Sources, world: World, url: str
) -> None:
    world.secrets["ca"] = {"ca.crt": base64.b64encode(b"not a certificate").decode()}
    sources.update(a_source(url=url, tls={"caSecretRef": {"name": "ca", "key": "ca.crt"}}))
    with pytest.raises(PrometheusUnreachable, match="its url cannot be used"):
        await sources.probe("default")


async def test_no_more_requests_are_under_way_than_allowed(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    import time

    under_way, most, lock = 0, 0, threading.Lock()

    def slow(self: PrometheusClient, expression: str, grid: Grid) -> Frame:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.01)
        with lock:
            under_way -= 1
        raise PrometheusUnreachable("x")

    monkeypatch.setattr(PrometheusClient, "range", slow)
    sources.update(a_source(limits={"concurrency": 2}))
    bound = sources.bind("default", "shop")
    await asyncio.gather(*(bound.range(f"x{n}", 0, 60, 60) for n in range(8)), return_exceptions=True)
    assert most == 2


async def test_sources_that_hang_keep_nobody_else_waiting(
    sources: Sources, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for a thread to ask in, nor for one in which a query is confined to its namespace."""
    import threading

    answer, free = PrometheusClient.range, threading.Event()

    def hang(self: PrometheusClient, expression: str, grid: Grid) -> Frame:
        if expression.startswith("hangs"):
            free.wait(30)
        return answer(self, expression, grid)

    monkeypatch.setattr(PrometheusClient, "range", hang)
    for name in ("first", "second", "third"):
        sources.update(a_source(name, tenancy=TENANCY))
    hanging = [
        asyncio.create_task(sources.bind(name, "shop").range(f"hangs_{n}", 0, 60, 60))
        for name in ("first", "second")
        for n in range(20)
    ]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        frame = await sources.bind("third", "shop").range("x", 0, 60, 60)
    assert frame.n_series == 1
    free.set()
    await asyncio.gather(*hanging)


async def test_a_changed_source_forgets_what_it_knew(sources: Sources, asked: list[Any]) -> None:
    sources.update(a_source())
    bound = sources.bind("default", "shop")
    await bound.range("x", 0, 60, 60)
    sources.update(a_source())  # the same spec
    await bound.range("x", 0, 60, 60)
    assert len(asked) == 1
    sources.update(a_source(url="http://127.0.0.1:2"))
    await bound.range("x", 0, 60, 60)
    assert len(asked) == 2
    sources.remove("default")
    with pytest.raises(SourceMissing):
        await bound.range("x", 0, 60, 60)


def test_limits_have_the_units_of_the_client() -> None:
    limits = limits_of(a_source(limits={"timeout": "1m30s", "maxSeries": 7}).spec, 9)
    assert (limits.seconds, limits.max_series, limits.max_points, limits.max_cells) == (90, 7, 10_000, 9)
