"""Hyper-parameters that know their limits.

A detector declares each parameter once with ``parameter``; validation, the description for the CLI
and the docs all read that one declaration.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """What is known about one hyper-parameter; ``name`` is Python's, ``yaml_name`` the manifest's."""

    name: str
    yaml_name: str
    default: object
    text: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The allowed values as part of a sentence."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        low = None if self.low is None else f"at least {self.low:g}"
        high = None if self.high is None else f"at most {self.high:g}"
        return " and ".join(part for part in (low, high) if part) or "any value"


def parameter(
    default: T,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> T:
    """A dataclass field with inclusive limits, or the choices (of a string, or of each item of a tuple)."""
    made: Any = field(default=default, metadata={"text": text, "low": low, "high": high, "choices": choices})
    return made  # type: ignore[no-any-return]


def yaml_name(name: str) -> str:
    """``min_samples`` -> ``minSamples``."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


@cache
def parameters_of(detector: type) -> tuple[ParameterInfo, ...]:
    """The hyper-parameters of a detector class, in the order of their declaration."""
    return tuple(
        ParameterInfo(
            name=item.name,
            yaml_name=yaml_name(item.name),
            default=None if item.default is MISSING else item.default,
            text=item.metadata["text"],
            low=item.metadata["low"],
            high=item.metadata["high"],
            choices=item.metadata["choices"],
        )
        for item in fields(detector)
        if "text" in item.metadata
    )


def check_parameters(detector: object) -> None:
    """Raise ValueError for the first parameter outside its limits: the field, the value, what is allowed."""
    for info in parameters_of(type(detector)):  # type: ignore[arg-type]  # mypy looks at the unbound __hash__
        value = getattr(detector, info.name)
        if info.choices:
            items = value if isinstance(value, tuple) else (value,)
            wrong = [item for item in items if item not in info.choices]
            if wrong:
                raise ValueError(f"{info.yaml_name} must be {info.allowed}, not {wrong[0]!r}")
        elif isinstance(info.default, int | float) and not isinstance(info.default, bool):
            _check_number(info, value)


def _check_number(info: ParameterInfo, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(info.default, int) and is_number and float(value) != int(float(value)):  # type: ignore[arg-type]
        raise ValueError(f"{info.yaml_name} must be a whole number, not {value!r}")
    if not is_number or not math.isfinite(value):  # type: ignore[arg-type]
        raise ValueError(f"{info.yaml_name} must be a number, not {value!r}")
    too_low = info.low is not None and value < info.low  # type: ignore[operator]
    too_high = info.high is not None and value > info.high  # type: ignore[operator]
    if too_low or too_high:
        raise ValueError(f"{info.yaml_name} must be {info.allowed}, not {value!r}")
