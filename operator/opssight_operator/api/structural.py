"""From a pydantic model to a structural OpenAPI schema: what the API server accepts, defaults and explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from .validation import VALIDATIONS

Schema = dict[str, Any]

LARGEST_INT32 = 2**31 - 1
ORDER = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "items",
    "additionalProperties",
    "properties",
    "required",
    VALIDATIONS,
)
DROPPED = {"title", "$defs"}


class _WithFactories(GenerateJsonSchema):
    """Shows the defaults that are made by a factory, in full, for the rules are held against them as they stand."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        factory = schema.get("default_factory")
        if factory is None or schema.get("default_factory_takes_data"):
            return super().get_default_value(schema)
        made = cast(Callable[[], Any], factory)()
        return _plain(made) if isinstance(made, BaseModel) else made


def structural_schema(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """The structural schema of ``model``: no references, no nulls, keys in one order.

    ``defaults=False`` leaves them out: a status says what was seen, so nothing may be filled in. Raises
    ``ValueError`` for a keyword of JSON schema that has no place in a structural schema.
    """
    whole = model.model_json_schema(schema_generator=_WithFactories, mode="validation")
    node = _structural(whole, whole.get("$defs", {}), defaults, model.__name__)
    return {**node, "description": plain_text(model.__doc__ or "")} if "description" in node else node


def plain_text(text: str) -> str:
    """A docstring as one line of plain words."""
    return " ".join(text.split()).replace("``", "")


def _plain(model: BaseModel) -> Schema:
    values = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in values.items() if value not in ([], {})}


def _structural(node: Mapping[str, Any], defs: Mapping[str, Schema], defaults: bool, path: str) -> Schema:
    node = _inlined(_without_null(_inlined(node, defs)), defs)
    result: Schema = {}
    for key, value in node.items():
        if key == "description":
            result[key] = plain_text(value)
        elif key == "const":
            result["enum"] = [value]
        elif key == "properties":
            result[key] = {name: _structural(v, defs, defaults, f"{path}.{name}") for name, v in value.items()}
        elif key == "items":
            result[key] = _undescribed(_structural(value, defs, defaults, f"{path}[]"))
        elif key == "additionalProperties":
            if value is not False:
                result[key] = _undescribed(_structural(value, defs, defaults, f"{path}{{}}"))
        elif key == "default":
            if defaults and value is not None and not _empty_collection(value, node):
                result[key] = value
        elif key in ORDER:
            result[key] = value
        elif key not in DROPPED:
            raise ValueError(f"{path}: a structural schema has no {key!r}")
    if result.get("type") == "integer":
        result["format"] = "int32" if result.get("maximum", LARGEST_INT32 + 1) <= LARGEST_INT32 else "int64"
    return {key: result[key] for key in ORDER if key in result}


def _inlined(node: Mapping[str, Any], defs: Mapping[str, Schema]) -> Mapping[str, Any]:
    """``node`` with what it refers to; what the field says stands above what its type says."""
    while "$ref" in node:
        target = defs[node["$ref"].removeprefix("#/$defs/")]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _without_null(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """An optional field is one that may be absent; null is the same to the API server."""
    choices = [choice for choice in node.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return node
    return {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}


def _undescribed(node: Schema) -> Schema:
    """The list or map has a description; one more on its entries would say the same again."""
    return {key: value for key, value in node.items() if key != "description"}


def _empty_collection(default: Any, node: Mapping[str, Any]) -> bool:
    """An absent list or map is an empty one; an absent object must be there for its own defaults."""
    return default == [] or (default == {} and "properties" not in node)
