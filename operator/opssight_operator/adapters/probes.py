"""The HTTP server of a replica: /metrics on one port, /healthz and /readyz on another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

Check = Callable[[], str]
"""Says what is wrong, or nothing when all is well."""


class Probes:
    """Probes answer at once, from what is known: a probe that waits hides what it should tell."""

    def __init__(
        self,
        *,
        exposition: Callable[[str], tuple[Iterator[bytes], str]],
        alive: Check,
        ready: Check,
        role: Check = lambda: "ok",
    ) -> None:
        """``exposition(accept)`` is /metrics, part by part, and its type; ``role`` is what a ready replica says."""
        self._exposition = exposition
        self._alive = alive
        self._ready = ready
        self._role = role
        self._runners: list[web.AppRunner] = []

    async def start(self, metrics: tuple[str, int], health: tuple[str, int]) -> None:
        """Listen on both addresses; raises ``OSError`` when one is taken."""
        routes = [web.get("/metrics", self._metrics)]
        checks = [web.get("/healthz", _check(self._alive)), web.get("/readyz", _check(self._ready, self._role))]
        if metrics == health:
            await self._listen([*routes, *checks], metrics)
            return
        await self._listen(routes, metrics)
        await self._listen(checks, health)

    async def stop(self) -> None:
        """Close both."""
        for runner in self._runners:
            await runner.cleanup()

    async def _listen(self, routes: list[web.RouteDef], address: tuple[str, int]) -> None:
        application = web.Application()
        application.add_routes(routes)
        runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, *address).start()

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        parts, kind = self._exposition(request.headers.get("Accept", ""))
        part = await asyncio.to_thread(next, parts, None)  # before the head of the answer, for an error to be one
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        while part is not None:
            await response.write(part)
            part = await asyncio.to_thread(next, parts, None)
        await response.write_eof()
        return response


def _check(check: Check, well: Check = lambda: "ok") -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        wrong = check()
        return web.Response(status=500 if wrong else 200, text=wrong or well())

    return answer
