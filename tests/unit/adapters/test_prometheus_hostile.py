"""A server that is broken, slow or malicious: the right error, on time, in little memory."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from opssight_operator.adapters.prometheus.client import Limits, PrometheusClient
from opssight_operator.adapters.prometheus.grid import Grid
from opssight_operator.core.observation import ServerInfo
from opssight_operator.errors import (
    InvalidQuery,
    OpsSightError,
    PrometheusOverloaded,
    PrometheusUnreachable,
    Throttled,
    TooMuchData,
)

SECONDS = 0.3
LATE = f"within {SECONDS} s"  # cases that end by the deadline; the others end before it
GRID = Grid(1_700_000_040_000, 60_000, 2)
Behaviour = Callable[[socket.socket], None]

GOOD = json.dumps(
    {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [{"metric": {"a": "1"}, "values": [[1700000040, "1"], [1700000100, "2"]]}],
        },
    }
).encode()


GOOD_NOW = json.dumps(
    {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[0, "1"]]}]}}
).encode()


@dataclass
class Server:
    """Accepts, reads one request, behaves; what was asked is kept."""

    behaviour: Behaviour
    requests: list[bytes] = field(default_factory=list)
    url: str = ""


def read_request(connection: socket.socket) -> bytes:
    """All of it: closing a socket that was not read to its end resets the connection."""
    with connection.makefile("rb") as lines:
        head = b""
        while (line := lines.readline()) not in (b"", b"\r\n"):
            head += line
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        return head and head + b"\r\n" + lines.read(length)


@contextmanager
def served(behaviour: Behaviour) -> Iterator[Server]:
    server = Server(behaviour)
    listener = socket.create_server(("127.0.0.1", 0))
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ending = threading.Event()

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = read_request(connection)
            if request:
                server.requests.append(request)
                server.behaviour(connection)

    def accept() -> None:
        while not ending.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        ending.set()
        with suppress(OSError), socket.create_connection(listener.getsockname(), timeout=1):
            pass
        thread.join(5)
        listener.close()


MAX_BYTES = 300_000


@dataclass(frozen=True)
class Endpoint:
    """One that we ask, and how its answers begin."""

    ask: Callable[[PrometheusClient], Any]
    start: bytes  # up to the middle of a list
    piece: bytes  # the next entry of that list
    text: bytes  # up to the middle of a text
    good: bytes
    means: Any  # what a good answer is read as


ENDPOINTS = {
    "range": Endpoint(
        ask=lambda client: client.range("x", GRID).values.tolist(),
        start=b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[',
        piece=b'[1,"1"],',
        text=b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"',
        good=GOOD,
        means=[[1.0], [2.0]],
    ),
    "rules": Endpoint(
        ask=lambda client: [(rule.name, rule.health, rule.firing) for rule in client.rules("g")],
        start=b'{"status":"success","data":{"groups":[{"name":"g","rules":[',
        piece=b'{"name":"r","type":"recording"},',
        text=b'{"status":"success","data":{"groups":[{"name":"',
        good=json.dumps(
            {
                "status": "success",
                "data": {
                    "groups": [
                        {"name": "others", "rules": [{"name": "a", "type": "recording"}]},
                        {
                            "name": "g",
                            "rules": [
                                {
                                    "name": "r",
                                    "type": "alerting",
                                    "health": "ok",
                                    "alerts": [{"state": "firing", "labels": {}}, {"state": "pending"}],
                                }
                            ],
                        },
                    ]
                },
            }
        ).encode(),
        means=[("r", "ok", 1)],
    ),
    "server": Endpoint(
        ask=lambda client: client.server().version,
        start=b'{"status":"success","data":{"version":"3.0.0","features":[',
        piece=b"[],",
        text=b'{"status":"success","data":{"version":"',
        good=b'{"status":"success","data":{"version":"3.0.0","goVersion":"go1.24"}}',
        means="3.0.0",
    ),
}


def ask(url: str, seconds: float = 10.0, endpoint: str = "range", max_cells: int = 1000) -> Any:
    client = PrometheusClient(url, Limits(seconds=seconds, max_bytes=MAX_BYTES, max_cells=max_cells))
    try:
        return ENDPOINTS[endpoint].ask(client)
    finally:
        client.close()


def says(status: str, body: bytes = b"", **headers: str) -> Behaviour:
    """An answer of known length."""
    head = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
    return lambda connection: connection.sendall(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body)


def chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def for_ever(start: bytes, piece: bytes, pause: float = 0.0) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return behave


def reset(start: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        if start:
            connection.sendall(start)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return behave


def silence(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def failure(kind: str, error: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": error}).encode()


DEEP = b'{"status":"success","data":{"resultType":"matrix","result":'
BOMB = gzip.compress(b" " * 50_000_000)

Case = tuple[Behaviour, type[OpsSightError], str]


def cases(of: Endpoint) -> dict[str, Case]:
    """Everything that a server may do where it is asked this."""
    return {
        "samples without end": (
            for_ever(CHUNKED + chunk(of.start), chunk(of.piece * 2000)),
            TooMuchData,
            "limits.maxBytes",
        ),
        "one label without end": (
            for_ever(CHUNKED + chunk(of.text), chunk(b"a" * 60_000)),
            TooMuchData,
            "limits.maxBytes",
        ),
        "bytes without end and without length": (
            for_ever(b"HTTP/1.1 200 OK\r\n\r\n" + of.start, b"1" * 60_000),
            TooMuchData,
            "limits.maxBytes",
        ),
        "a header without end": (
            for_ever(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 60_000),
            PrometheusUnreachable,
            "no connection",
        ),
        "headers without end": (
            for_ever(b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * 500),
            PrometheusUnreachable,
            "no connection",
        ),
        "interim answers without end": (
            for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.001),
            PrometheusUnreachable,
            LATE,
        ),
        "a header, byte after byte": (
            for_ever(b"HTTP/1.1 200 OK\r\nX: ", b"a", 0.05),
            PrometheusUnreachable,
            LATE,
        ),
        "a body, byte after byte": (for_ever(CHUNKED, chunk(b" "), 0.05), PrometheusUnreachable, LATE),
        "a refusal, byte after byte": (
            for_ever(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b" "), 0.05),
            PrometheusUnreachable,
            LATE,
        ),
        "silence": (silence, PrometheusUnreachable, LATE),
        "silence after the start": (
            lambda c: (c.sendall(CHUNKED + chunk(of.start)), silence(c)),  # type: ignore[dict-item,return-value]
            PrometheusUnreachable,
            LATE,
        ),
        "a chunk of negative size": (for_ever(CHUNKED + b"-1\r\n", b"1" * 60_000), PrometheusUnreachable, "broke off"),
        "a chunk of no size": (for_ever(CHUNKED + b"zz\r\n", b"1" * 60_000), PrometheusUnreachable, ""),
        "a redirect": (says("302 Found", Location="http://127.0.0.1:1/"), PrometheusUnreachable, "redirect"),
        "a redirect with a body without end": (
            for_ever(b"HTTP/1.1 307 T\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"a" * 60_000)),
            PrometheusUnreachable,
            "redirect",
        ),
        "a refusal without end": (
            for_ever(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"a" * 60_000)),
            PrometheusOverloaded,
            "503",
        ),
        "a bomb": (says("200 OK", BOMB, Content_Encoding="gzip"), PrometheusUnreachable, "compressed"),
        "a bomb for a refusal": (says("500 Oops", BOMB, Content_Encoding="gzip"), PrometheusUnreachable, "(500)"),
        "a bomb for a redirect": (
            says("302 Found", BOMB, Content_Encoding="gzip", Location="/x"),
            PrometheusUnreachable,
            "redirect",
        ),
        "depth": (says("200 OK", DEEP + b"[" * 100_000), PrometheusUnreachable, "not one of Prometheus"),
        "depth where nobody looks": (
            says("200 OK", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
            PrometheusUnreachable,
            "not one of Prometheus",
        ),
        "depth in a refusal": (says("400 Bad", b'{"error":' + b"[" * 60_000), PrometheusUnreachable, "(400)"),
        "a page": (
            says("200 OK", b"<html>secret</html>", Content_Type="text/html"),
            PrometheusUnreachable,
            "not one of",
        ),
        "other types": (says("200 OK", b'{"status":1,"data":[]}'), PrometheusUnreachable, "not one of Prometheus"),
        "bytes that are no text": (says("200 OK", of.text + b'\xff"}'), PrometheusUnreachable, ""),
        "less than announced": (says("200 OK", of.good, Content_Length="100000"), PrometheusUnreachable, "broke off"),
        "half a chunk": (lambda c: c.sendall(CHUNKED + b"fff\r\n" + of.good), PrometheusUnreachable, "broke off"),
        "half an answer": (says("200 OK", of.good[:-20]), PrometheusUnreachable, "not one of Prometheus"),
        "nothing": (lambda c: c.close(), PrometheusUnreachable, "no connection"),
        "a reset": (reset(b""), PrometheusUnreachable, "no connection"),
        "a reset in the middle": (reset(CHUNKED + chunk(of.start)), PrometheusUnreachable, ""),
        "something that is not HTTP": (lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"), PrometheusUnreachable, ""),
        "a status that is none": (lambda c: c.sendall(b"HTTP/1.1 abc OK\r\n\r\n"), PrometheusUnreachable, ""),
        "nobody to log in": (says("401 Unauthorized"), PrometheusUnreachable, "credentials"),
        "a gateway's page": (says("502 Bad Gateway", b"<html>secret</html>"), PrometheusUnreachable, "(502)"),
        "a refusal in a long text": (
            says("400 Bad Request", failure("bad_data", "1:2: parse error\n" + "a" * 5000)),
            InvalidQuery,
            "1:2: parse error aaa",
        ),
    }


@pytest.mark.parametrize("case", cases(ENDPOINTS["range"]))
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_gets_the_right_error_on_time_and_in_little_memory(endpoint: str, case: str) -> None:
    behaviour, kind, fragment = cases(ENDPOINTS[endpoint])[case]
    with served(behaviour) as server:
        tracemalloc.start()
        began = time.monotonic()
        try:
            with pytest.raises(OpsSightError) as caught:
                ask(server.url, SECONDS if fragment == LATE else 10.0, endpoint)
            took = time.monotonic() - began
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    message = str(caught.value)
    assert type(caught.value) is kind, message
    assert fragment in message
    assert "secret" not in message
    assert len(message) < 300
    assert took < 3
    assert peak < 8_000_000


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_good_answer_is_read_whatever_its_type_says(endpoint: str) -> None:
    it = ENDPOINTS[endpoint]
    with served(says("200 OK", it.good, Content_Type="text/plain")) as server:
        assert ask(server.url, endpoint=endpoint) == it.means


MATRIX, GROUPS = (
    b'{"status":"success","data":{"resultType":"matrix","result":[',
    b'{"status":"success","data":{"groups":[',
)
IN_GROUP = GROUPS + b'{"name":"g","rules":['
SMALL_THINGS: dict[str, tuple[str, bytes, bytes, bytes]] = {
    "series without samples": ("range", MATRIX, b'{"metric":{}}', b"]}}"),
    "series with nothing in them": ("range", MATRIX, b'{"metric":{},"values":[]}', b"]}}"),
    "samples without a text": ("range", MATRIX + b'{"metric":{}, "values":[', b'[1,""]', b"]}]}}"),
    "histograms": ("range", MATRIX + b'{"metric":{},"histograms":[', b"1", b"]}]}}"),
    "warnings": ("range", b'{"warnings":[', b'""', b"]," + (MATRIX + b"]}}")[1:]),
    "infos that are no text": ("range", b'{"infos":[', b"[]", b"]," + (MATRIX + b"]}}")[1:]),
    "groups of others": ("rules", GROUPS, b'{"name":"","rules":[]}', b"]}}"),
    "rules of a group": ("rules", IN_GROUP, b'{"name":"","type":""}', b"]}]}}"),
    "alerts of a rule": ("rules", IN_GROUP + b'{"name":"","type":"","alerts":[', b"{}", b"]}]}]}}"),
    "depth in an alert": ("rules", IN_GROUP + b'{"name":"","type":"","alerts":[{"a":[', b"[]", b"]}]}]}]}}"),
    "labels of a rule": ("rules", IN_GROUP + b'{"name":"","type":"","labels":{', b'"":""', b"}}]}]}}"),
    "features of a server": ("server", ENDPOINTS["server"].start, b"[]", b"]}}"),
}
TIMES_ITS_TEXT = 8


@pytest.mark.parametrize("things", SMALL_THINGS)
def test_a_text_of_many_small_things_takes_a_few_times_its_length(things: str) -> None:
    """Two bytes of text may be a list of fifty; an answer within limits.maxBytes must not fill the memory."""
    endpoint, start, thing, end = SMALL_THINGS[things]
    body = start + b",".join([thing] * ((MAX_BYTES - len(start + end)) // (len(thing) + 1))) + end
    assert json.loads(body) and 0.99 * MAX_BYTES < len(body) <= MAX_BYTES
    with served(says("200 OK", body)) as server:
        tracemalloc.start()
        try:
            with suppress(OpsSightError):
                ask(server.url, endpoint=endpoint)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < TIMES_ITS_TEXT * MAX_BYTES + 500_000


def test_the_query_travels_in_the_body_without_cookies_or_compression() -> None:
    with served(says("200 OK", GOOD, Set_Cookie="a=b", Connection="close")) as server:
        client = PrometheusClient(server.url, Limits(seconds=5), token=lambda: "t0ken")
        client.range('x{a="b"}', GRID)
        client.range("y", GRID)
        client.close()
    first, second = (request.decode() for request in server.requests)
    assert first.startswith("POST /api/v1/query_range HTTP/1.1")
    assert "Accept-Encoding: identity" in first
    assert "Authorization: Bearer t0ken" in first
    assert "Cookie" not in second


def closes_with_the(number: int) -> tuple[Behaviour, list[bytes]]:
    """Answers on one connection; the request of this number gets no answer, its connection is closed."""
    seen: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        while True:
            seen.append(b"")
            if len(seen) == number:
                return
            says("200 OK", GOOD)(connection)
            if not read_request(connection):
                return

    return behave, seen


def test_a_kept_connection_that_ends_before_the_answer_is_replaced() -> None:
    behaviour, seen = closes_with_the(2)
    with served(behaviour) as server:
        client = PrometheusClient(server.url, Limits(seconds=5))
        assert client.range("x", GRID).n_series == client.range("y", GRID).n_series == 1
        client.close()
    assert len(seen) == 3, "the second request is sent again on another connection"


def test_a_fresh_connection_that_ends_before_the_answer_is_an_error_at_once() -> None:
    behaviour, seen = closes_with_the(1)
    with served(behaviour) as server, pytest.raises(PrometheusUnreachable):
        ask(server.url)
    assert len(seen) == 1


def test_the_environment_is_not_asked_for_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with served(says("200 OK", GOOD)) as server:
        assert ask(server.url) == [[1.0], [2.0]]


def test_a_heavy_query_is_asked_once_more_in_two_halves() -> None:
    heavy = says("422 No", failure("execution", "query processing would load too many samples into memory"))
    with served(heavy) as server, pytest.raises(PrometheusOverloaded, match="too many samples"):
        ask(server.url)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "seconds"), [("429 No", 7.0), ("503 No", 7.0), ("429 No", 0.0)], ids=["429", "503", "429 unsaid"]
)
def test_too_many_requests_are_not_answered_by_more(status: str, seconds: float) -> None:
    header = {"Retry-After": f"{seconds:.0f}"} if seconds else {}
    with served(says(status, b"slow down", **header)) as server, pytest.raises(Throttled) as caught:
        ask(server.url)
    assert len(server.requests) == 1
    assert caught.value.retry_after == seconds
    assert caught.value.within("expr").retry_after == seconds  # type: ignore[attr-defined]


def test_more_cells_than_may_be_held_are_not_asked_for_in_halves() -> None:
    with served(says("200 OK", GOOD)) as server, pytest.raises(TooMuchData, match="more than 1 points"):
        ask(server.url, max_cells=1)
    assert len(server.requests) == 1


def test_a_query_that_works_in_halves_is_answered() -> None:
    halves = {b"start=1700000040.000&end=1700000040.000": "1", b"start=1700000100.000&end=1700000100.000": "2"}
    server: Server

    def behave(connection: socket.socket) -> None:
        request = server.requests[-1]
        for window, value in halves.items():
            if window in request:
                moment = 1_700_000_040 + 60 * (int(value) - 1)
                result = [{"metric": {"a": "1"}, "values": [[moment, value]]}]
                answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
                says("200 OK", json.dumps(answer).encode(), Connection="close")(connection)
                return
        says("503 No", failure("timeout", "query timed out in expression evaluation"), Connection="close")(connection)

    with served(behave) as server:
        assert ask(server.url) == [[1.0], [2.0]]


def test_closing_ends_what_is_under_way() -> None:
    with served(silence) as server:
        client = PrometheusClient(server.url, Limits(seconds=30))
        ended: list[BaseException] = []

        def wait() -> None:
            try:
                client.range("x", GRID)
            except OpsSightError as error:
                ended.append(error)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        while not server.requests:
            time.sleep(0.01)
        began = time.monotonic()
        client.close()
        thread.join(5)
    assert time.monotonic() - began < 1
    assert isinstance(ended[0], PrometheusUnreachable)


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    with served(says("200 OK", GOOD)) as server:
        ask(server.url)
    left = [thread for thread in set(threading.enumerate()) - before if isinstance(thread, threading.Timer)]
    for thread in left:
        thread.join(1)
    assert not any(thread.is_alive() for thread in left)


SILENT_OR_AWAY: dict[str, Behaviour] = {
    "is silent": lambda connection: time.sleep(3 * SECONDS),
    "hangs up": lambda connection: None,
    "throttles": says("429 No"),
}


@pytest.mark.parametrize("behaviour", SILENT_OR_AWAY.values(), ids=SILENT_OR_AWAY)
def test_a_server_that_does_not_say_who_it_is_for_no_reason_of_its_own_is_asked_once(behaviour: Behaviour) -> None:
    with served(behaviour) as server:
        client = PrometheusClient(server.url, Limits(seconds=SECONDS))
        with pytest.raises((PrometheusUnreachable, Throttled)):
            client.server()
        client.close()
    assert len(server.requests) == 1


def test_a_server_without_a_name_is_one_that_speaks_promql() -> None:
    def behave(connection: socket.socket) -> None:
        nameless = b"buildinfo" in server.requests[-1]
        says("404 No" if nameless else "200 OK", b"" if nameless else GOOD_NOW, Connection="close")(connection)

    with served(behave) as server:
        client = PrometheusClient(server.url, Limits())
        assert client.server() == ServerInfo()
        client.close()
    assert len(server.requests) == 2
