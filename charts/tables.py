"""What is generated of the chart without Helm: the tables of its values and rights, and the schema of its settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import yaml

from opssight_operator.adapters.kubernetes.permissions import PERMISSIONS, place
from opssight_operator.settings import Settings

from .rendering import CHART

MADE_BY_THE_CHART = frozenset(
    {
        "namespaces",
        "operator_namespace",
        "identity",
        "metrics_host",
        "metrics_port",
        "health_port",
        "leader_election",
        "lease_name",
        "shards",
        "shard",
        "write_rules",
        "pattern_reports",
    }
)
"""Settings that follow from other values, or from the pod."""


def camel(name: str) -> str:
    """``max_series`` as ``maxSeries``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def described(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """``(path, comment)`` of each value with a comment in front of it; ``ValueError`` for one that has none."""
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    opaque = -1  # the indentation of a described value, whose own contents need no comment
    for line in lines:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if text.startswith("#"):
            comment.append(text.removeprefix("#").strip())
            continue
        if not text:
            comment = []
            continue
        if opaque >= 0 and indent > opaque:
            continue
        opaque = -1
        name, _, value = text.partition(":")
        path = [step for step in path if step[0] < indent] + [(indent, name)]
        if comment:
            yield tuple(step for _, step in path), " ".join(comment)
            comment, opaque = [], indent
        elif value.strip():
            raise ValueError(f"values.yaml: {'.'.join(step for _, step in path)} has no comment in front of it")


def value_at(values: Any, path: tuple[str, ...]) -> Any:
    """The default at a path."""
    for step in path:
        values = values[step]
    return values


def table() -> str:
    """The values as a Markdown table."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = ["| value | default | |", "|---|---|---|"]
    for path, comment in described(text.splitlines()):
        default = json.dumps(value_at(values, path)).replace("|", "\\|")
        rows.append(f"| `{'.'.join(path)}` | `{default}` | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def settings_table() -> str:
    """The settings as a Markdown table."""
    schema = settings_schema()["properties"]
    rows = [
        f"| `{camel(field.name)}` | `{json.dumps(schema[camel(field.name)]['default'])}` "
        f"| `OPSSIGHT_{field.name.upper()}` |"
        for field in chart_settings()
    ]
    return "\n".join(["| setting | default | environment |", "|---|---|---|", *rows])


def chart_settings() -> list[Any]:
    """Fields of ``Settings`` that ``values.settings`` may set."""
    return [field for field in fields(Settings) if field.name not in MADE_BY_THE_CHART]


def settings_schema() -> dict[str, Any]:
    """JSON schema of ``values.settings``, from the operator's own settings."""
    properties: dict[str, Any] = {}
    for field in chart_settings():
        default = field.default
        if isinstance(default, bool):
            kind: dict[str, Any] = {"type": "boolean"}
        elif isinstance(default, int):
            kind = {"type": "integer", **_bounds(field.metadata)}
        elif isinstance(default, float):
            kind = {"type": "number", **_bounds(field.metadata)}
        elif isinstance(default, str):
            choices = field.metadata.get("choices")
            kind = {"type": "string", **({"enum": list(choices)} if choices else {})}
        else:
            raise TypeError(f"settings.py: {field.name} is {default!r}; the chart sets text, numbers and switches")
        properties[camel(field.name)] = {**kind, "default": default}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _bounds(described: Mapping[str, Any]) -> dict[str, Any]:
    most = described.get("most")
    return {"minimum": described.get("least", 0), **({} if most is None else {"maximum": most})}


def schema() -> str:
    """values.schema.json with the settings of the operator and the names of its alerts in it."""
    document = json.loads((CHART / "values.schema.json").read_text())
    alerts = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    names = [rule["alert"] for group in alerts for rule in group["rules"]]
    document["properties"]["prometheusRule"]["properties"]["disabled"]["items"] = {"enum": names}
    document["properties"]["settings"] = settings_schema()
    return json.dumps(document, indent=2) + "\n"


def permissions_table() -> str:
    """What the operator may do, as a Markdown table."""
    rows = ["| where | what | verbs | why | switched off by |", "|---|---|---|---|---|"]
    switches = {None: "", "write_rules": "`delivery.writeRules`", "pattern_reports": "`patternReports.enabled`"}
    for permission in PERMISSIONS:
        where = "its own namespace" if permission.scope == "operator" else "every watched namespace"
        if place(permission, namespaced=True) in ("cluster", None):
            where = "the cluster"
        what = f"{permission.resource}.{permission.group}".removesuffix(".")
        rows.append(
            f"| {where} | `{what}` | {', '.join(permission.verbs)} | {permission.why} "
            f"| {switches[permission.feature]} |"
        )
    return "\n".join(rows)
