"""Values of this package as JSON, and the JSON schema that such JSON follows; both read the same dataclasses.

Names become camelCase, NaN and infinity become null. A value that is one of several kinds (a plot) says which in
``type``.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from typing import Any


def camel_case(name: str) -> str:
    """``window_start`` as ``windowStart``."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def to_plain(value: Any, tagged: bool = False) -> Any:
    """``value`` as dicts, lists, strings, numbers, booleans and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value))
        plain = {"type": type(value).__name__} if tagged else {}
        for field in dataclasses.fields(value):
            plain[camel_case(field.name)] = to_plain(getattr(value, field.name), _is_tagged(hints[field.name]))
        return plain
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_schema(root: type, *, title: str, identifier: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of ``to_plain`` of any value of the dataclass ``root``."""
    definitions: dict[str, Any] = {}
    schema = _schema(root, definitions, tagged=False)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": identifier,
        "title": title,
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def _variants(hint: Any) -> list[Any]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return list(typing.get_args(hint))
    return [hint]


def _is_tagged(hint: Any) -> bool:
    """Whether a field may hold dataclasses of several kinds."""
    return sum(dataclasses.is_dataclass(variant) for variant in _variants(hint)) > 1


def _schema(hint: Any, definitions: dict[str, Any], tagged: bool) -> dict[str, Any]:
    variants = _variants(hint)
    if len(variants) > 1:
        return {"anyOf": [_schema(variant, definitions, _is_tagged(hint)) for variant in variants]}
    if dataclasses.is_dataclass(hint):
        return _reference(typing.cast(type, hint), definitions, tagged)
    if typing.get_origin(hint) is tuple:
        items = typing.get_args(hint)
        if len(items) == 2 and items[1] is Ellipsis:
            return {"type": "array", "items": _schema(items[0], definitions, tagged=False)}
        fixed = [_schema(item, definitions, tagged=False) for item in items]
        return {"type": "array", "prefixItems": fixed, "minItems": len(fixed), "maxItems": len(fixed)}
    simple: dict[Any, dict[str, Any]] = {
        str: {"type": "string"},
        int: {"type": "integer"},
        float: {"type": ["number", "null"]},
        bool: {"type": "boolean"},
        type(None): {"type": "null"},
    }
    return simple[hint]


def _reference(kind: type, definitions: dict[str, Any], tagged: bool) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # keeps a kind that contains itself from going round forever
        hints = typing.get_type_hints(kind)
        properties: dict[str, Any] = {"type": {"const": kind.__name__}} if tagged else {}
        for field in dataclasses.fields(kind):
            properties[camel_case(field.name)] = _schema(hints[field.name], definitions, tagged=False)
        definitions[kind.__name__] = {
            "type": "object",
            "description": " ".join((inspect.getdoc(kind) or "").split()),
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}
