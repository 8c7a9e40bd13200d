"""The estimators by the name that a policy gives them."""

from __future__ import annotations

from .base import Estimator
from .budget import AlertBudget
from .decaying import DecayingHistogram
from .peaks import PeaksOverThreshold
from .percentile import Percentile
from .tracking import ExceedanceRate

ESTIMATORS: dict[str, type[Estimator]] = {
    "AlertBudget": AlertBudget,
    "Percentile": Percentile,
    "DecayingHistogram": DecayingHistogram,
    "PeaksOverThreshold": PeaksOverThreshold,
    "ExceedanceRate": ExceedanceRate,
}


def estimator_of(name: str, **parameters: float | None) -> Estimator:
    """The estimator of this type with these parameters; ValueError names what is unknown or impossible."""
    if name not in ESTIMATORS:
        raise ValueError(f"estimator type must be one of {', '.join(sorted(ESTIMATORS))}, not {name!r}")
    return ESTIMATORS[name](**parameters)
