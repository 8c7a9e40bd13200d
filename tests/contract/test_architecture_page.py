"""The page on the architecture is the twin of the import contracts."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from pages import ROOT, blocks_of

PAGE = ROOT / "docs" / "architecture.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS: list[dict[str, Any]] = PROJECT["tool"]["importlinter"]["contracts"]


def short(module: str) -> str:
    return module.strip(" ()").removeprefix("opssight_operator.")


def test_the_layers_of_the_page_are_those_that_are_kept() -> None:
    (kept,) = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
    drawn = next(block.text for block in blocks_of(PAGE) if block.kind == "text")
    shown = [{name.strip() for name in layer.split("|")} for layer in drawn.split(">")]
    assert shown == [{short(name) for name in layer.split("|")} for layer in kept]


def test_every_layer_is_there_and_nothing_else_is_a_package() -> None:
    (kept,) = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
    named = {short(name) for layer in kept for name in layer.split("|")}
    packages = {path.parent.name for path in (ROOT / "operator" / "opssight_operator").glob("*/__init__.py")}
    assert packages < named


def test_what_must_not_be_imported_stands_on_the_page_contract_by_contract() -> None:
    rows = re.findall(r"^\| (.+) \| (`.+`) \| (`.+`) \|$", PAGE.read_text(), re.MULTILINE)
    shown = {name: (set(re.findall("`(.+?)`", who)), set(re.findall("`(.+?)`", what))) for name, who, what in rows}
    assert shown == {
        contract["name"]: ({short(name) for name in contract["source_modules"]}, set(contract["forbidden_modules"]))
        for contract in CONTRACTS
        if contract["type"] == "forbidden"
    }
