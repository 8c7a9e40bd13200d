"""From a spec to the configured methods of ``opssight_detectors``; what they refuse becomes ``InvalidSpec``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from opssight_detectors.base import Detector
from opssight_detectors.parameters import parameters_of
from opssight_detectors.policy import Direction, Policy
from opssight_detectors.registry import METHODS, detector_of
from opssight_detectors.thresholds.summary import zone_of

from ..api.anomaly_detector import AnomalyDetectorSpec, Query
from ..api.base import seconds
from ..api.threshold_policy import ThresholdPolicySpec
from ..errors import InvalidSpec
from .case import Guards
from .numbers import parsed

T = TypeVar("T")
LEARNS_SHAPES = frozenset({"Adaptive", "IsolationForest", "Autoencoder"})


def detector_for(spec: AnomalyDetectorSpec) -> Detector:
    """The configured detector of ``spec.method``."""
    return checked("method", lambda: detector_of(spec.method.type, **method_parameters(spec)))


def method_parameters(spec: AnomalyDetectorSpec) -> dict[str, Any]:
    """The parameters of the method as the library takes them, defaults included."""
    known = {info.name: info for info in parameters_of(METHODS[spec.method.type])}
    given = spec.method.block()
    parameters: dict[str, Any] = {}
    for name, info in known.items():
        if name == "min_samples":
            parameters[name] = max(spec.min_training_samples, _least_samples(info.default, spec.method.type))
            continue
        value = getattr(given, name)
        if isinstance(info.default, float):
            value = float(value)
        parameters[name] = tuple(value) if isinstance(value, list) else value
    return parameters


def _least_samples(default: object, method: str) -> int:
    """Methods that learn shapes cannot do with the few samples that a mean can."""
    return int(str(default)) if method in LEARNS_SHAPES else 0


def policy_for(query: Query) -> Policy:
    """The policies of one metric."""
    smallest, limits = query.min_deviation, query.range
    given = {
        "min_absolute": parsed(smallest.absolute) if smallest else None,
        "min_relative": parsed(smallest.relative) if smallest else None,
        "range_min": parsed(limits.min) if limits else None,
        "range_max": parsed(limits.max) if limits else None,
    }
    numbers = {name: number for name, number in given.items() if number is not None}
    return checked(f"queries[{query.name}]", lambda: Policy(direction=Direction(query.direction), **numbers))


def guards_for(spec: ThresholdPolicySpec) -> Guards:
    """The guardrails as numbers."""
    given, history = spec.guardrails, spec.history
    return checked(
        "guardrails",
        lambda: Guards(
            min=parsed(given.min),
            max=parsed(given.max),
            max_step=float(given.max_step),
            dead_band=float(given.dead_band),
            cooldown=seconds(given.cooldown),
            freeze_while_firing=given.while_firing == "Freeze",
            freeze_at_most=seconds(given.freeze_at_most),
            min_coverage=float(history.min_coverage),
            min_duration=seconds(history.min_duration),
            window=seconds(history.window),
            hold_after_roll_back=seconds(spec.outcome.hold),
        ),
    )


def check_time_zone(name: str) -> None:
    """Refuse a time zone that nobody knows."""
    checked("alert.timeZone", lambda: zone_of(name))


def checked(field: str, build: Callable[[], T]) -> T:
    """What ``build`` gives; what it refuses with a ``ValueError`` becomes ``InvalidSpec`` of that field."""
    try:
        return build()
    except ValueError as error:
        raise InvalidSpec(f"{field}: {error}") from None
