"""What the API server checks beyond types: CEL rules that answer with a sentence, and marks that carry them.

The form and the bounds of one string are checked where it stands, in one rule; what two fields must be to
each other is a ``Rule`` of their model. The sentence names the value and what is allowed, and the API
server puts the path of the field in front of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from .durations import DURATION_PATTERN, seconds, seconds_in_cel

VALIDATIONS = "x-kubernetes-validations"
DECIMAL_PATTERN = r"^-?[0-9]{1,18}(\.[0-9]{1,12})?$"

A_DURATION = "a duration such as 30s, 5m, 1h30m or 7d"
A_NUMBER = "a decimal number such as 0.05, 3 or -1.5"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``x-kubernetes-validations``.

    ``rule`` is CEL and true for what is allowed. ``sentence`` is the message with values: CEL expressions
    in double braces, ``"min is {{self.min}}"``; ``message`` stands in where no value can be shown. ``field`` is the
    path that the error is reported at, relative to ``self``.
    """

    rule: str
    message: str
    sentence: str = ""
    field: str = ""

    def entry(self) -> dict[str, str]:
        """The entry as it stands in the schema."""
        entry = {"rule": self.rule, "message": self.message}
        if self.sentence:
            entry["messageExpression"] = spoken(self.sentence)
        if self.field:
            entry["fieldPath"] = self.field
        return entry


def spoken(sentence: str) -> str:
    """The CEL expression of a sentence with CEL expressions in double braces."""
    parts = re.split(r"\{\{(.*?)\}\}", sentence)
    return " + ".join(part if i % 2 else _quoted(part) for i, part in enumerate(parts) if part)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def with_rules(schema: JsonSchemaValue, rules: Iterable[Rule]) -> JsonSchemaValue:
    """``schema`` with these rules."""
    entries = [rule.entry() for rule in rules]
    return {**schema, VALIDATIONS: entries} if entries else schema


def matches(value: str, pattern: str) -> str:
    """CEL: the string ``value`` has the form of ``pattern``."""
    return f'{value}.matches(r"{pattern}")'


def unless_malformed(check: str, *, durations: Iterable[str] = (), numbers: Iterable[str] = ()) -> str:
    """``check`` between strings that are durations or numbers; one that is neither is refused at its own field."""
    malformed = [f"!{matches(value, DURATION_PATTERN)}" for value in durations]
    malformed += [f"!{matches(value, DECIMAL_PATTERN)}" for value in numbers]
    return " || ".join([*malformed, check])


@dataclass(frozen=True, slots=True)
class Form:
    """A mark on a string: the pattern it must have, and what that is called (``must be a duration such as 5m``)."""

    pattern: str
    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return with_rules(handler(core), [_of_value(matches("self", self.pattern), self.name)])

    def check(self, value: str) -> str:
        """``value``, if it has the form; ``ValueError`` says what is allowed."""
        if not fits(self.pattern, value):
            raise ValueError(f'"{value}" must be {self.name}')
        return value


@dataclass(frozen=True, slots=True)
class KeyForm:
    """A mark on a map: the form of its keys."""

    pattern: str
    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        fitting = matches("key", self.pattern)
        rule = Rule(
            f"self.all(key, {fitting})",
            f"a key must be {self.name}",
            f'"{{{{self.filter(key, !{fitting})[0]}}}}" is a key that must be {self.name}',
        )
        return with_rules(handler(core), [rule])

    def check(self, value: Mapping[str, str]) -> Mapping[str, str]:
        """``value``, if all keys have the form; ``ValueError`` names the first that has not."""
        for key in value:
            if not fits(self.pattern, key):
                raise ValueError(f'the key "{key}" must be {self.name}')
        return value


@dataclass(frozen=True, slots=True)
class Bounds:
    """A mark on a decimal or a duration string: what it may be. The rule takes the place of that of the form.

    The API server alone checks it; the code checks again what it divides by.
    """

    at_least: str | None = None
    above: str | None = None
    below: str | None = None
    at_most: str | None = None
    of: Literal["number", "duration"] = "number"

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        limits = [
            (">=", "at least", self.at_least),
            (">", "above", self.above),
            ("<", "below", self.below),
            ("<=", "at most", self.at_most),
        ]
        number = self.of == "number"
        value = "double(self)" if number else seconds_in_cel("self")
        checks = [matches("self", DECIMAL_PATTERN if number else DURATION_PATTERN)]
        checks += [f"{value} {sign} {_bound(limit, number)}" for sign, _, limit in limits if limit is not None]
        allowed = " and ".join(f"{word} {limit}" for _, word, limit in limits if limit is not None)
        rule = _of_value(" && ".join(checks), f"{A_NUMBER if number else A_DURATION}, {allowed}")
        return with_rules(handler(core), [rule])


def fits(pattern: str, value: str) -> bool:
    """Whether the whole of ``value`` has the form; Python's ``$`` would allow a line break at the end."""
    return re.fullmatch(pattern.removesuffix("$"), value) is not None


def _of_value(rule: str, name: str) -> Rule:
    return Rule(rule, f"the value must be {name}", f'"{{{{self}}}}" must be {name}')


def _bound(limit: str, number: bool) -> str:
    if number:
        return limit if "." in limit else f"{limit}.0"
    return f"{seconds(limit):.0f}"
