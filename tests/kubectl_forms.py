"""The forms of kubectl and helm that the pages use: verbs with their flags, kinds, files and fields that there are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from opssight_operator.api import PLURALS
from opssight_operator.api.conditions import ConditionType
from opssight_operator.api.kinds import KINDS, Kind
from opssight_operator.api.schema import root_schema
from pages import ROOT

EVERYWHERE = {"-n", "--namespace"}
WITHOUT_VALUE = {
    *("-A", "--all-namespaces", "--all", "--server-side", "--force-conflicts", "--show-managed-fields", "--overwrite"),
    *("--create-namespace", "--take-ownership"),
}
OUTPUT = {"-o", "--output", "-A", "--all-namespaces", "-l", "--selector", "--show-managed-fields"}
FLAGS: dict[str, set[str]] = {
    "get": OUTPUT,
    "describe": {"-A", "--all-namespaces"},
    "explain": set(),
    "wait": {"--for", "--timeout"},
    "apply": {"-f", "--server-side", "--force-conflicts"},
    "create": {"--from-literal"},
    "delete": {"--all", "-l", "--selector"},
    "patch": {"--patch-file"},
    "replace": {"-f", "--subresource"},
    "label": {"--overwrite"},
    "rollout": set(),
    "auth": {"--as"},
}
OF_KUBERNETES = {
    *("deployment", "crd", "lease", "configmap", "namespace", "secrets", "pods", "prometheusrule", "prometheus"),
}
MADE_BEFORE = {"status.yaml", "policy.yaml"}  # by a command of the same page
HELM_FLAGS: dict[str, set[str]] = {
    "install": {"--create-namespace", "--set", "--values", "--take-ownership"},
    "upgrade": {"--set", "--values"},
    "history": set(),
    "rollback": set(),
    "uninstall": set(),
}


def names_of(kind: Kind) -> set[str]:
    """What kubectl calls a kind of ours."""
    return {PLURALS[kind.name], kind.name.lower(), f"{PLURALS[kind.name]}.opssight.dev", kind.short_name}


OURS = {name: kind for kind in KINDS for name in names_of(kind)}
CRDS = {f"{PLURALS[kind.name]}.opssight.dev" for kind in KINDS}


def split(words: list[str], flags: set[str]) -> tuple[list[str], dict[str, str], str | None]:
    """Arguments, flags with their values, and the first flag that is not known."""
    plain: list[str] = []
    given: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            plain.append(word)
            continue
        flag, equals, value = word.partition("=")
        if flag not in flags:
            return plain, given, flag
        given[flag] = value if equals or flag in WITHOUT_VALUE else next(rest, "")
    return plain, given, None


def kubectl_mistake(words: list[str]) -> str | None:
    """What is wrong with the words behind kubectl; None when nothing is."""
    before = words[:2] if words[:1] and words[0] in EVERYWHERE else []
    verb, rest = words[len(before)], words[len(before) + 1 :]
    if verb not in FLAGS:
        return f"no verb {verb}"
    plain, given, unknown = split(rest, FLAGS[verb] | EVERYWHERE)
    if unknown:
        return f"no flag {unknown} of {verb}"
    file = given.get("-f") or given.get("--patch-file")
    if file and file not in MADE_BEFORE and not (ROOT / file).exists():
        return f"no file {file}"
    condition = given.get("--for", "").removeprefix("condition=")
    if condition and condition not in set(ConditionType):
        return f"no condition {condition}"
    return next((f"no {name}" for name in unknown_names(verb, plain)), None)


def unknown_names(verb: str, plain: list[str]) -> Iterator[str]:
    """The kinds, fields and sub-commands among the arguments that there are not."""
    match verb, plain:
        case "explain", [path]:
            kind, *steps = path.split(".")
            if kind not in OURS or not has_field(root_schema(OURS[kind]), steps):
                yield path
        case "auth", ["can-i", _, kind] if kind in OF_KUBERNETES:
            return
        case "rollout", ["status", what]:
            yield from unknown_kinds(what)
        case "create", ["namespace", _] | ["secret", "generic", _]:
            return
        case (("get" | "describe" | "wait" | "delete" | "patch" | "label"), [what, *names]):
            yield from unknown_kinds(what)
            yield from (name for name in names if what == "crd" and name not in CRDS)
        case (("apply" | "replace"), []):
            return
        case _:
            yield " ".join(plain)


def unknown_kinds(what: str) -> Iterator[str]:
    for kind in what.split("/", maxsplit=1)[0].split(","):
        if kind not in OURS and kind not in OF_KUBERNETES and kind != "opssight":  # the category
            yield kind


def has_field(schema: dict[str, Any], steps: list[str]) -> bool:
    """Whether the schema has a field at this path, through lists too."""
    for step in steps:
        schema = schema.get("items", schema)
        if step not in schema.get("properties", {}):
            return False
        schema = schema["properties"][step]
    return True


def helm_mistake(words: list[str], values: dict[str, Any]) -> str | None:
    """What is wrong with the words behind helm; ``values`` is the schema of the chart's values."""
    verb, sets = words[0], [after for flag, after in pairwise(words) if flag == "--set"]
    if verb not in HELM_FLAGS:
        return f"no verb {verb}"
    plain, _, unknown = split(words[1:], HELM_FLAGS[verb] | EVERYWHERE)
    if unknown:
        return f"no flag {unknown} of {verb}"
    if verb in ("install", "upgrade") and not (ROOT / plain[1] / "Chart.yaml").is_file():
        return f"no chart {plain[1]}"
    for pair in sets:
        node = values
        for step in pair.partition("=")[0].split("."):
            open_ended = "properties" not in node and node.get("type") == "object"
            if step not in node.get("properties", {}) and not open_ended:
                return f"no value {pair}"
            node = node.get("properties", {}).get(step, {"type": "object"})
    return None
