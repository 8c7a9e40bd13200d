"""What an API server would say to a manifest, without one: defaults, JSON schema, then the CEL rules.

It knows as much of CEL in Kubernetes as our rules use. The real server has the last word in
``tests/component/test_admission.py``, on the same table.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

import cel
from jsonschema import Draft202012Validator

Schema = dict[str, Any]
BLOCKING = {"required", "type", "maxLength", "maxItems", "maxProperties"}
NUMBERS = {
    "minimum": "greater than or equal to",
    "maximum": "less than or equal to",
    "minLength": "at least",
    "minItems": "at least",
}


def defaulted(value: Any, schema: Schema) -> Any:
    """A copy of ``value`` with the defaults of ``schema`` and without the fields that it does not know."""
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        filled = {name: copy.deepcopy(node["default"]) for name, node in known.items() if "default" in node}
        merged = {**filled, **{name: v for name, v in value.items() if name in known}}
        return {name: defaulted(v, known[name]) for name, v in merged.items()}
    if isinstance(value, list) and "items" in schema:
        return [defaulted(entry, schema["items"]) for entry in value]
    return value


def complaints(manifest: dict[str, Any], schema: Schema) -> list[str]:
    """The messages of a refusal, each behind the path of its field; empty for a manifest that is taken."""
    known = {**schema, "properties": {**schema["properties"], "metadata": {"type": "object"}}}
    filled = {**defaulted(manifest, known), "metadata": manifest["metadata"]}
    errors = list(_worth_saying(Draft202012Validator(known).iter_errors(filled)))
    said = [_said(error) for error in errors] + list(_duplicates(filled, known, ""))
    if any(error.validator in BLOCKING for error in errors):
        return said
    return said + list(_rules(filled, known, ""))


def _worth_saying(errors: Iterable[Any]) -> Iterator[Any]:
    """All but those inside of a list that is too long, which its own field says once; entries have no end."""
    found = [(tuple(error.absolute_path), error) for error in errors]
    too_long = {path for path, error in found if error.validator == "maxItems"}
    for path, error in found:
        if not any(path[:end] in too_long for end in range(len(path))):
            yield error


def _said(error: Any) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)[1:]
    limit, value = error.validator_value, error.instance
    match error.validator:
        case "required":
            missing = re.match(r"'(.*)' is a required", error.message)
            name = missing[1] if missing else "?"
            return f"{path}.{name}: Required value".removeprefix(".")
        case "enum":
            return f'{path}: Unsupported value: "{value}": supported values: ' + ", ".join(f'"{v}"' for v in limit)
        case "type":
            return f"{path}: in body must be of type {limit}"
        case "maxLength" | "maxItems" | "maxProperties":
            return f"{path}: Too many: {len(value)}: must have at most {limit} items"
        case validator:
            unit = {"minLength": " chars long", "minItems": " items"}.get(validator, "")
            return f"{path}: Invalid value: {value!r}: should be {NUMBERS[validator]} {limit}{unit}"


def _duplicates(value: Any, schema: Schema, path: str) -> Iterator[str]:
    if isinstance(value, list) and len(value) > schema.get("maxItems", len(value)):
        return  # each entry is compared with all before it
    for child, node, place in _children(value, schema, path):
        yield from _duplicates(child, node, place)
    kind = schema.get("x-kubernetes-list-type")
    if not isinstance(value, list) or kind not in ("map", "set"):
        return
    names = schema.get("x-kubernetes-list-map-keys", [])
    if kind == "map" and not all(isinstance(entry, dict) for entry in value):
        return  # which the types say
    keys = [tuple(entry.get(name) for name in names) if kind == "map" else entry for entry in value]
    for i, key in enumerate(keys):
        if key in keys[:i]:
            shown = key[0] if isinstance(key, tuple) else key
            yield f'{path}[{i}]: Duplicate value: "{shown}"'


def _rules(value: Any, schema: Schema, path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", []):
        if evaluate(rule["rule"], value) is not True:
            yield f"{path}{rule.get('fieldPath', '')}: {message(rule, value)}".removeprefix(".")
    for child, node, place in _children(value, schema, path):
        yield from _rules(child, node, place)


def _children(value: Any, schema: Schema, path: str) -> Iterator[tuple[Any, Schema, str]]:
    if isinstance(value, dict):
        for name, child in value.items():
            if name in schema.get("properties", {}):
                yield child, schema["properties"][name], f"{path}.{name}".removeprefix(".")
            elif "additionalProperties" in schema:
                yield child, schema["additionalProperties"], f"{path}[{name}]"
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield child, schema["items"], f"{path}[{i}]"


def message(rule: dict[str, str], value: Any) -> str:
    """What the rule says about ``value``: a message of one line from the expression, else the fixed one."""
    made = evaluate(rule["messageExpression"], value) if "messageExpression" in rule else ""
    return made if made.strip() and "\n" not in made else rule["message"]


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found.group(0) if found else ""


def evaluate(expression: str, value: Any) -> Any:
    """The value of a CEL expression over ``self``."""
    context = cel.Context()
    context.add_variable("self", value)
    context.add_function("find", _find)
    context.add_function("replace", lambda text, old, new: text.replace(old, new))
    context.add_function("join", lambda texts, separator: separator.join(texts))
    return cel.evaluate(expression, context)
