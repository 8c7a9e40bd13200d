"""``optimize_thresholds``: a threshold from the history of each metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from opssight_detectors.thresholds.base import Bound
from opssight_detectors.thresholds.registry import ESTIMATORS, estimator_of

from ..core.answers import plain_estimate
from .parameters import configured
from .problems import Refused, impossible
from .reading import Asked, ascending_times, checked, plain, refusing, within
from .requests import History, OptimizeThresholds


def learn(asked: Asked) -> dict[str, Any]:
    """As the command line writes it. The body is a request, or the bare history: lists by name."""
    request = _request(plain(asked.body))
    lists = list(request.history.items())
    within(lists, asked.limits)
    times = ascending_times(request.times, lists)
    bound = Bound(request.bound)
    given = _given(request)
    parameters = configured(request.estimator, ESTIMATORS[request.estimator], given)
    with refusing("parameters", given):
        estimator = estimator_of(request.estimator, **parameters)
        return {
            "thresholds": {
                name: plain_estimate(
                    estimator.estimate(
                        np.arange(len(values), dtype=np.float64) if times is None else times,
                        np.array(values, dtype=np.float64),  # None becomes NaN
                        bound,
                    )
                )
                for name, values in lists
            }
        }


def _request(data: Any) -> OptimizeThresholds:
    if isinstance(data, dict) and not isinstance(data.get("history", []), dict):
        return OptimizeThresholds.model_construct(history=checked(History, data).root)
    return checked(OptimizeThresholds, data)


def _given(request: OptimizeThresholds) -> dict[str, object]:
    """Parameters by their place."""
    short = {"percentile": request.percentile, "margin": request.margin}
    given: dict[str, object] = {name: value for name, value in short.items() if value is not None}
    if given and request.estimator != "Percentile":
        name, value = next(iter(given.items()))
        detail = f"{name} belongs to the estimator Percentile, and estimator is {request.estimator}"
        raise Refused(impossible(detail, name, value, "left out"))
    return {**given, **{f"parameters.{name}": value for name, value in request.parameters.items()}}
