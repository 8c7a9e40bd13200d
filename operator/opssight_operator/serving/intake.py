"""One request for the engine: let in, read within limits, computed elsewhere, given up when nobody waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive

from .pool import ENDED, Pool, Reply
from .problems import Problem, Refused, too_large
from .settings import ServeSettings
from .worker import FAILED, OUT_OF_MEMORY

_FAILURES = {
    OUT_OF_MEMORY: Problem(413, "too-much-memory", "the request needs more memory than a worker may take; send less"),
    ENDED: Problem(500, "worker-ended", "the process that computed the answer has ended, perhaps for want of memory"),
    FAILED: Problem(500, "internal", "the server has made a mistake; its log tells more under the request_id"),
}


class ClientGone(Exception):
    """Nobody waits for the answer."""


class Intake:
    """Admission, reading, and waiting for the answer, of every operation."""

    def __init__(self, settings: ServeSettings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self.in_progress = 0

    async def answer(self, request: Request, operation: str) -> tuple[int, bytes]:
        """Status and JSON; ``Refused`` and ``ClientGone`` otherwise."""
        settings = self._settings
        self._check_head(request.headers)
        with self._slot():
            try:
                async with asyncio.timeout(settings.max_body_seconds):
                    body = await self._body(request.receive)
            except TimeoutError:
                raise Refused(_slow(settings)) from None
            head = {
                "operation": operation,
                "limits": {"max_points": settings.max_points, "max_series": settings.max_series},
                "now": time.time(),
                "request": request.scope.get("request_id", ""),
            }
            return _told(await self._computed(head, body, request.receive))

    def _check_head(self, headers: Headers) -> None:
        media, _, parameters = headers.get("content-type", "").partition(";")
        charset = parameters.strip().lower().removeprefix("charset=").strip('"')
        if media.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
            given = headers.get("content-type", "")
            detail = f"the content type is {given!r}; it must be application/json in UTF-8"
            raise Refused(Problem(415, "media-type", detail, headers=(("accept", "application/json"),)))
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            detail = f"the content encoding is {coding!r}; it must be left out: send the body as it is"
            raise Refused(Problem(415, "content-encoding", detail, headers=(("accept-encoding", "identity"),)))
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._settings.max_body_bytes:
            raise Refused(too_large("the body in bytes", int(length), self._settings.max_body_bytes, "max_body_bytes"))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if self.in_progress >= self._settings.max_concurrent:
            detail = (
                f"{self.in_progress} requests are under way, which is all that the server takes "
                "(its setting max_concurrent); try again in a second"
            )
            raise Refused(Problem(429, "busy", detail, headers=(("retry-after", "1"),)))
        self.in_progress += 1
        try:
            yield
        finally:
            self.in_progress -= 1

    async def _body(self, receive: Receive) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._settings.max_body_bytes:
                raise Refused(too_large("the body in bytes", size, self._settings.max_body_bytes, "max_body_bytes"))
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def _computed(self, head: dict[str, object], body: bytes, receive: Receive) -> Reply:
        work = asyncio.ensure_future(self._pool.run(head, body))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({work, gone}, timeout=self._settings.max_seconds, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if gone.done():
                raise ClientGone
            raise Refused(_long(self._settings))
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _told(reply: Reply) -> tuple[int, bytes]:
    if not reply.failure:
        return reply.status, reply.body
    raise Refused(_FAILURES[reply.failure])


def _slow(settings: ServeSettings) -> Problem:
    detail = f"the body has not arrived within {settings.max_body_seconds:g} seconds (the setting max_body_seconds)"
    return Problem(408, "slow-body", detail, headers=(("connection", "close"),))


def _long(settings: ServeSettings) -> Problem:
    detail = (
        f"there was no answer within {settings.max_seconds:g} seconds (the setting max_seconds of the server); "
        "send fewer points, choose a faster method, or try again when there is less to do"
    )
    return Problem(503, "time-out", detail, headers=(("retry-after", "5"),))
