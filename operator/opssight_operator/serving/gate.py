"""What surrounds every request: its id, its token, its line in the log, and an answer whatever happens."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .intake import ClientGone
from .problems import MEDIA_TYPE, Problem, Refused
from .telemetry import ServeTelemetry
from .tokens import TokenFile

OPEN = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs", "/"})
CLIENT_GONE = 499
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger(__name__)


class Gate:
    """ASGI around the application; ``known`` are the paths that get a name of their own in metrics."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: TokenFile | None,
        telemetry: ServeTelemetry,
        open_paths: frozenset[str],
        known: frozenset[str],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._telemetry = telemetry
        self._open = open_paths
        self._known = known
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; other protocols (lifespan) pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock()
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _GOOD_ID.fullmatch(given) else secrets.token_hex(8)
        scope["request_id"] = request_id
        answer = _Answer(send, request_id)
        try:
            if not self._may(scope["path"], headers):
                raise Refused(_unauthorized())
            await self._app(scope, receive, answer.send)
        except Refused as refused:
            await problem_response(refused.problem, request_id)(scope, receive, answer.send)
        except ClientGone:
            answer.status = CLIENT_GONE
        except Exception:
            log.exception("a request failed", extra={"request": request_id})
            if not answer.status:
                problem = Problem(500, "internal", "the server has made a mistake; its log tells more")
                await problem_response(problem, request_id)(scope, receive, answer.send)
        finally:
            self._tell(scope, answer, self._clock() - began)

    def _may(self, path: str, headers: Headers) -> bool:
        return self._tokens is None or path in self._open or self._tokens.allows(headers.get("authorization"))

    def _tell(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        path, status = scope["path"], answer.status or CLIENT_GONE
        self._telemetry.answered(path if path in self._known else "other", status, seconds)
        quiet = path in ("/healthz", "/readyz", "/metrics")
        log.log(
            logging.DEBUG if quiet else logging.INFO,
            "request",
            extra={
                "method": scope["method"],
                "path": quote(path[:200]),
                "status": status,
                "seconds": round(seconds, 4),
                "bytes": answer.size,
                "client": (scope.get("client") or ("",))[0],
                "request": scope["request_id"],
            },
        )


class _Answer:
    """Sends on, and remembers what it was."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.size = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            headers["x-content-type-options"] = "nosniff"
            headers.setdefault("cache-control", "no-store")
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)


def problem_response(problem: Problem, request_id: str) -> Response:
    """A problem as an answer."""
    return Response(problem.body(request_id), problem.status, dict(problem.headers), MEDIA_TYPE)


def _unauthorized() -> Problem:
    detail = "the header Authorization must be 'Bearer' and a token that the server knows"
    return Problem(401, "unauthorized", detail, headers=(("www-authenticate", 'Bearer realm="opssight"'),))
