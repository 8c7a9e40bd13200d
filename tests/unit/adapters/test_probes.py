"""What a kubelet and a scraper get to hear, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from opssight_operator.adapters.probes import Probes


class State:
    alive, ready, role = "", "", "leading"
    parts: tuple[bytes, ...] = (b"x 1\n", b"y 2\n")

    def exposition(self, accept: str) -> tuple[Iterator[bytes], str]:
        return iter(self.parts), f"text/plain; asked={len(accept)}"


@contextlib.asynccontextmanager
async def listening(state: State, *, one_port: bool = False) -> AsyncIterator[tuple[str, str]]:
    probes = Probes(
        exposition=state.exposition, alive=lambda: state.alive, ready=lambda: state.ready, role=lambda: state.role
    )
    metrics, health = free(), free()
    if one_port:
        health = metrics
    await probes.start(("127.0.0.1", metrics), ("127.0.0.1", health))
    try:
        yield f"http://127.0.0.1:{metrics}", f"http://127.0.0.1:{health}"
    finally:
        await probes.stop()


def free() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def get(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("one_port", [False, True], ids=["two ports", "one port"])
async def test_metrics_and_probes_answer(one_port: bool) -> None:
    async with listening(State(), one_port=one_port) as (metrics, health):
        assert await get(f"{metrics}/metrics") == (200, "x 1\ny 2\n")
        assert await get(f"{health}/healthz") == (200, "ok")
        assert await get(f"{health}/readyz") == (200, "leading")
        assert (await get(f"{health}/elsewhere"))[0] == 404


async def test_a_probe_fails_with_the_reason_and_at_once() -> None:
    state = State()
    state.alive, state.ready = "the scheduler has not turned for 130 s", "the ServiceAccount lacks: patch x"
    async with listening(state) as (_, health):
        began = time.monotonic()
        assert await get(f"{health}/healthz") == (500, "the scheduler has not turned for 130 s")
        assert await get(f"{health}/readyz") == (500, "the ServiceAccount lacks: patch x")
        assert time.monotonic() - began < 2


async def test_a_long_exposition_does_not_hold_up_a_probe() -> None:
    class Slow(State):
        def exposition(self, accept: str) -> tuple[Iterator[bytes], str]:
            def parts() -> Iterator[bytes]:
                time.sleep(0.5)
                yield b"x 1\n"
                time.sleep(0.5)

            return parts(), "text/plain"

    async with listening(Slow()) as (metrics, health):
        scrape = asyncio.create_task(get(f"{metrics}/metrics"))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await get(f"{health}/healthz")
        assert time.monotonic() - began < 0.7
        await scrape


@pytest.mark.parametrize("good", [0, 1], ids=["at once", "in the middle"])
async def test_an_exposition_that_fails_is_never_a_whole_answer(good: int) -> None:
    class Failing(State):
        def exposition(self, accept: str) -> tuple[Iterator[bytes], str]:
            def parts() -> Iterator[bytes]:
                yield from self.parts[:good]
                raise ValueError("a sample that nobody can write")

            return parts(), "text/plain"

    async with listening(Failing()) as (metrics, _):
        try:
            status, _text = await get(f"{metrics}/metrics")
        except aiohttp.ClientPayloadError:
            status = 0
        assert status == (0 if good else 500)


async def test_the_scraper_is_asked_what_it_understands() -> None:
    async with (
        listening(State()) as (metrics, _),
        aiohttp.ClientSession() as session,
        session.get(f"{metrics}/metrics", headers={"Accept": "four"}) as answer,
    ):
        assert answer.headers["Content-Type"] == "text/plain; asked=4"


async def test_a_port_that_is_taken_is_an_error_at_start() -> None:
    async with listening(State()) as (metrics, _):
        port = int(metrics.rpartition(":")[2])
        probes = Probes(exposition=State().exposition, alive=str, ready=str)
        with pytest.raises(OSError):
            await probes.start(("127.0.0.1", port), ("127.0.0.1", free()))
        await probes.stop()
