"""``opssight serve``: what it loads, and how it refuses to start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "from opssight_operator.cli import main; main()"


def run(*arguments: str, code: str = RUN, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1", **environment},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [(), ("serve",)])
def test_help_loads_neither_the_http_framework_nor_the_engine(command: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom opssight_operator.cli import main\n"
        "try: main()\nexcept SystemExit as ended: assert not ended.code\n"
        "loaded = {'fastapi', 'starlette', 'uvicorn', 'numpy'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    answer = run(*command, "--help", code=code)
    assert answer.returncode == 0, answer.stderr
    assert "serve" in answer.stdout


def test_what_cannot_be_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    empty = tmp_path / "tokens"
    empty.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = {
            f"opssight: port {port} of 127.0.0.1 cannot be listened on; it must be free\n": run(
                "serve", "--port", port
            ),
            f"opssight: token_file is '{empty}'; it must hold at least one token, one a line\n": run(
                "serve", "--token-file", str(empty)
            ),
            "opssight: OPSSIGHT_SERVE_MAX_SECONDS is 'soon'; it must be a number\n": run(
                "serve", OPSSIGHT_SERVE_MAX_SECONDS="soon"
            ),
        }
    for sentence, answer in cases.items():
        lines = [line for line in answer.stderr.splitlines(keepends=True) if not line.startswith("{")]
        assert (answer.returncode, lines, answer.stdout) == (2, [sentence], "")
