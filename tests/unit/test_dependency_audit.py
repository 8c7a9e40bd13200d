"""The audit of the dependencies is run where it can be, and is named where it was not run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from image.audit import lacking

ROOT = Path(__file__).resolve().parents[2]


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def status() -> Iterator[tuple[str, list[int]]]:
    """A server, and what it answers."""
    answers = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(answers[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", answers
    server.shutdown()
    server.server_close()


CASES: dict[str, tuple[str | None, int, list[str]]] = {
    "all is there": ("exit 0", 200, []),
    "no uv": (None, 200, ["uv, which"]),
    "no advisories": ("exit 0", 503, ["where the advisories are"]),
    "neither": (None, 503, ["uv, which", "where the advisories are"]),
    "a network that has no packages": ("exit 1", 200, ["pip-audit, which"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_lacking_is_named(
    case: str, status: tuple[str, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv, answer, named = CASES[case]
    url, answers = status
    answers[0] = answer
    if uv is not None:
        program(tmp_path / "bin", "uv", uv)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = lacking(url, seconds=5.0)
    assert len(found) == len(named)
    for one, words in zip(found, named, strict=True):
        assert words in one


def test_a_server_that_is_not_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert "where the advisories are" in lacking("http://127.0.0.1:1/", seconds=2.0)[-1]


@pytest.mark.parametrize(
    ("lacks", "said", "made"), [("echo uv; exit 1", "make audit was NOT run", False), ("exit 0", "", True)]
)
def test_the_checks_of_a_change_say_that_the_audit_was_not_run_or_run_it(
    lacks: str, said: str, made: bool, tmp_path: Path
) -> None:
    """The script as it is; what it calls writes down that it was called."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text())
    (tmp_path / ".venv").mkdir()
    program(tmp_path / ".venv" / "bin", "python", f'[ "$2" = image.audit ] || exit 1\n{lacks}')
    program(tmp_path / "bin", "make", 'echo "made $1"')
    done = subprocess.run(
        ["bash", ".ci/run"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "made test" in done.stdout
    assert ("made audit" in done.stdout) is made
    assert said in done.stdout and ("NOT run, so that" in done.stdout) is not made
