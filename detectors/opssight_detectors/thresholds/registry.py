"""The estimators by the name that a policy gives them."""

from __future__ import annotations

from .base import Estimator
from .decaying import DecayingHistogram
from .percentile import Percentile

ESTIMATORS: dict[str, type[Estimator]] = {
    "Percentile": Percentile,
    "DecayingHistogram": DecayingHistogram,
}


def estimator_of(name: str, **parameters: float) -> Estimator:
    """The estimator of this type with these parameters; ValueError names what is unknown or impossible."""
    if name not in ESTIMATORS:
        raise ValueError(f"estimator type must be one of {', '.join(sorted(ESTIMATORS))}, not {name!r}")
    return ESTIMATORS[name](**parameters)
