"""The detectors by the name that ``method.type`` gives them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from .base import Detector
from .methods.adaptive import Adaptive
from .methods.autoencoder import Autoencoder
from .methods.isolation_forest import IsolationForest
from .methods.peer_outlier import PeerOutlier
from .methods.robust_zscore import RobustZScore
from .methods.seasonal import Seasonal
from .methods.spc import CUSUM, EWMA, Shewhart
from .methods.zscore import ZScore
from .parameters import ParameterInfo, parameters_of

METHODS: dict[str, type[Detector]] = {
    "Adaptive": Adaptive,
    "ZScore": ZScore,
    "RobustZScore": RobustZScore,
    "Shewhart": Shewhart,
    "EWMA": EWMA,
    "CUSUM": CUSUM,
    "Seasonal": Seasonal,
    "IsolationForest": IsolationForest,
    "Autoencoder": Autoencoder,
    "PeerOutlier": PeerOutlier,
}


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """A method for people: its name, one sentence, its parameters."""

    name: str
    summary: str
    parameters: tuple[ParameterInfo, ...]


def detector_of(method: str, **parameters: Any) -> Detector:
    """The configured detector; ValueError names an unknown method or parameter, or a value outside its limits."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    kind = METHODS[method]
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in parameters:
        if name not in known:
            raise ValueError(f"{method} has no parameter {name!r}; it has {', '.join(known)}")
    return kind(**parameters)


def describe() -> tuple[MethodInfo, ...]:
    """Every method with its parameters, in the order of the registry."""
    return tuple(
        MethodInfo(name, (kind.__doc__ or "").strip().split("\n")[0], parameters_of(kind))
        for name, kind in METHODS.items()
    )
