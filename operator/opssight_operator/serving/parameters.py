"""Parameters of methods and estimators, from JSON to what their dataclasses take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from .fields import is_number
from .problems import Refused, impossible, shown


def configured(name: str, kind: type, given: Mapping[str, object]) -> dict[str, Any]:
    """``given`` (values by their place in the request) by parameter; ``Refused`` with 422 for names and types."""
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}
    found: dict[str, Any] = {}
    for place, value in given.items():
        parameter = place.rsplit(".", 1)[-1]
        if parameter not in known:
            detail = f"{name} has no parameter {parameter!r}; it has {', '.join(known)}"
            raise Refused(impossible(detail, place, value, "one of " + ", ".join(known)))
        if parameter in found:
            raise Refused(impossible(f"{parameter} is given twice", place, value, f"one {parameter}"))
        found[parameter] = _typed(place, value, known[parameter].default)
    return found


def _typed(place: str, value: object, default: object) -> object:
    """The value in the type of the default; the limits are the engine's to check."""
    if isinstance(default, bool):
        allowed, right = "true or false", isinstance(value, bool)
    elif isinstance(default, int | float):
        allowed, right = "a number", is_number(value)
    elif isinstance(default, str):
        allowed, right = "a text", isinstance(value, str)
    elif isinstance(default, tuple):
        allowed, right = "a list of texts", isinstance(value, list)
    else:
        allowed, right = "a number", default in (None, MISSING) and is_number(value)
    if not right:
        raise Refused(impossible(f"{place} is {shown(value)}; it must be {allowed}", place, value, allowed))
    if isinstance(value, list):
        return tuple(value)
    return int(value) if isinstance(default, int) and isinstance(value, float) and value.is_integer() else value
