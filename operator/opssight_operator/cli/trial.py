"""``opssight backtest -f``: the manifests of a repository, tried on what has happened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from opssight_detectors.base import as_block
from opssight_detectors.thresholds.base import Bound
from opssight_detectors.thresholds.simulation import AlertRule
from opssight_operator.api.anomaly_detector import AnomalyDetectorSpec
from opssight_operator.api.base import seconds
from opssight_operator.api.threshold_policy import ThresholdPolicySpec
from opssight_operator.core.backtest import backtest_detector, backtest_threshold
from opssight_operator.core.estimating import estimator_for
from opssight_operator.core.science import detector_for, policy_for
from opssight_operator.errors import OpsSightError

from .backtesting import Choice, Tried, walk_over
from .errors import BadInput
from .inputs import Input
from .manifests import documents
from .progress import working
from .samples import Samples, gathered
from .tables import incident_spans


def tried_manifest(path: Path, given: Input, choice: Choice) -> list[Tried]:
    """Every query of the detectors, and every policy, of a file; ``BadInput`` for what cannot be tried."""
    found: list[Tried] = []
    for body in documents(path):
        kind, name = body.get("kind"), (body.get("metadata") or {}).get("name", "")
        try:
            if kind == "AnomalyDetector":
                found += _detector(name, AnomalyDetectorSpec.model_validate(body.get("spec") or {}), given, choice)
            elif kind == "ThresholdPolicy":
                found.append(_policy(name, ThresholdPolicySpec.model_validate(body.get("spec") or {}), given, choice))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BadInput(f"{path}: {kind}/{name}: spec.{place}: {first['msg']}") from None
        except (OpsSightError, ValueError) as error:
            raise BadInput(f"{path}: {kind}/{name}: {error}") from None
    if not found:
        raise BadInput(f"{path} has neither an AnomalyDetector nor a ThresholdPolicy")
    return found


def _detector(name: str, spec: AnomalyDetectorSpec, given: Input, choice: Choice) -> list[Tried]:
    if len(spec.queries) > 1 and given.prometheus is None:
        raise BadInput(f"{name} has {len(spec.queries)} queries; give --prometheus, or a manifest with one query")
    found = []
    detector, spans = detector_for(spec), incident_spans(choice.incidents)
    walk_choice = choice if choice.training else replace(choice, training=spec.training_window)
    for query in spec.queries:
        samples = _samples(given, query.expr, spec.step)
        times, values = as_block(*samples.block(given.step or spec.step))
        walk = walk_over(times, walk_choice)
        with working(f"{name}: {query.name}") as tick:
            result = backtest_detector(
                detector, times, values, walk, policy=policy_for(query), incidents=spans, tick=tick
            )
        guard = ", its volume guard left out" if query.volume is not None else ""
        what = f"{name}/{query.name} by {spec.method.type}{guard}"
        found.append(Tried(what, tuple(samples.series), times, values, samples.times is not None, result, spans))
    return found


def _policy(name: str, spec: ThresholdPolicySpec, given: Input, choice: Choice) -> Tried:
    estimator, spans = estimator_for(spec), incident_spans(choice.incidents)
    samples = _samples(given, spec.expr, spec.history.step)
    times, values = as_block(*samples.block(given.step or spec.history.step))
    rule = AlertRule(0.0, Bound(spec.bound), seconds(spec.alert.for_), seconds(spec.alert.keep_firing_for))
    walk = walk_over(times, choice)
    with working(name) as tick:
        result = backtest_threshold(estimator, times, values, walk, rule, incidents=spans, tick=tick)
    what = f"{name} by {spec.estimator.type}, a threshold a series"
    return Tried(what, tuple(samples.series), times, values, samples.times is not None, result, spans)


def _samples(given: Input, expr: str, step: str) -> Samples:
    if given.prometheus is None:
        return gathered(given)
    return gathered(replace(given, query=given.query or expr, step=given.step or step))
