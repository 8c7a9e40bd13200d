"""``opssight serve`` as a process of its own, on a free port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any


class Served:
    """An answer: status, headers in lower case, and the body, as JSON if it is."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """The sentence of a problem, which it must be."""
        assert self.headers["content-type"] == "application/problem+json", self.body[:200]
        said = self.json
        assert said["status"] == self.status and said["type"].startswith("https://opssight.dev/problems/")
        assert said["request_id"] == self.headers["x-request-id"]
        return str(said["detail"])


class ServeProcess:
    """Starts with ``settings`` as OPSSIGHT_SERVE_*; ``log`` is what it said."""

    def __init__(self, work: Path, **settings: object) -> None:
        self.log_file = work / "serve.log"
        environment = {f"OPSSIGHT_SERVE_{name.upper()}": str(value) for name, value in settings.items()}
        self.environment = {**os.environ, "OPSSIGHT_SERVE_WORKERS": "1", "OPSSIGHT_SERVE_DRAIN_SECONDS": "0",
                            "OPSSIGHT_SERVE_PORT": "0", **environment}  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> ServeProcess:
        with self.log_file.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from opssight_operator.cli import main; main()", "serve"],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )
        deadline = time.monotonic() + 60
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"not ready: {self.log}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def lines(self, message: str) -> list[dict[str, Any]]:
        """The lines of the log with this message."""
        said = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in said if line["message"] == message]

    def _ready(self) -> bool:
        listening = self.lines("listening")
        if not listening:
            return False
        self.port = listening[0]["port"]
        return self.ask("GET", "/readyz").status == 200

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, seconds: float = 60
    ) -> Served:
        """One request; a dict or a list is sent as JSON, bytes and iterators of bytes as they are."""
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            typed = {"Content-Type": "application/json"} if data is not None else {}
            connection.request(method, path, data, {**typed, **(headers or {})})
            answer = connection.getresponse()
            return Served(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def post(self, operation: str, body: Any, headers: Mapping[str, str] | None = None) -> Served:
        """One operation of the engine."""
        return self.ask("POST", f"/v1/{operation}", body, headers)

    def metric(self, name: str) -> float:
        """The value of one line of /metrics, labels included in ``name``."""
        for line in self.ask("GET", "/metrics").body.decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {name}")
