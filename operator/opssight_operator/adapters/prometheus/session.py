"""The session underneath prometheus-api-client: its requests are bounded, and its answers are read while they arrive.

What that client does otherwise, and this undoes: the parameters of a POST go into the url, there is no time-out,
heavy queries are retried, and the whole answer is held as text and again as Python objects.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import requests

from opssight_operator.core.timing import pause_asked
from opssight_operator.errors import OpsSightError, PrometheusUnreachable

from .deadlines import Deadline
from .errors import chain_of, ours, refused, too_late, too_long
from .transport import StaleConnection

PIECE = 425_984  # bytes that are read at once: more is faster, and needs more room
REFUSAL = 65_536  # bytes of an answer other than 200 that are read at most
CONNECT_SECONDS = 5.0
USER_AGENT = "opssight-operator"


class Answer(requests.Response):
    """An answer whose body has not been read. ``pieces`` reads it; ``close`` must be called in the end."""

    deadline: Deadline
    max_bytes: int
    ended: Callable[[Deadline], None]

    def json(self, **_: Any) -> Any:
        """What prometheus-api-client takes its result out of: the answer itself, to be read by whoever asked."""
        return {"data": {"result": self}}

    def pieces(self) -> Iterator[bytes]:
        """The body, piece by piece; raises errors of ours alone."""
        held = 0
        while True:
            with meaning(self.deadline):
                piece: bytes = self.raw.read(PIECE, decode_content=False)
            if self.deadline.expired:  # what a dead socket gives looks like an end
                raise too_late(self.deadline.seconds)
            if not piece:
                return
            held += len(piece)
            if held > self.max_bytes:
                raise too_long(self.max_bytes)
            yield piece

    def whole(self) -> bytes:
        """The body at once."""
        return b"".join(self.pieces())

    def close(self) -> None:
        """End the request; a connection whose answer was not read to its end is closed."""
        self.deadline.done()
        self.ended(self.deadline)
        if not self.raw.isclosed():
            self.raw.close()
        self.raw.release_conn()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PrometheusSession(requests.Session):
    """Requests that take at most ``seconds`` and whose answers are at most ``max_bytes`` long.

    ``token`` gives the bearer token to send, or None; with a ``username`` it is the password of that. ``headers`` go
    with every request. A request goes straight to the adapter: no redirect is followed, no proxy or credential of the
    environment is looked at, no cookie is kept.
    """

    def __init__(
        self,
        seconds: float,
        max_bytes: int,
        token: Callable[[], str | None],
        *,
        username: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.headers.clear()
        self.headers.update(headers or {})
        self.headers.update({"Accept-Encoding": "identity", "Accept": "application/json", "User-Agent": USER_AGENT})
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._token = token
        self._username = username
        self._under_way: set[Deadline] = set()

    def request(self, method: Any, url: Any, params: Any = None, **options: Any) -> Answer:  # type: ignore[override]
        """An answer with status 200, or one of our errors."""
        deadline = Deadline(self._seconds)
        self._under_way.add(deadline)
        try:
            with meaning(deadline), deadline:
                request = self._prepared(str(method).upper(), url, params or {}, options.get("headers") or {})
                response = self._sent(request, deadline)
            return self._answer(response, deadline)
        except BaseException:
            deadline.done()
            self._under_way.discard(deadline)
            raise

    def cut(self) -> None:
        """End everything that is under way."""
        for deadline in list(self._under_way):
            deadline.cut()

    def _prepared(
        self, method: str, url: str, fields: Mapping[str, str], more: Mapping[str, str]
    ) -> requests.PreparedRequest:
        """The request, without what ``requests`` merges into each one: that takes a third of a small query's time."""
        request = requests.PreparedRequest()
        request.prepare_method(method)
        request.prepare_url(url, {} if method == "POST" else fields)
        request.prepare_headers({**self.headers, **more})
        if method == "POST":
            request.prepare_body(urlencode(fields), None)
            request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        token = self._token()
        if token is not None:
            request.headers["Authorization"] = _authorization(self._username, token)
        return request

    def _sent(self, request: requests.PreparedRequest, deadline: Deadline) -> requests.Response:
        """The head of an answer; asked again where a kept connection was dead, until there is a fresh one."""
        adapter = self.get_adapter(request.url or "")
        patience = (min(CONNECT_SECONDS, self._seconds), self._seconds + 1)  # the deadline comes first
        while True:
            try:
                return adapter.send(request, stream=True, timeout=patience)
            except requests.exceptions.ConnectionError as error:
                if deadline.expired or not any(isinstance(link, StaleConnection) for link in chain_of(error)):
                    raise

    def _answer(self, response: requests.Response, deadline: Deadline) -> Answer:
        answer = Answer()
        answer.__dict__.update(response.__dict__)
        answer.deadline, answer.max_bytes, answer.ended = deadline, self._max_bytes, self._under_way.discard
        try:
            if answer.status_code != 200:
                answer.max_bytes = REFUSAL
                asked = pause_asked(answer.headers.get("Retry-After", ""), time.time())
                raise refused(answer.status_code, _beginning(answer), asked)
            encoding = answer.headers.get("Content-Encoding", "identity").lower()
            if encoding != "identity":
                raise PrometheusUnreachable("the answer is compressed, although that was refused; a proxy may do that")
        except BaseException:
            answer.close()
            raise
        return answer


def _authorization(username: str | None, token: str) -> str:
    if username is None:
        return f"Bearer {token}"
    return f"Basic {base64.b64encode(f'{username}:{token}'.encode()).decode()}"


def _beginning(answer: Answer) -> bytes:
    """As much of a refusal as may be read; none when it cannot be read."""
    body = b""
    try:
        for piece in answer.pieces():
            body += piece
    except OpsSightError:
        if answer.deadline.expired:
            raise
    return body


@contextmanager
def meaning(deadline: Deadline) -> Iterator[None]:
    """Turns what a connection raises into errors of ours."""
    try:
        yield
    except OpsSightError:
        raise
    except Exception as error:
        meant = too_late(deadline.seconds) if deadline.expired else ours(error)
        if meant is None:
            raise
        raise meant from error
