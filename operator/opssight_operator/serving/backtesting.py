"""``backtest``: what a method, an estimator or a threshold would have alerted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from opssight_detectors.base import FloatArray, as_block
from opssight_detectors.policy import Direction, Policy
from opssight_detectors.registry import METHODS, detector_of
from opssight_detectors.thresholds.base import Bound, Estimator
from opssight_detectors.thresholds.registry import ESTIMATORS, estimator_of
from opssight_detectors.thresholds.simulation import AlertRule

from ..core.answers import plain_backtest
from ..core.backtest import Backtest, Walk, backtest_detector, backtest_threshold
from .parameters import configured
from .problems import Refused, impossible
from .reading import Asked, Lists, ascending_times, moment, parsed, refusing, within
from .requests import BacktestRequest


def backtest(asked: Asked) -> dict[str, Any]:
    """The alerts that would have been raised, how many a week, and how they agree with labelled incidents."""
    request = parsed(BacktestRequest, asked.body)
    lists = list(request.series.items())
    within(lists, asked.limits)
    times, values = _block(request, lists)
    span = float(times[-1] - times[0])
    training = request.training_seconds or span / 2
    walk = Walk(training, request.refit_seconds or max(training / 4, span / 1000))
    run = _runner(request)
    with refusing("series", {"training_seconds": request.training_seconds, "refit_seconds": request.refit_seconds}):
        result = run(times, values, walk, _incidents(request))
    return plain_backtest(result, [name for name, _ in lists])


def _block(request: BacktestRequest, lists: Lists) -> tuple[FloatArray, FloatArray]:
    longest = max(len(values) for _, values in lists)
    for name, values in lists:
        if len(values) != longest:
            detail = f"series {name!r} has {len(values)} values and another has {longest}; they must be equally many"
            raise Refused(impossible(detail, f"series.{name}", list(values), f"{longest} values"))
    if longest < 2:
        raise Refused(impossible("a history needs at least 2 samples", "series", dict(lists), "2 samples or more"))
    times = ascending_times(request.times, lists)
    if times is None:
        times = request.step_seconds * np.arange(longest, dtype=np.float64)
    return as_block(times, np.array([values for _, values in lists], dtype=np.float64).T)


def _runner(request: BacktestRequest) -> Callable[..., Backtest]:
    chosen = [name for name in ("method", "estimator", "threshold") if name in request.model_fields_set]
    if len(chosen) > 1:
        detail = f"{' and '.join(chosen)} are given together; give one of them"
        raise Refused(impossible(detail, chosen[1], getattr(request, chosen[1]), "left out"))
    given: dict[str, object] = {f"parameters.{name}": value for name, value in request.parameters.items()}
    if "sensitivity" in request.model_fields_set:
        given["sensitivity"] = request.sensitivity
    if chosen in (["estimator"], ["threshold"]):
        threshold = _threshold(request, given)
        rule = AlertRule(0.0, Bound(request.bound), request.for_seconds, request.keep_firing_for_seconds)
        return lambda t, v, walk, incidents: backtest_threshold(threshold, t, v, walk, rule, incidents=incidents)
    name = request.method if chosen else "ZScore"
    parameters = configured(name, METHODS[name], given)
    with refusing("parameters", given):
        detector = detector_of(name, **parameters)
    policy = Policy(Direction(request.direction))
    timed = "times" in request.model_fields_set
    return lambda t, v, walk, incidents: backtest_detector(
        detector, t, v, walk, policy=policy, incidents=incidents, has_times=timed
    )


def _threshold(request: BacktestRequest, given: dict[str, object]) -> float | Estimator:
    if "estimator" in request.model_fields_set:
        parameters = configured(request.estimator, ESTIMATORS[request.estimator], given)
        with refusing("parameters", given):
            return estimator_of(request.estimator, **parameters)
    for place, value in given.items():
        raise Refused(impossible("a threshold that is a number has no parameters", place, value, "left out"))
    return float(request.threshold)


def _incidents(request: BacktestRequest) -> list[tuple[float, float]] | None:
    if "incidents" not in request.model_fields_set:
        return None
    found = []
    for place, incident in enumerate(request.incidents):
        start = moment(incident.start, 0.0, f"incidents[{place}].start")
        end = moment(incident.end, 0.0, where := f"incidents[{place}].end")
        if end < start:
            raise Refused(impossible(f"{where} lies before its start", where, incident.end, "not before the start"))
        found.append((start, end))
    return found
