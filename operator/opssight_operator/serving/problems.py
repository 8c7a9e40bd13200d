"""What went wrong, as RFC 9457 problem details: one sentence, and the field, the value and what is allowed.

400: the body does not follow the published schema. 422: it does, but cannot be answered, as when two fields do not
go together. The other numbers are those of HTTP.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "https://opssight.dev/problems/"
_MOST_ERRORS = 10
_LONGEST_VALUE = 80
_ALLOWED = {
    "finite_number": "a finite number, or null for a missing sample",
    "float_type": "a number, or null for a missing sample",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong; ``value`` is shortened."""

    field: str
    value: str
    allowed: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is none. ``kind`` is the last part of its type, ``headers`` go with it."""

    status: int
    kind: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def body(self, request_id: str = "") -> bytes:
        """The JSON of it."""
        said: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            said["errors"] = [{"field": e.field, "value": e.value, "allowed": e.allowed} for e in self.errors]
        if request_id:
            said["request_id"] = request_id
        return json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace")


class Refused(Exception):
    """A problem on its way up."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def not_json(why: str) -> Problem:
    """The body cannot even be read."""
    hint = "; a missing sample is null" if "expected value" in why else ""
    return Problem(400, "not-json", f"the body is not JSON: {why}{hint}")


def against_schema(error: ValidationError) -> Problem:
    """The body is JSON and does not follow the schema; the first ten fields are named."""
    found = error.errors(include_url=False)
    if found and found[0]["type"] == "json_invalid":
        return not_json(str(found[0]["ctx"]["error"]))
    errors = tuple(_field_error(dict(one)) for one in found[:_MOST_ERRORS])
    first = errors[0]
    more = f"; {len(found) - 1} more of the kind" if len(found) > 1 else ""
    return Problem(400, "wrong-field", f"{first.field} is {first.value}; it must be {first.allowed}{more}", errors)


def impossible(detail: str, where: str, value: object, allowed: str) -> Problem:
    """The body follows the schema, and yet."""
    return Problem(422, "impossible", detail, (FieldError(where, shown(value), allowed),))


def too_large(what: str, count: int, limit: int, setting: str) -> Problem:
    """More than a limit of the server."""
    return Problem(
        413,
        "too-large",
        f"{what} is {count:,}; allowed are {limit:,} (the setting {setting} of the server)",
        (FieldError(what, str(count), f"at most {limit}"),),
    )


def place(loc: Sequence[int | str]) -> str:
    """``("series", "a b", 3)`` as ``series["a b"][3]``."""
    parts: list[str] = []
    for step in loc:
        if step == "[key]":  # pydantic's word for the key itself
            continue
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif step.isidentifier():
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f"[{shown(step)}]")
    return "".join(parts) or "the body"


def shown(value: object) -> str:
    """A value as JSON, shortened."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        text = json.dumps(value, ensure_ascii=False) if not isinstance(value, list | dict) else _outline(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _outline(value: list[Any] | dict[str, Any]) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else f"an object of {len(value)}"


def _field_error(one: dict[str, Any]) -> FieldError:
    where, kind, context = place(one["loc"]), one["type"], one.get("ctx") or {}
    if kind == "missing":
        return FieldError(where, "missing", "given")
    if kind == "extra_forbidden":
        return FieldError(where, shown(one["input"]), f"left out: there is no field {one['loc'][-1]}")
    if kind in ("too_short", "too_long"):
        bound = "min_length" if kind == "too_short" else "max_length"
        return FieldError(
            where,
            shown(one["input"]),
            f"one with {'at least' if kind == 'too_short' else 'at most'} {context[bound]} inside",
        )
    if kind == "allowed":  # our own checks say it themselves
        return FieldError(where, shown(one["input"]), str(context["allowed"]))
    allowed = _ALLOWED.get(kind) or str(one["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return FieldError(where, shown(one["input"]), allowed)
