"""``opssight serve`` as a real process: what clients send, break off, flood and forge, and what they are told."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving_process import Served, ServeProcess

FIFTY = {"values": [10, 12, 11, 50, 13, 12]}
# About a minute of work for one core: many long lists for the slowest method.
LONG = {"method": "IsolationForest", "series": {str(i): [j % 7 for j in range(1000)] for i in range(300)}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path_factory.mktemp("serve"), max_body_bytes=2_000_000, max_body_seconds=2) as running:
        yield running


def raw(server: ServeProcess, *pieces: bytes, pause: float = 0.0, seconds: float = 20.0) -> bytes:
    """What comes back for these bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
            time.sleep(pause)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def head(length: int | None = None, *more: str) -> bytes:
    lines = [
        "POST /v1/detect_anomalies HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Connection: close",
        *more,
    ]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_the_fifty_is_found(server: ServeProcess) -> None:
    answer = server.post("detect_anomalies", FIFTY, {"X-Request-Id": "my-id.1"})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert [anomaly["index"] for anomaly in answer.json["anomalies"]] == [3]
    assert until(lambda: [line for line in server.lines("request") if line["request"] == "my-id.1"])
    (line,) = [line for line in server.lines("request") if line["request"] == "my-id.1"]
    assert (line["path"], line["status"], line["method"]) == ("/v1/detect_anomalies", 200, "POST")
    assert answer.headers["x-request-id"] == "my-id.1"


def test_an_id_that_could_forge_a_line_of_the_log_is_not_taken(server: ServeProcess) -> None:
    answer = server.post("detect_anomalies", FIFTY, {"X-Request-Id": 'x"} {"level": "ERROR'})
    assert len(answer.headers["x-request-id"]) == 16


JSON_TYPE = {"Content-Type": "application/json"}
REFUSED: dict[str, tuple[Callable[[ServeProcess], Served], int, str]] = {
    "a body of 100 MB": (lambda s: s.post("detect_anomalies", b" " * 100_000_000), 413, "allowed are 2,000,000"),
    "a body of 100 MB in chunks": (
        lambda s: s.ask("POST", "/v1/find_patterns", iter([b" " * 1_000_000] * 100), JSON_TYPE), 413,
        "max_body_bytes"),
    "a gzip bomb": (
        lambda s: s.post("detect_anomalies", gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}), 415,
        "'gzip'; it must be left out"),
    "another media type": (
        lambda s: s.post("detect_anomalies", FIFTY, {"Content-Type": "text/csv"}), 415, "must be application/json"),
    "another character set": (
        lambda s: s.post("detect_anomalies", FIFTY, {"Content-Type": "application/json; charset=utf-16"}), 415,
        "in UTF-8"),
    "binary junk": (lambda s: s.post("detect_anomalies", os.urandom(1000)), 400, "not JSON"),
    "deep JSON": (lambda s: s.post("find_patterns", b"[" * 1_000_000), 400, "recursion limit"),
    "NaN": (lambda s: s.post("detect_anomalies", b'{"values": [NaN]}'), 400, "values[0] is nan"),
    "a path that is not there": (lambda s: s.ask("GET", "/v2"), 404, "nothing at this path"),
    "a path that climbs": (lambda s: s.ask("GET", "/../../etc/passwd"), 404, "nothing at this path"),
    "another method": (lambda s: s.ask("GET", "/v1/detect_anomalies"), 405, "it must be POST"),
    "fields that do not go together": (
        lambda s: s.post("detect_anomalies", {"values": [1, 2], "times": [1]}), 422, "equally many"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=list(REFUSED))
def test_bad_input_gets_a_clear_answer_and_the_next_request_is_served(
    server: ServeProcess, case: tuple[Callable[[ServeProcess], Served], int, str]
) -> None:
    send, status, sentence = case
    answer = send(server)
    assert answer.status == status, answer.body[:300]
    assert sentence in answer.detail
    assert server.post("detect_anomalies", FIFTY).status == 200
    assert server.metric("opssight_serve_requests_in_progress") == 0


def test_a_body_that_does_not_arrive_is_told_so_and_frees_its_place(server: ServeProcess) -> None:
    answer = raw(server, head(1000), b'{"values": [')
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"has not arrived within 2 seconds" in answer
    assert server.metric("opssight_serve_requests_in_progress") == 0


def test_what_is_not_http_is_refused(server: ServeProcess) -> None:
    answer = raw(server, b"\x16\x03\x01\x02\x00junk\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400") and b"application/problem+json" in answer


def test_a_client_that_waits_for_a_continue_is_refused_before_it_sends(server: ServeProcess) -> None:
    answer = raw(server, head(100_000_000, "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413"), answer


def test_pages_need_nothing_from_elsewhere(server: ServeProcess) -> None:
    page = server.ask("GET", "/docs").body.decode()
    assert "detect_anomalies" in page and "<script" not in page
    assert "src=" not in page and "@import" not in page and "url(" not in page
    assert server.ask("GET", "/openapi.json").json["openapi"].startswith("3.1")


def test_everything_that_can_be_chosen_is_listed(server: ServeProcess) -> None:
    listed = server.ask("GET", "/v1/methods").json
    assert {"ZScore", "Adaptive", "Seasonal"} <= {method["name"] for method in listed["methods"]}
    assert listed["limits"]["max_body_bytes"] == 2_000_000


def test_a_time_out_frees_the_worker_and_others_are_answered(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, max_seconds=1) as server:
        began = time.monotonic()
        answer = server.post("detect_anomalies", LONG)
        assert (answer.status, time.monotonic() - began < 10) == (503, True)
        assert "no answer within 1 seconds" in answer.detail
        assert answer.headers["retry-after"] == "5"
        assert server.metric('opssight_serve_workers_ended_total{reason="cancelled"}') == 1
        assert until(lambda: server.post("detect_anomalies", FIFTY).status == 200)


def test_a_client_that_leaves_takes_its_work_along(tmp_path: Path) -> None:
    with ServeProcess(tmp_path) as server:
        body = json.dumps(LONG).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head(len(body)) + body)
            assert until(lambda: server.metric("opssight_serve_workers_busy") == 1)
        assert until(lambda: server.metric('opssight_serve_workers_ended_total{reason="cancelled"}') == 1)
        assert until(lambda: server.metric("opssight_serve_requests_in_progress") == 0)
        assert server.post("detect_anomalies", FIFTY).status == 200
        assert until(lambda: [line for line in server.lines("request") if line["status"] == 499])


def test_probes_answer_while_every_worker_computes_and_one_request_too_many_is_told_to_come_back(
    tmp_path: Path,
) -> None:
    with ServeProcess(tmp_path, max_concurrent=2, max_seconds=8) as server, ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(server.post, "detect_anomalies", LONG) for _ in range(2)]
        assert until(lambda: server.metric("opssight_serve_requests_in_progress") == 2)
        began = time.monotonic()
        assert server.ask("GET", "/healthz").status == 200
        refused = server.post("detect_anomalies", FIFTY)
        assert time.monotonic() - began < 2, "the event loop never waits for a computation"
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert "max_concurrent" in refused.detail
        assert [one.result().status for one in waiting] == [503, 503]


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with ServeProcess(tmp_path) as server:
        (worker,) = children(server)
        os.kill(worker, signal.SIGKILL)
        assert until(lambda: server.metric('opssight_serve_workers_ended_total{reason="crashed"}') == 1)
        assert server.post("detect_anomalies", FIFTY).status == 200
        assert children(server) != [worker]


def test_a_worker_that_dies_at_work_is_told_of(tmp_path: Path) -> None:
    with ServeProcess(tmp_path) as server, ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(server.post, "detect_anomalies", LONG)
        assert until(lambda: server.metric("opssight_serve_workers_busy") == 1)
        os.kill(children(server)[0], signal.SIGKILL)
        assert "has ended" in waiting.result().detail
        assert server.post("detect_anomalies", FIFTY).status == 200


def test_a_request_that_wants_too_much_memory_is_refused_and_the_next_is_served(tmp_path: Path) -> None:
    with ServeProcess(
        tmp_path, worker_memory_bytes=536_870_912, max_points=5_000_000, max_body_bytes=20_000_000
    ) as server:
        body = b'{"incidents": [' + b",".join([b'{"start":1}'] * 1_500_000) + b"]}"
        answer = server.post("find_patterns", body)
        assert answer.status in (413, 500), answer.body[:300]
        assert "memory" in answer.detail
        assert until(lambda: server.post("detect_anomalies", FIFTY).status == 200)


def test_a_graceful_stop_answers_what_is_under_way(tmp_path: Path) -> None:
    work = {"method": "IsolationForest", "series": {str(i): [j % 7 for j in range(500)] for i in range(8)}}
    with ServeProcess(tmp_path, drain_seconds=1) as server, ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(server.post, "detect_anomalies", work)
        assert until(lambda: server.metric("opssight_serve_workers_busy") == 1)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: server.ask("GET", "/readyz").status == 503), "unready, and still listening"
        assert waiting.result().status == 200
        assert server.process.wait(20) == 0
    assert server.lines("stopped")


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, shutdown_seconds=1) as server:
        body = json.dumps(LONG).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head(len(body)) + body)
            assert until(lambda: server.metric("opssight_serve_workers_busy") == 1)
            (worker,) = children(server)
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(15) == 0
            assert until(lambda: not Path(f"/proc/{worker}").exists())


def test_an_answer_that_nobody_reads_is_given_up(tmp_path: Path) -> None:
    shifted = {"method": "CUSUM", "values": [0] * 20_000 + [1] * 20_000}
    with ServeProcess(tmp_path, max_idle_seconds=1) as server:
        body, before = json.dumps(shifted).encode(), sockets(server)
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(head(len(body)) + body)
            assert until(lambda: [line for line in server.lines("request") if line["path"] == "/v1/detect_anomalies"])
            assert until(lambda: sockets(server) == before, 10), "while we still hold our end"
        (line,) = [line for line in server.lines("request") if line["path"] == "/v1/detect_anomalies"]
        assert line["bytes"] > 8_000_000, "more than the buffers of two sockets hold"


def sockets(server: ServeProcess) -> int:
    """How many sockets the server holds."""
    assert server.process is not None
    count = 0
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(descriptor.readlink()).startswith("socket:")
    return count


def test_a_server_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    with ServeProcess(tmp_path) as server:
        (worker,) = children(server)
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        assert until(lambda: not Path(f"/proc/{worker}").exists())


def test_tokens_guard_everything_but_probes_and_the_description(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("old\n")
    with ServeProcess(tmp_path, token_file=tokens) as server:
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
            assert server.ask("GET", path).status == 200, path
        for path in ("/metrics", "/v1/methods", "/no/such/path"):
            assert server.ask("GET", path).status == 401, path
        answer = server.post("detect_anomalies", FIFTY)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="opssight"')
        assert "Bearer" in answer.detail
        old, new = {"Authorization": "Bearer old"}, {"Authorization": "Bearer new"}
        assert server.post("detect_anomalies", FIFTY, old).status == 200
        tokens.write_text("new\n")
        assert server.post("detect_anomalies", FIFTY, old).status == 401
        assert server.post("detect_anomalies", FIFTY, new).status == 200
        assert "old" not in server.log.replace("threshold", "") and '"new"' not in server.log
        assert server.ask("GET", "/openapi.json").json["components"]["securitySchemes"]


def test_a_connection_that_idles_is_closed(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, max_idle_seconds=1) as server:
        began = time.monotonic()
        assert raw(server, b"GET /healthz HTTP/1.1\r\n", b"Host: x\r\n", pause=0.3) == b""
        assert time.monotonic() - began < 10


def test_a_million_rows_are_answered(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, max_body_bytes=100_000_000, max_seconds=240, worker_recycle_bytes=40_000_000) as server:
        start = time.time() - 3_000_000
        rows = ",".join(f'{{"start":{start + i * 3:.0f},"severity":"low","kind":"Pod"}}' for i in range(1_000_000))
        answer = server.ask("POST", "/v1/find_patterns", f'{{"incidents":[{rows}]}}'.encode(), seconds=250)
        assert answer.status == 200, answer.body[:300]
        assert answer.json["summary"]["incidents"] == pytest.approx(86_400 / 3, abs=10)
        assert until(lambda: server.metric('opssight_serve_workers_ended_total{reason="large"}') >= 1, seconds=20), (
            [Path(f"/proc/{p}/status").read_text() for p in children(server)],
            server.log[-2000:],
        )
        row = b'{"start":1}'
        more = server.ask("POST", "/v1/find_patterns", b'{"incidents":[' + (row + b",") * 1_000_000 + row + b"]}")
        assert (more.status, "1,000,001; allowed are 1,000,000" in more.detail) == (413, True)


def until(question: Callable[[], Any], seconds: float = 30.0) -> bool:
    """Whether the answer became true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.05)
    return False


def children(server: ServeProcess) -> list[int]:
    """The workers of a server."""
    assert server.process is not None
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
