"""What a leading replica does beside the runs, against an API server that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from opssight_operator.adapters.telemetry import Telemetry
from opssight_operator.controllers.scheduler import Scheduler
from opssight_operator.leading import Leading
from opssight_operator.settings import Settings
from unit.adapters.kube_server import Answer, Asked, Server, connected, serving


@contextlib.asynccontextmanager
async def leading(answer: Answer, **settings: Any) -> AsyncIterator[tuple[Leading, Server]]:
    """A replica that has not begun to watch."""
    async with serving(answer) as server, connected(server) as api:
        yield Leading(Settings(**settings), api, Telemetry(), identity="me", stopping=asyncio.Event()), server


async def test_a_sweep_that_fails_by_a_defect_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    turns = itertools.count()

    def answer(_: Asked) -> web.Response:
        return web.json_response({"items": [{"no": "metadata"}] if next(turns) == 0 else []})

    async with leading(answer, sweep_seconds=0.02) as (replica, server):
        sweeping = asyncio.create_task(replica._sweep())
        async with asyncio.timeout(5):
            while len(server.asked) < 9:
                await asyncio.sleep(0.01)
        assert not sweeping.done()
        sweeping.cancel()
    assert caplog.messages.count("deleted resources could not be looked for by a defect") == 1


async def test_why_the_scheduler_failed_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Scheduler) -> None:
        raise KeyError("an entry")

    monkeypatch.setattr(Scheduler, "_collect_due", broken)
    async with leading(lambda _: web.json_response({})) as (replica, _):
        stops = asyncio.Event()
        replica._start_tasks(stops)
        async with asyncio.timeout(5):
            await stops.wait()
        for task in replica._tasks:
            task.cancel()
    assert "the scheduler failed by a defect" in caplog.messages
    assert "KeyError: 'an entry'" in caplog.text


async def test_a_source_that_does_not_parse_keeps_the_others_and_the_operator_going(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = {"metadata": {"name": "whole", "uid": "1"}, "spec": {"url": "http://prometheus"}}
    broken = {"metadata": {"name": "broken", "uid": "2"}, "spec": {"url": 7}}
    async with leading(lambda _: web.json_response({"items": [broken, whole]})) as (replica, _):
        await replica._prepare(clusterwide=False)
        assert replica._sources.get("whole") is not None
        assert replica._sources.get("broken") is None
    assert "a MetricsSource does not parse" in caplog.messages


async def test_what_runs_is_ended_before_the_lease_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody asked for a stop, but the scheduler failed."""
    ended: list[str] = []

    async def run(key: object) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(str(key))

    def broken(self: Scheduler) -> None:
        raise KeyError("an entry")

    async with leading(lambda _: web.json_response({})) as (replica, _):
        scheduler, stops = replica._runtime.scheduler, asyncio.Event()
        scheduler._work = run  # type: ignore[assignment]
        scheduler.put("a", uid="a", lanes=(), interval=60.0)
        replica._start_tasks(stops)
        await asyncio.sleep(0.05)
        monkeypatch.setattr(Scheduler, "_collect_due", broken)
        scheduler.put("b", uid="b", lanes=(), interval=60.0)
        async with asyncio.timeout(5):
            await stops.wait()
        assert ended == []
        await replica._end()
    assert ended == ["a"]
