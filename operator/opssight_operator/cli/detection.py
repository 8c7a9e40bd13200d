"""``opssight detect``: anomalies in lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opssight_detectors.engine import Detection, detect_anomalies
from opssight_detectors.parameters import ParameterInfo, parameters_of
from opssight_detectors.policy import Direction, Policy
from opssight_detectors.registry import METHODS
from opssight_operator.core.answers import plain_detection

from .errors import BadInput
from .samples import Samples
from .writing import moment, number, table


@dataclass(frozen=True, slots=True)
class Found:
    """The answer: for machines, for people, and what is worth a note."""

    plain: Any
    table: str
    notes: tuple[str, ...]
    anomalies: int


def detections(
    samples: Samples, *, method: str, given: Sequence[str] = (), direction: str = "Both"
) -> dict[str, Detection]:
    """What is found in each list; ``given`` are ``name=value``. ``BadInput`` for what cannot be."""
    name = method_named(method)
    parameters = parameters_given(name, METHODS[name], given)
    policy = Policy(Direction(direction))
    try:
        return {
            key: detect_anomalies(values, method=name, times=samples.times, policy=policy, **parameters)
            for key, values in samples.series.items()
        }
    except ValueError as error:
        raise BadInput(str(error)) from None


def detect(samples: Samples, *, method: str, given: Sequence[str] = (), direction: str = "Both") -> Found:
    """The anomalies of each list."""
    found = detections(samples, method=method, given=given, direction=direction)
    notes = tuple(
        f"{key + ': ' if key else ''}{detection.samples} values are too few to judge"
        for key, detection in found.items()
        if detection.warming_up or detection.samples == 0
    )
    timed = samples.times is not None
    return Found(_plain(found, timed), _table(found, timed), notes, sum(len(d.anomalies) for d in found.values()))


def parameters_given(method: str, kind: type, given: Sequence[str]) -> dict[str, Any]:
    """``name=value`` as the parameters of a method; names as in a manifest or in Python."""
    known = {info.yaml_name.lower(): info for info in parameters_of(kind)}
    parameters: dict[str, Any] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        info = known.get(key.strip().replace("_", "").replace("-", "").lower())
        if not equals or info is None:
            names = ", ".join(one.yaml_name for one in known.values())
            raise BadInput(f"--set {pair!r}: {method} takes name=value with the names {names}")
        parameters[info.name] = _value(info, text.strip())
    return parameters


def _value(info: ParameterInfo, text: str) -> Any:
    if isinstance(info.default, tuple):
        return tuple(part.strip() for part in text.split(","))
    if isinstance(info.default, str):
        return text
    kind = int if isinstance(info.default, int) else float
    try:
        return kind(text)
    except ValueError:
        whole = "a whole number" if kind is int else "a number"
        raise BadInput(f"{info.yaml_name} must be {whole}, not {text!r}") from None


def method_named(given: str) -> str:
    """``z-score``, ``zscore`` and ``ZScore`` are one."""
    names = {name.lower(): name for name in METHODS}
    key = given.lower().replace("-", "").replace("_", "")
    if key not in names:
        raise BadInput(f"--method is {given!r}; it must be one of {', '.join(METHODS)}")
    return names[key]


def _plain(found: dict[str, Detection], timed: bool) -> Any:
    answers = {key: plain_detection(detection) for key, detection in found.items()}
    if timed:
        for key, detection in found.items():
            for told, point in zip(answers[key]["anomalies"], detection.anomalies, strict=True):
                told["time"] = moment(point.time)
    return answers[""] if list(answers) == [""] else {"series": answers}


def _table(found: dict[str, Detection], timed: bool) -> str:
    named = list(found) != [""]
    rows = [
        (
            *([key] if named else []),
            moment(p.time) if timed else str(p.index),
            number(p.value),
            number(p.score, 3),
            p.severity.label,
        )
        for key, detection in found.items()
        for p in detection.anomalies
    ]
    if not rows:
        return f"no anomalies in {sum(d.samples for d in found.values())} values"
    header = (*(["series"] if named else []), "time" if timed else "index", "value", "score", "severity")
    return table(header, rows, left=("series", "severity"))
