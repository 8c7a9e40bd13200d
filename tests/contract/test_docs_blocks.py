"""Every block of every page: YAML that can be applied, PromQL that parses, commands that exist. Pages that are walked
through on real servers are in ``tests/component``."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import typer
import yaml
from jsonschema import Draft7Validator

from kubectl_forms import helm_mistake, kubectl_mistake
from opssight_operator.api import API_VERSION
from opssight_operator.api.kinds import KINDS, kind_of
from opssight_operator.api.schema import root_schema
from opssight_operator.cli.admission import complaints
from opssight_operator.cli.app import app
from pages import MAKE_TARGETS, PAGES, ROOT, blocks_of, indented

KNOWN = {"sh", "console", "yaml", "promql", "python", "text"}
SOMEBODY_ELSES = ("defaultRules", "route", "receivers")  # values of kube-prometheus-stack and of Alertmanager
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
VALUES = json.loads((ROOT / "charts" / "opssight-operator" / "values.schema.json").read_text())


def blocks(*kinds: str) -> list[Any]:
    """The blocks of some kinds, as parameters named after their page."""
    found = [block for block in BLOCKS if block.kind in kinds]
    return [pytest.param(block, id=f"{block.page}-{number}") for number, block in enumerate(found)]


YAML, SHELL, PROMQL = blocks("yaml"), blocks("sh", "console"), blocks("promql")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_of_a_page_escapes_the_tests(page: Any) -> None:
    assert indented(page.read_text()) == [], "indented lines: put the block between fences"
    assert {block.kind for block in blocks_of(page)} <= KNOWN


HIDDEN = {
    "a command that is indented": ("Run it:\n\n    make test\n", [3]),
    "YAML behind a sentence": ("A:\n\n    delivery:\n      mode: Record\n\nB.\n", [3]),
    "a list with two paragraphs": ("- one\n\n    and more of it\n", []),
    "a block between fences": ("```sh\n    make test\n```\n", []),
}


@pytest.mark.parametrize(("text", "lines"), HIDDEN.values(), ids=HIDDEN)
def test_an_indented_block_is_found(text: str, lines: list[int]) -> None:
    assert indented(text) == lines


@pytest.mark.parametrize("block", YAML)
def test_yaml_of_a_page_parses_and_is_taken(block: Any) -> None:
    for document in yaml.safe_load_all(block.text):
        if not isinstance(document, dict):
            continue
        if document.get("apiVersion") == API_VERSION and "spec" in document:
            assert complaints({"metadata": {}, **document}, root_schema(kind_of(document["kind"]))) == []
        elif "kind" not in document and not set(document) <= set(SOMEBODY_ELSES):
            assert fragment_mistakes(document) == []


def fragment_mistakes(fragment: dict[str, Any]) -> list[str]:
    """Why it is neither a part of a spec of ours nor values of the chart; empty when it is one of them."""
    said = [error.message for error in Draft7Validator(VALUES).iter_errors(without_null(fragment))]
    for kind in KINDS if said else ():
        schema = copy.deepcopy(root_schema(kind))
        spec = schema["properties"]["spec"]
        if not set(fragment) <= set(spec["properties"]):
            continue
        spec.pop("required", None)  # the rest of the spec is not shown
        spec.pop("x-kubernetes-validations", None)
        whole = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": {"name": "x"}, "spec": fragment}
        found = complaints(whole, schema)
        if not found:
            return []
        said += found
    return said


def without_null(node: Any) -> Any:
    """The values as Helm checks them: a null takes the default away."""
    return {k: without_null(v) for k, v in node.items() if v is not None} if isinstance(node, dict) else node


@pytest.mark.parametrize(
    ("fragment", "named"),
    [({"delivery": {"mode": "Recod"}}, "Recod"), ({"replica": 2}, "replica"), ({"history": {"window": "14x"}}, "14x")],
    ids=["an unknown mode", "a value that there is not", "a duration that is none"],
)
def test_a_fragment_that_nobody_takes_is_found(fragment: dict[str, Any], named: str) -> None:
    assert named in str(fragment_mistakes(fragment))


@pytest.mark.parametrize("block", PROMQL)
def test_promql_of_a_page_parses(block: Any) -> None:
    promql_parser.parse(block.text)


@pytest.mark.parametrize("block", SHELL)
def test_the_commands_of_a_page_exist(block: Any) -> None:
    for line in block.commands():
        try:
            tokens = shlex.split(line, comments=True)
        except ValueError:  # a quotation that goes over several lines, of some other program
            assert not {"opssight", "kubectl", "helm"} & set(line.split()[:2])
            continue
        for words in parts(tokens):
            assert mistake(words) is None, f"{line}: {mistake(words)}"


def mistake(words: list[str]) -> str | None:
    """Why a command cannot be run, as far as can be told without running it."""
    match words:
        case ["make", target, *_] if "=" not in target and not target.startswith("["):
            return None if target in MAKE_TARGETS else f"no target {target}"
        case ["python", "-m", module, *rest] if module.startswith(("localcluster", "node", "benchmarks")):
            if importlib.util.find_spec(module) is None:
                return f"no module {module}"
            return kubectl_mistake(rest[2:]) if rest[:2] == ["exec", "kubectl"] else None
        case ["python", script, *_] if script.endswith(".py"):
            return None if (ROOT / script).is_file() else f"no file {script}"
        case ["kubectl", "opssight", *rest] | ["opssight", *rest] | [_, "opssight", *rest]:
            return own_mistake(rest)
        case ["kubectl", *rest]:
            return kubectl_mistake(rest)
        case ["helm", *rest]:
            return helm_mistake(rest, VALUES)
    return None


def parts(tokens: list[str]) -> Iterator[list[str]]:
    """The commands of one line."""
    found: list[str] = []
    for token in tokens:
        if token in ("|", "||", "&&", ";", ">"):
            yield found
            found = []
        else:
            found.append(token)
    yield found


def own_mistake(words: list[str]) -> str | None:
    """These words name a command of ours and options that it has."""
    command: object = typer.main.get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        return f"no such command: {words[:1]}"
    known = {name for parameter in command.params for name in parameter.opts}  # type: ignore[attr-defined]
    given = {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w=-]*", word)}
    unknown = given - known - {"--help"}
    return f"no such option: {sorted(unknown)}" if unknown else None


MISTAKES = {
    "a target that there is not": "make tset",
    "a module that there is not": "python -m localcluster.biuld",
    "a command of ours that there is not": "opssight detekt 1 2",
    "an option of ours that there is not": "kubectl opssight report list --namspace shop",
    "a verb of kubectl that there is not": "kubectl gett adet",
    "a flag of another verb": "kubectl get adet --server-side",
    "a kind that there is not": "kubectl get anomalydetektors",
    "the status of a kind that there is not": "kubectl wait adett/x --for=condition=Ready",
    "a field that there is not": "kubectl explain anomalydetector.spec.metod",
    "a file that there is not": "kubectl apply -f exampels/",
    "a condition that there is not": "kubectl wait adet/x --for=condition=Raedy",
    "a value of the chart that there is not": "helm install x charts/opssight-operator --set metrics.prot=9",
    "a chart that there is not": "helm upgrade x charts/opssight",
}


@pytest.mark.parametrize("line", MISTAKES.values(), ids=MISTAKES)
def test_a_command_that_cannot_be_run_is_found(line: str) -> None:
    assert mistake(shlex.split(line)) is not None


def test_there_is_something_to_check() -> None:
    assert len(YAML) > 35
    assert len(SHELL) > 50
