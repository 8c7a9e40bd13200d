"""What a shell sees: completion, the examples of the help, and the page about the command line."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Opssight
from pages import ROOT, blocks_of

BIN = Path(sys.executable).parent
PAGE = (ROOT / "docs" / "cli.md").read_text()
COMMANDS = ("detect", "explain", "thresholds", "backtest", "patterns", "methods", "validate", "diff", "completion")


def in_bash(script: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment, cwd=folder, timeout=60
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["back"], "backtest"),
        (["detect", "--sens"], "--sensitivity"),
        (["completion", "z"], "zsh"),
        (["thresholds", "--bound", "L"], "Lower"),
    ],
)
def test_bash_completes_commands_options_and_words(words: list[str], offered: str) -> None:
    quoted = " ".join(shlex.quote(word) for word in ["opssight", *words])
    script = (
        "source <(opssight completion bash)\n"
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _opssight_completion opssight\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert in_bash(script).stdout.split() == [offered]


def test_there_is_a_completion_for_zsh_and_fish(opssight: Opssight) -> None:
    assert "#compdef opssight" in opssight("completion", "zsh").out
    assert "complete --command opssight" in opssight("completion", "fish").out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_a_command_use_options_that_there_are(opssight: Opssight, command: str) -> None:
    shown = opssight(command, "--help").out
    examples = [line.strip() for line in shown.splitlines() if re.search(rf"^\s+(.*\| )?opssight {command}\b", line)]
    assert examples or command == "completion"
    known = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", shown.split("Options:")[1]))
    for example in examples:
        used = shlex.split(example.partition("opssight ")[2].split(" > ")[0].split(" | ")[0])
        assert {word for word in used if re.fullmatch("--?[a-z][a-z-]*", word)} <= known, example


NEEDS_SERVERS = re.compile("^kubectl |report show |--prometheus ")  # tests/component runs such commands


def examples_of_the_page() -> list[tuple[str, str]]:
    """Each ``$`` of the page with what it prints."""
    blocks = [block for block in blocks_of(ROOT / "docs" / "cli.md") if block.kind == "console"]
    return [example for block in blocks for example in block.session()]


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page speaks of."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "examples").symlink_to(ROOT / "examples")
    rows = [f"2026-03-01T{i // 60:02d}:{i % 60:02d}:00Z,{0.2 + 0.01 * (i % 3)}" for i in range(600)]
    rows[400:410] = [row.rsplit(",", 1)[0] + ",0.9" for row in rows[400:410]]
    (folder / "latency.csv").write_text("\n".join(["time,p99", *rows]) + "\n")
    (folder / "incidents.csv").write_text("start,end\n2026-03-01T06:38:00Z,2026-03-01T06:50:00Z\n")
    rows = [f"2026-03-01T{h:02d}:{m:02d}:00Z,Pod,critical,OOMKilled pod-{m}" for h in (2, 3) for m in range(0, 60, 10)]
    (folder / "table.csv").write_text("\n".join(["timestamp,resource_type,severity,message", *rows]) + "\n")
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "rules").mkdir()
    (folder / "rules" / "shop.yaml").write_text(RULES)
    return folder


POLICY = """\
apiVersion: opssight.dev/v1alpha1
kind: ThresholdPolicy
metadata: {name: checkout-errors, namespace: shop}
spec:
  expr: errors / requests
  delivery: {mode: Patch, patch: {target: {name: shop}, alert: ManyErrors}}
status:
  thresholds: [{labels: {}, current: "0.08"}]
"""
RULES = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: shop}
spec:
  groups:
  - name: shop
    rules:
    - alert: ManyErrors
      expr: errors / requests > 0.05 # agreed with the team
      for: 5m
"""


@pytest.mark.parametrize(("command", "printed"), examples_of_the_page(), ids=[c for c, _ in examples_of_the_page()])
def test_what_the_page_shows_is_what_is_printed(playground: Path, command: str, printed: str) -> None:
    if NEEDS_SERVERS.search(command):
        assert not printed, "nobody has seen what it prints"
        return
    done = in_bash(command, playground)
    assert done.returncode in (0, 1), done.stderr
    if not printed:
        return
    shown = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    wanted = [line.rstrip() for line in printed.splitlines()]
    if "..." in wanted:
        wanted = wanted[: wanted.index("...")]
        shown = shown[: len(wanted)]
    assert shown == wanted


def test_every_command_has_its_section_on_the_page() -> None:
    for command in (*COMMANDS, "serve"):
        assert f"## `opssight {command}`" in PAGE


def test_long_work_shows_a_bar_on_a_terminal_and_nothing_elsewhere(playground: Path) -> None:
    command = [BIN / "opssight", "backtest", "--csv", "latency.csv", "--column", "p99", "--refit", "5m"]
    ours, theirs = pty.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, cwd=playground, check=False, timeout=60)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # that is how the end of a terminal reads
            break
        seen += piece
    os.close(ours)
    assert b"walking through the history" in seen
    piped = subprocess.run(command, capture_output=True, cwd=playground, check=False, timeout=60)
    assert (piped.stdout, piped.stderr) == (done.stdout, b"")
