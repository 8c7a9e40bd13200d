"""The kinds of field that requests are made of; each knows its schema and says what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

JsonSchema = dict[str, Any]
SCALAR: JsonSchema = {"type": ["string", "number", "boolean", "null"]}

Number = Annotated[float, AllowInfNan(False)]
Values = Annotated[list[Number | None], FailFast()]
"""Numbers, null for a missing sample. The first wrong one ends the reading of a list."""


class Strict(BaseModel):
    """A request: no unknown fields, and no text where a number belongs."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Answer(BaseModel):
    """An answer; its schema allows nothing that is not described."""

    model_config = ConfigDict(extra="forbid")


def wrong(allowed: str) -> PydanticCustomError:
    """What a check raises; the field and the value are added by the reader."""
    return PydanticCustomError("allowed", "{allowed}", {"allowed": allowed})


@dataclass(frozen=True)
class Checked:
    """Of a field of several types: what it accepts, the words for it, and its schema."""

    accepts: Callable[[Any], bool]
    allowed: str
    schema: JsonSchema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return dict(self.schema)

    def _check(self, value: Any) -> Any:
        if not self.accepts(value):
            raise wrong(self.allowed)
        return value


def choice(names: Iterable[str]) -> Checked:
    """A text that must be one of ``names``."""
    known = tuple(names)
    return Checked(
        lambda value: isinstance(value, str) and value in known,
        "one of " + ", ".join(known),
        {"type": "string", "enum": list(known)},
    )


def optional(description: str, **more: Any) -> Any:
    """A field that may be left out; null is no way to do that."""
    return Field(default=None, description=description, json_schema_extra=_without_default, **more)


def _without_default(schema: JsonSchema) -> None:
    schema.pop("default", None)


def is_number(value: Any) -> bool:
    """A finite number of JSON that a 64-bit float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def is_scalar(value: Any) -> bool:
    """What one cell of a table may hold."""
    return value is None or isinstance(value, str | bool) or is_number(value)


def _is_parameter(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return value is not None and is_scalar(value)


Moment = Annotated[
    Any,
    Checked(
        lambda value: isinstance(value, str) or is_number(value),
        "a time: seconds since 1970, or ISO 8601 text such as 2026-03-01T06:00:00Z",
        {"type": ["number", "string"]},
    ),
]
Times = Annotated[list[Moment], FailFast()]
Sensitivity = Annotated[
    Any,
    Checked(
        lambda value: isinstance(value, str) or is_number(value),
        "a number, or a word for methods that take one",
        {"type": ["number", "string"]},
    ),
]
Parameter = Annotated[
    Any,
    Checked(
        _is_parameter,
        "a number, a text, true, false or a list of texts",
        {"anyOf": [{"type": ["number", "string", "boolean"]}, {"type": "array", "items": {"type": "string"}}]},
    ),
]
