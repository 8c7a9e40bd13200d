"""A door in front of a real server that misbehaves as the test says: it passes, refuses, cuts, drips or hangs.

The server behind stays real; what a network, an overloaded server or a proxy does to a client happens here.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Self

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

Kind = Literal["refuse", "cut", "half", "hang", "slow"]
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Fault:
    """What happens to a request that ``hits``; nothing else is touched."""

    kind: Kind
    status: int = 500
    body: bytes = b""
    seconds: float = 0.0
    retry_after: str = ""
    hits: Callable[[str, str], bool] = lambda method, path: True


def api_failure(
    status: int, reason: str, hits: Callable[[str, str], bool] | None = None, retry_after: str = ""
) -> Fault:
    """The API server refuses with a ``Status`` object."""
    body = json.dumps({"kind": "Status", "apiVersion": "v1", "code": status, "reason": reason, "message": reason})
    return Fault("refuse", status, body.encode(), retry_after=retry_after, hits=hits or (lambda method, path: True))


class FaultyDoor:
    """Listens on loopback in a thread of its own; ``fault`` may be set at any time, from any thread."""

    def __init__(self, target: str, ca: str | None = None) -> None:
        self.target = target.rstrip("/")
        self.fault: Fault | None = None
        self.seen: Counter[str] = Counter()
        """How many requests were passed or met each kind of fault, and of those that were passed: how many found the
        server ``gone``, and to how many it answered with a 5xx (``failed``)."""
        self.hanging = 0
        """How many requests wait now for an answer that does not come."""
        self._tls: ssl.SSLContext | Literal[False] = ssl.create_default_context(cafile=ca) if ca else False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut_all(self) -> None:
        """End every connection that is open now, in the middle of what it carries: watches, and those that are kept."""
        self._loop.call_soon_threadsafe(self._cut_all)

    def close(self) -> None:
        """Listen no more, so that connections are refused, and cut those that are open."""
        self._soon(self._site.stop())
        self.cut_all()

    def open(self) -> None:
        """Listen again, at the same address."""
        self._soon(self._listen(int(self.url.rpartition(":")[2])))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _cut_all(self) -> None:
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._stop())
        self._loop.close()

    async def _start(self) -> None:
        self._client = ClientSession(
            connector=TCPConnector(ssl=self._tls, limit=0), timeout=ClientTimeout(total=None), auto_decompress=False
        )
        application = web.Application(client_max_size=1 << 26)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen(0)
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _listen(self, port: int) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()

    async def _stop(self) -> None:
        self._cut_all()
        await asyncio.sleep(0.1)
        await self._client.close()
        await self._runner.cleanup()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.fault
        if fault is None or not fault.hits(request.method, request.path_qs):
            self.seen["passed"] += 1
            return await self._pass(request)
        self.seen[fault.kind] += 1
        if fault.kind == "refuse":
            headers = {
                "Content-Type": "application/json",
                **({"Retry-After": fault.retry_after} if fault.retry_after else {}),
            }
            return web.Response(status=fault.status, body=fault.body, headers=headers)
        if fault.kind == "hang":
            await self._hang(request)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return await self._pass(request)
        if fault.kind == "half":
            return await self._pass(request, half=True)
        self._abort(request)
        raise web.HTTPBadGateway

    async def _hang(self, request: web.Request) -> None:
        """Until the client has had enough."""
        self.hanging += 1
        try:
            while request.transport is not None:
                await asyncio.sleep(0.05)
        finally:
            self.hanging -= 1

    def _abort(self, request: web.Request) -> None:
        if request.transport is not None:
            request.transport.abort()

    async def _pass(self, request: web.Request, half: bool = False) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in {*HOP_BY_HOP, "host"}}
        response: web.StreamResponse | None = None
        try:
            try:
                answer = await self._client.request(
                    request.method,
                    self.target + request.path_qs,
                    data=body or None,
                    headers=headers,
                    allow_redirects=False,
                )
            except (OSError, ClientError):
                self.seen["gone"] += 1
                raise
            self.seen["failed"] += answer.status >= 500
            async with answer:
                kept = {n: v for n, v in answer.headers.items() if n.lower() not in HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                if half:
                    whole = await answer.read()
                    response.content_length = len(whole)
                    await response.prepare(request)
                    await response.write(whole[: max(len(whole) // 2, 1)])
                    self._abort(request)
                    return response
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (OSError, ClientError):  # one of the two sides is gone, and what the other meets is an ended connection
            self._abort(request)
            raise web.HTTPBadGateway from None
