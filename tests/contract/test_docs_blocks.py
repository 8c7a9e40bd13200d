"""Every block of every page: YAML that can be applied, commands that exist. Pages that are walked through on real
servers are in ``tests/component``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import typer
import yaml

from opssight_operator.api import API_VERSION
from opssight_operator.api.kinds import kind_of
from opssight_operator.api.schema import root_schema
from opssight_operator.cli.admission import complaints
from opssight_operator.cli.app import app
from pages import MAKE_TARGETS, ROOT, blocks_of

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("node/*.md")])


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def blocks(kind: str) -> list[Any]:
    """The blocks of a kind, as parameters named after their page."""
    found = [block for block in BLOCKS if block.kind == kind]
    return [pytest.param(block.text, id=f"{block.page}-{number}") for number, block in enumerate(found)]


YAML, SHELL, PROMQL = (blocks(kind) for kind in ("yaml", "sh", "promql"))


@pytest.mark.parametrize("text", YAML)
def test_yaml_of_a_page_parses_and_our_kinds_are_taken(text: str) -> None:
    for document in yaml.safe_load_all(text):
        if isinstance(document, dict) and document.get("apiVersion") == API_VERSION and "spec" in document:
            assert complaints({"metadata": {}, **document}, root_schema(kind_of(document["kind"]))) == []


@pytest.mark.parametrize("text", PROMQL)
def test_promql_of_a_page_parses(text: str) -> None:
    promql_parser.parse(text)


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
