"""``detect_anomalies``: the engine's answer for each list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opssight_detectors.base import FloatArray
from opssight_detectors.engine import detect_anomalies
from opssight_detectors.policy import Direction, Policy
from opssight_detectors.registry import METHODS

from ..core.answers import plain_detection
from .parameters import configured
from .reading import Asked, Values, ascending_times, parsed, refusing, within
from .requests import DetectAnomalies


def detect(asked: Asked) -> dict[str, Any]:
    """As the command line writes it: the answer for ``values`` itself, and one for each of ``series`` by name."""
    request = parsed(DetectAnomalies, asked.body)
    alone = {"values": request.values} if request.values else {}
    named = request.series or {}
    lists = [*alone.items(), *named.items()]
    within(lists, asked.limits)
    times = ascending_times(request.times, lists)
    return {
        **_answers(request, alone, times).get("values", {}),
        **({"series": _answers(request, named, times)} if named else {}),
    }


def _answers(
    request: DetectAnomalies, lists: Mapping[str, Values], times: FloatArray | None
) -> dict[str, dict[str, Any]]:
    given = {f"parameters.{name}": value for name, value in request.parameters.items()}
    if request.sensitivity is not None:
        given["sensitivity"] = request.sensitivity
    parameters = configured(request.method, METHODS[request.method], given)
    policy = Policy(Direction(request.direction))
    with refusing("parameters", given):
        return {
            name: plain_detection(
                detect_anomalies(values, method=request.method, times=times, policy=policy, **parameters)
            )
            for name, values in lists.items()
        }
