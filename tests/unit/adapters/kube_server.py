"""An API server that misbehaves as the test says; what it was asked is kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from opssight_operator.adapters.kubernetes.client import KubeApi

Answer = Callable[["Asked"], Awaitable[web.StreamResponse] | web.StreamResponse]


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    at: float
    connection: Any


@dataclass
class Server:
    """``answer`` is what it says to everything; ``asked`` is what came in."""

    answer: Answer = lambda _: web.json_response({})
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        asked = Asked(
            request.method,
            request.path,
            dict(request.query),
            dict(request.headers),
            json.loads(raw) if raw else None,
            asyncio.get_running_loop().time(),
            request.transport,
        )
        self.asked.append(asked)
        said = self.answer(asked)
        return said if isinstance(said, web.StreamResponse) else await said


def failure(status: int, reason: str = "", message: str = "", **headers: str) -> web.Response:
    """A ``Status`` object, as the API server answers."""
    body = {"kind": "Status", "apiVersion": "v1", "code": status, "reason": reason, "message": message}
    return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def silence(_: Asked) -> web.StreamResponse:
    """No answer for a long time."""
    await asyncio.sleep(3600)
    raise AssertionError("unreachable")


@contextlib.asynccontextmanager
async def serving(answer: Answer | None = None) -> AsyncIterator[Server]:
    """The server, listening."""
    server = Server() if answer is None else Server(answer)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def connected(server: Server, *, timeout: float = 5.0, retries: int = 2) -> AsyncIterator[KubeApi]:
    """A connection to it."""
    api = KubeApi(ApiClient(Configuration(host=server.url)), timeout=timeout, retries=retries)
    try:
        yield api
    finally:
        await api.close()
