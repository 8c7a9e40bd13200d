"""Start, listen, stop: ``opssight serve``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..adapters.logs import configure
from .app import application
from .intake import Intake
from .pool import Pool
from .problems import MEDIA_TYPE, Problem
from .settings import ServeSettings
from .telemetry import ServeTelemetry
from .tokens import TokenFile

LARGEST_HEAD = 65_536
DISCARDED_BYTES = 268_435_456  # of a body that was refused, so that its sender gets to read the answer

log = logging.getLogger(__name__)


class CannotServe(Exception):
    """What a person has to change first, as a sentence."""


class Server(uvicorn.Server):
    """uvicorn, but SIGTERM first makes the server unready, and then ends it with exit code 0."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self.draining = False
        self._drain_seconds = drain_seconds

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for a graceful stop at the first signal, for a quick one at the second."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        log.info("listening", extra={"host": host, "port": port})

    def _stop(self) -> None:
        if self.draining:
            self.should_exit = self.force_exit = True
            return
        log.info("stopping", extra={"drain_seconds": self._drain_seconds})
        self.draining = True
        asyncio.get_running_loop().call_later(self._drain_seconds, setattr, self, "should_exit", True)


def bounded(idle_seconds: float) -> type[H11Protocol]:
    """Connections that may not idle: between requests, in a head that does not end, in a body that was refused, or
    while an answer is not read."""

    class Bounded(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._since, self._received = self.loop.time(), 0
            self._unread_since = math.inf
            self.loop.call_later(idle_seconds, self._check)

        def data_received(self, data: bytes) -> None:
            if self._unasked:
                self._received += len(data)
                if self._received > DISCARDED_BYTES:
                    self.transport.close()
                    return
            super().data_received(data)

        def on_response_complete(self) -> None:
            self._since, self._received = self.loop.time(), 0
            super().on_response_complete()

        def pause_writing(self) -> None:
            self._unread_since = self.loop.time()
            super().pause_writing()

        def resume_writing(self) -> None:
            self._unread_since = math.inf
            super().resume_writing()

        @property
        def _unasked(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _check(self) -> None:
            now = self.loop.time()
            if self._unread_since + idle_seconds <= now:
                self.transport.abort()  # closing would wait for what is not read
            elif self._unasked and self._since + idle_seconds <= now:
                self.transport.close()
            if not self.transport.is_closing() or self._unread_since < math.inf:
                self.loop.call_later(min(idle_seconds, 1.0), self._check)

        def send_400_response(self, msg: str) -> None:
            body = Problem(400, "not-http", "the request is not HTTP/1.1").body()
            head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            if self._unasked or not self.cycle.response_started:
                self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
            self.transport.close()

    return Bounded


async def serve(settings: ServeSettings) -> None:
    """Until SIGTERM or SIGINT; raises ``CannotServe``."""
    try:
        tokens = TokenFile(Path(settings.token_file)) if settings.token_file else None
    except ValueError as error:
        raise CannotServe(str(error)) from None
    telemetry = ServeTelemetry()
    pool = Pool(
        settings.worker_count,
        memory_bytes=settings.worker_memory_bytes,
        recycle_bytes=settings.worker_recycle_bytes or 2**63,
        log_format=settings.log_format,
        log_level=settings.log_level,
        ended=telemetry.worker_ended,
    )
    intake = Intake(settings, pool)
    telemetry.watch(
        requests_in_progress=lambda: intake.in_progress,
        workers_alive=lambda: pool.alive,
        workers_busy=lambda: pool.busy,
    )
    server: Server

    def ready() -> str:
        if server.draining:
            return "the server is stopping"
        return "" if pool.alive else "no worker has started yet"

    app = application(settings, intake, telemetry, tokens, ready)
    server = Server(_config(settings, app), settings.drain_seconds)
    if tokens is None and not settings.is_local:
        log.warning(
            "everybody who reaches the server may ask, as there is no token_file", extra={"host": settings.host}
        )
    pool.start()
    try:
        await server.serve()
    except SystemExit:
        raise CannotServe(f"port {settings.port} of {settings.host} cannot be listened on; it must be free") from None
    finally:
        await pool.close()
    log.info("stopped")


def _config(settings: ServeSettings, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=bounded(settings.max_idle_seconds),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_keep_alive=int(min(settings.max_idle_seconds, 30)) or 1,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
    )


def run(settings: ServeSettings) -> None:
    """``serve`` as a process."""
    configure(settings.log_format, settings.log_level)
    asyncio.run(serve(settings))
