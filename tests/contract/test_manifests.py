"""The manifests of examples/ are what the models read, the schema takes and PromQL parses."""

import re
from pathlib import Path

import promql_parser
import pytest
import yaml

from opssight_operator.api import API_VERSION
from opssight_operator.api.kinds import KINDS, kind_of
from opssight_operator.api.schema import root_schema
from opssight_operator.cli.admission import complaints, defaulted
from pages import PAGES, blocks_of

FOLDER = Path(__file__).parents[2] / "examples"
FILES = sorted(FOLDER.rglob("*.yaml"))
MANIFESTS = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
OURS = {name: manifest for name, manifest in MANIFESTS.items() if manifest["apiVersion"] == API_VERSION}
SCHEMAS = {kind.name: root_schema(kind) for kind in KINDS}


def test_there_is_an_example_of_every_kind():
    assert {manifest["kind"] for manifest in OURS.values()} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("manifest", OURS.values(), ids=OURS)
def test_an_example_is_read_by_its_model_and_written_back_unchanged(manifest):
    spec = kind_of(manifest["kind"]).spec
    parsed = spec.model_validate(manifest["spec"])
    assert spec.model_validate(parsed.dump()) == parsed


@pytest.mark.parametrize("manifest", OURS.values(), ids=OURS)
def test_the_schema_takes_an_example(manifest):
    assert complaints(manifest, SCHEMAS[manifest["kind"]]) == []


@pytest.mark.parametrize("manifest", OURS.values(), ids=OURS)
def test_an_example_has_no_field_that_would_be_dropped(manifest):
    filled = defaulted(manifest["spec"], SCHEMAS[manifest["kind"]]["properties"]["spec"])

    def missing(given, kept, path):
        if isinstance(given, dict):
            yield from (f"{path}.{name}" for name in given if name not in kept)
            for name in given.keys() & kept.keys():
                yield from missing(given[name], kept[name], f"{path}.{name}")
        elif isinstance(given, list):
            for i, (one, other) in enumerate(zip(given, kept, strict=True)):
                yield from missing(one, other, f"{path}[{i}]")

    assert list(missing(manifest["spec"], filled, "spec")) == []


def expressions(node):
    if isinstance(node, dict):
        yield from ([node["expr"]] if "expr" in node else [])
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_the_expressions_of_an_example_are_promql(manifest):
    for expression in expressions(manifest):
        promql_parser.parse(expression)


def test_the_alerts_join_policies_that_are_among_the_examples_and_record():
    policies = {
        manifest["metadata"]["name"]: manifest for manifest in OURS.values() if manifest["kind"] == "ThresholdPolicy"
    }
    alerts = "\n".join(expressions(MANIFESTS["prometheusrule-with-default.yaml"]))
    joined = re.findall(r'opssight:threshold\{policy="([^"]+)"', alerts)
    assert len(joined) == 2
    for name in joined:
        assert policies[name]["spec"]["delivery"]["mode"] == "Record"


def test_the_readme_lists_every_example():
    linked = re.findall(r"\]\(([a-z/-]+\.yaml)\)", (FOLDER / "README.md").read_text())
    assert sorted(linked) == sorted(str(path.relative_to(FOLDER)) for path in FILES)


def snippets():
    """Every whole manifest of ours in the prose, by page and number."""
    for page in PAGES:
        for number, block in enumerate(block for block in blocks_of(page) if block.kind == "yaml"):
            for document in yaml.safe_load_all(block.text):
                if isinstance(document, dict) and document.get("apiVersion") == API_VERSION:
                    yield f"{block.page}, block {number}", document


SNIPPETS = dict(snippets())


@pytest.mark.parametrize("manifest", SNIPPETS.values(), ids=SNIPPETS)
def test_a_manifest_in_the_prose_is_taken_too(manifest):
    assert complaints(manifest, SCHEMAS[manifest["kind"]]) == []
    test_an_example_has_no_field_that_would_be_dropped(manifest)


def test_the_readme_shows_a_manifest():
    assert any(name.startswith("README.md") for name in SNIPPETS)
