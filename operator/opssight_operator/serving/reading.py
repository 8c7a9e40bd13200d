"""From bytes to a request that can be answered, or to a refusal that names the field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from opssight_detectors.base import FloatArray
from opssight_detectors.parameters import yaml_name
from opssight_detectors.patterns.timestamps import parse_times

from .problems import FieldError, Problem, Refused, against_schema, impossible, not_json, shown, too_large

Request = TypeVar("Request", bound=BaseModel)
Values = Sequence[float | None]
Lists = Sequence[tuple[str, Values]]
UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for."""

    max_points: int
    max_series: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came, when (seconds since the epoch), and what it is called in the log."""

    body: bytes
    limits: Limits
    now: float
    request_id: str = ""


def parsed(kind: type[Request], body: bytes) -> Request:
    """The request of the bytes of a body, read in one go; ``Refused`` with 400."""
    try:
        return kind.model_validate_json(body.removeprefix(UTF8_MARK))
    except ValidationError as error:
        raise Refused(against_schema(error)) from None


def plain(body: bytes) -> Any:
    """JSON as dicts and lists; ``Refused`` with 400 when it is not JSON, NaN and Infinity included."""
    try:
        return from_json(body.removeprefix(UTF8_MARK), allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Refused(not_json(str(error))) from None


def checked(kind: type[Request], data: Any) -> Request:
    """The request of plain JSON; ``Refused`` with 400."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise Refused(against_schema(error)) from None


def within(lists: Lists, limits: Limits) -> None:
    """Refuse more lists or numbers than the server allows."""
    if len(lists) > limits.max_series:
        raise Refused(too_large("the number of lists", len(lists), limits.max_series, "max_series"))
    points = sum(len(values) for _, values in lists)
    if points > limits.max_points:
        raise Refused(too_large("the number of values", points, limits.max_points, "max_points"))


def ascending_times(given: Sequence[object] | None, lists: Lists) -> FloatArray | None:
    """Seconds of the samples of every list, which all must have as many; ``Refused`` with 422."""
    if given is None:
        return None
    for name, values in lists:
        if len(values) != len(given):
            raise Refused(
                impossible(
                    f"times has {len(given)} entries and {name} has {len(values)}; they must be equally many",
                    "times",
                    list(given),
                    f"one time for each of the {len(values)} values",
                )
            )
    with refusing("times"):
        seconds = parse_times(given, "times", None)
    wrong = np.flatnonzero(~np.isfinite(seconds))
    if not len(wrong):
        wrong = np.flatnonzero(np.diff(seconds) <= 0) + 1
    if len(wrong):
        row = int(wrong[0])
        detail = f"times[{row}] is {shown(given[row])}; each time must be later than the one before it"
        raise Refused(impossible(detail, f"times[{row}]", given[row], "ascending"))
    return seconds


def moment(given: object, default: float, where: str = "end") -> float:
    """Seconds of a field that is one time; ``Refused`` with 422."""
    if given is None:
        return default
    with refusing(where):
        seconds = float(parse_times([given], where, None)[0])
        if not math.isfinite(seconds):
            raise ValueError(f"{where} is {shown(given)}; it must be seconds since 1970 or ISO 8601 text")
        return seconds


def zone_named(name: str | None) -> ZoneInfo:
    """The time zone; ``Refused`` with 422."""
    try:
        return ZoneInfo("UTC" if name is None else name)
    except (KeyError, ValueError, OSError):
        detail = f"time_zone is {shown(name)}; it must be a name of the IANA database, such as Europe/Berlin"
        raise Refused(impossible(detail, "time_zone", name, "a name of the IANA database")) from None


@contextmanager
def refusing(where: str, given: Mapping[str, object] | None = None) -> Iterator[None]:
    """What the engine refuses here (``ValueError`` with a sentence) becomes ``Refused`` with 422.

    ``given`` are the values of fields by their place; a sentence that begins with the name of one is about it.
    """
    try:
        yield
    except ValueError as error:
        sentence = str(error)
        spelled = {word: at for at in given or {} for word in (_name(at), yaml_name(_name(at)))}
        at = spelled.get(sentence.split(" ", 1)[0])
        allowed = re.search(r"must be (.+?), not ", sentence)
        wrong = FieldError(
            at or where, shown(given[at]) if given and at else "", allowed.group(1) if allowed else sentence
        )
        raise Refused(Problem(422, "impossible", sentence, (wrong,))) from None


def _name(at: str) -> str:
    return at.rsplit(".", 1)[-1]
