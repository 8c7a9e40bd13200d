"""Every block of every page: YAML that can be applied, commands that exist. Pages that are walked through on real
servers are in ``tests/component``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from opssight_operator.api import API_VERSION
from opssight_operator.api.kinds import kind_of
from opssight_operator.api.schema import root_schema
from opssight_operator.cli.admission import complaints
from opssight_operator.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("node/*.md")])
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
MAKE_TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    """The text of each block of a kind, behind the name of its page."""
    for page in PAGES:
        for indent, found, text in FENCE.findall(page.read_text()):
            if found == kind:
                lines = (line.removeprefix(indent) for line in text.splitlines())
                yield str(page.relative_to(ROOT)), "\n".join(lines)


YAML = [pytest.param(text, id=f"{page}-{number}") for number, (page, text) in enumerate(blocks("yaml"))]
SHELL = [pytest.param(text, id=f"{page}-{number}") for number, (page, text) in enumerate(blocks("sh"))]


@pytest.mark.parametrize("text", YAML)
def test_yaml_of_a_page_parses_and_our_kinds_are_taken(text: str) -> None:
    for document in yaml.safe_load_all(text):
        if isinstance(document, dict) and document.get("apiVersion") == API_VERSION and "spec" in document:
            assert complaints({"metadata": {}, **document}, root_schema(kind_of(document["kind"]))) == []


@pytest.mark.parametrize("text", SHELL)
def test_the_commands_of_a_page_exist(text: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        try:
            tokens = shlex.split(line, comments=True)
        except ValueError:  # a quotation that goes over several lines, of some other program
            assert "opssight" not in line.split()[:2]
            continue
        for words in parts(tokens):
            if words[:1] == ["make"] and len(words) > 1:
                assert words[1] in MAKE_TARGETS, line
            start = next((i for i, word in enumerate(words[:2]) if word == "opssight"), None)
            if start is not None:
                assert_command(words[start + 1 :], line)


def parts(tokens: list[str]) -> Iterator[list[str]]:
    """The commands of one line."""
    found: list[str] = []
    for token in tokens:
        if token in ("|", "&&", ";", ">"):
            yield found
            found = []
        else:
            found.append(token)
    yield found


def assert_command(words: list[str], line: str) -> None:
    """These words name a command of ours and options that it has."""
    command: object = typer.main.get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), f"{line}: no such command"
    known = {name for parameter in command.params for name in parameter.opts}  # type: ignore[attr-defined]
    given = {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w=-]*", word)}
    assert given <= known | {"--help"}, line


def test_there_is_something_to_check() -> None:
    assert len(YAML) > 20
    assert len(SHELL) > 20
