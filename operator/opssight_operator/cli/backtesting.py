"""``opssight backtest``: what a method, an estimator or a threshold would have alerted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opssight_detectors.base import as_block
from opssight_detectors.policy import Direction, Policy
from opssight_detectors.registry import METHODS, detector_of
from opssight_detectors.thresholds.base import Bound
from opssight_detectors.thresholds.simulation import AlertRule
from opssight_operator.api.durations import duration, seconds
from opssight_operator.core.answers import plain_backtest
from opssight_operator.core.backtest import Backtest, Walk, backtest_detector, backtest_threshold

from .detection import method_named, parameters_given
from .errors import BadInput
from .inputs import Input
from .learning import estimator_given
from .progress import working
from .samples import Samples, gathered, seconds_of
from .tables import incident_spans
from .writing import moment, number, table

FloatArray = NDArray[np.float64]
Spans = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Choice:
    """What to try, as the options of the command give it."""

    method: str | None = None
    direction: str = "Both"
    estimator: str | None = None
    threshold: float | None = None
    parameters: tuple[str, ...] = ()
    bound: str = "Upper"
    for_: str = "0s"
    keep_firing_for: str = "0s"
    training: str | None = None
    refit: str | None = None
    incidents: Path | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """One walk: what was tried on which numbers, and what came of it."""

    what: str
    names: tuple[str, ...]
    times: FloatArray
    values: FloatArray
    timed: bool
    result: Backtest
    incidents: Spans | None


def tried(given: Input, choice: Choice) -> Tried:
    """Walk through the numbers of the command line; ``BadInput`` for what cannot be."""
    several = [f"--{n}" for n in ("method", "estimator", "threshold") if getattr(choice, n) is not None]
    if len(several) > 1:
        raise BadInput(f"{' and '.join(several)} were given together; give one of them")
    samples = gathered(given)
    times, values = samples.block(given.step)
    if len(times) < 2:
        raise BadInput("a history needs at least 2 samples")
    walk = walk_over(times, choice)
    spans = incident_spans(choice.incidents)
    rule = AlertRule(
        0.0, Bound(choice.bound), _wait("--for", choice.for_), _wait("--keep-firing-for", choice.keep_firing_for)
    )
    times, values = as_block(times, values)
    with working("walking through the history") as tick:
        try:
            if choice.threshold is not None or choice.estimator is not None:
                what, limit = _threshold(choice)
                result = backtest_threshold(limit, times, values, walk, rule, incidents=spans, tick=tick)
            else:
                what = method_named(choice.method or "ZScore")
                detector = detector_of(what, **parameters_given(what, METHODS[what], choice.parameters))
                policy = Policy(Direction(choice.direction))
                timed = samples.times is not None
                result = backtest_detector(
                    detector, times, values, walk, policy=policy, incidents=spans, tick=tick, has_times=timed
                )
        except ValueError as error:
            raise BadInput(_in_words(str(error))) from None
    return _of(what, samples, times, values, result, spans)


def walk_over(times: FloatArray, choice: Choice) -> Walk:
    """How to walk over these times."""
    span = float(times[-1] - times[0])
    training = span / 2 if choice.training is None else seconds_of("--training", choice.training)
    refit = max(training / 4, span / 1000) if choice.refit is None else seconds_of("--refit", choice.refit)
    try:
        return Walk(training, refit)
    except ValueError as error:
        raise BadInput(_in_words(str(error))) from None


def plain(all_tried: Sequence[Tried]) -> Any:
    """For machines, word for word as over HTTP; several walks by what was tried."""
    answers = {one.what: plain_backtest(one.result, one.names) for one in all_tried}
    return next(iter(answers.values())) if len(all_tried) == 1 else {"backtests": answers}


def text(all_tried: Sequence[Tried]) -> str:
    """For people."""
    return "\n\n".join(_text(one) for one in all_tried)


def summary_of(one: Tried) -> list[tuple[str, str]]:
    """The numbers of a walk, with their names."""
    result = one.result
    weeks = (result.judged_to - result.judged_from) / 604_800
    rows = [
        ("tried", one.what),
        ("judged", f"{_time(one, result.judged_from)} to {_time(one, result.judged_to)}, {weeks:.2g} weeks"),
        ("coverage", _coverage(result.share_judged)),
        ("episodes", f"{len(result.alerts)}, {number(result.episodes_per_week, 3)} a week"),
        ("share of time", f"{100 * result.share_of_time:.2g} %"),
    ]
    found = result.agreement
    if found is not None:
        delay = "unknown" if not np.isfinite(found.median_delay) else duration(found.median_delay)
        rows += [
            ("incidents", f"{found.detected} of {found.incidents} found, median delay {delay}"),
            ("precision", number(found.precision, 3) or "unknown"),
            ("recall", number(found.recall, 3) or "unknown"),
        ]
    return rows


def alert_rows(one: Tried) -> list[tuple[str, ...]]:
    """Each would-be alert: series, start, how long, why."""
    return [
        (
            one.names[alert.series] or "-",
            _time(one, alert.start),
            duration(max(alert.end - alert.start, 0.001)) + (" (open)" if alert.is_open else ""),
            alert.explanation,
        )
        for alert in one.result.alerts
    ]


def _coverage(share: float) -> str:
    if not np.isfinite(share):
        return "there is no sample in that time"
    if share == 1:
        return "every sample had a score or a threshold"
    return f"{100 * share:.3g} % of the samples had a score or a threshold, the others could raise no alert"


def _text(one: Tried) -> str:
    head = "\n".join(f"{name + ':':15}{value}" for name, value in summary_of(one))
    rows = alert_rows(one)
    if not rows:
        return head
    header = ("series", "start", "lasted", "why")
    return f"{head}\n\n{table(header, rows, left=header)}"


def _of(
    what: str, samples: Samples, times: FloatArray, values: FloatArray, result: Backtest, spans: Spans | None
) -> Tried:
    return Tried(what, tuple(samples.series), times, values, samples.times is not None, result, spans)


def _threshold(choice: Choice) -> tuple[str, Any]:
    if choice.estimator is not None:
        waits = (_wait("--for", choice.for_), _wait("--keep-firing-for", choice.keep_firing_for))
        estimator = estimator_given(choice.estimator, choice.parameters, percentile=None, margin=None, waits=waits)
        return type(estimator).__name__, estimator
    if choice.parameters:
        raise BadInput(f"--set {choice.parameters[0]!r}: a threshold that is a number has no parameters")
    return f"threshold {choice.threshold:g}", choice.threshold


def _wait(option: str, given: str) -> float:
    try:
        return seconds(given)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None


def _in_words(sentence: str) -> str:
    return sentence.replace("training_seconds", "--training").replace("refit_seconds", "--refit")


def _time(one: Tried, at: float) -> str:
    return moment(at) if one.timed else f"{at:g} s"
