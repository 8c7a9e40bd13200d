"""The command line in this process."""

from __future__ import annotations

import io
import sys

import pytest

from command_line import Answer, Opssight
from opssight_operator.cli import main


@pytest.fixture
def opssight(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Opssight:
    """Run ``opssight`` with these arguments in this process."""

    def run(*arguments: object, stdin: str | bytes = "") -> Answer:
        monkeypatch.setattr(sys, "argv", ["opssight", *map(str, arguments)])
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Answer(int(ended.value.code or 0), captured.out, captured.err)

    return run
