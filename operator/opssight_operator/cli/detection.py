"""``opssight detect``: anomalies in lists of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opssight_detectors.engine import Detection, detect_anomalies
from opssight_detectors.policy import Direction, Policy
from opssight_detectors.registry import METHODS
from opssight_operator.core.answers import plain_detection

from .errors import BadInput
from .reading import Series
from .writing import number, table


@dataclass(frozen=True, slots=True)
class Found:
    """The answer: for machines, for people, and what is worth a note."""

    plain: Any
    table: str
    notes: tuple[str, ...]
    anomalies: int


def detect(series: Series, *, method: str, sensitivity: float | None, direction: str) -> Found:
    """The anomalies of each list; ``BadInput`` for a method or a parameter that cannot be."""
    name = _method(method)
    try:
        found = {
            key: detect_anomalies(values, method=name, sensitivity=sensitivity, policy=Policy(Direction(direction)))
            for key, values in series.items()
        }
    except ValueError as error:
        raise BadInput(str(error)) from None
    notes = tuple(
        f"{key + ': ' if key else ''}{detection.samples} values are too few to judge"
        for key, detection in found.items()
        if detection.warming_up or detection.samples == 0
    )
    return Found(_plain(found), _table(found), notes, sum(len(d.anomalies) for d in found.values()))


def _method(given: str) -> str:
    """``z-score``, ``zscore`` and ``ZScore`` are one."""
    names = {name.lower(): name for name in METHODS}
    key = given.lower().replace("-", "").replace("_", "")
    if key not in names:
        raise BadInput(f"--method is {given!r}; it must be one of {', '.join(METHODS)}")
    return names[key]


def _plain(found: dict[str, Detection]) -> Any:
    answers = {key: plain_detection(detection) for key, detection in found.items()}
    return answers[""] if list(answers) == [""] else {"series": answers}


def _table(found: dict[str, Detection]) -> str:
    named = list(found) != [""]
    rows = [
        (*([key] if named else []), str(p.index), number(p.value), number(p.score, 3), p.severity.label)
        for key, detection in found.items()
        for p in detection.anomalies
    ]
    if not rows:
        return f"no anomalies in {sum(d.samples for d in found.values())} values"
    header = (*(["series"] if named else []), "index", "value", "score", "severity")
    return table(header, rows, left=("series", "severity"))
