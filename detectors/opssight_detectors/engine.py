"""Anomalies in a list of values: what the CLI and the HTTP API call.

The list is its own baseline, so the z-score here is the textbook one: mean and population deviation
of the list itself. A method that judges each row by its past (Adaptive) goes through the list in order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import FloatArray, PointState, Scores, as_block
from .episodes import Episode, EpisodeRules, episodes_of
from .explain import explain_episode, explain_point
from .policy import Policy, apply_policy
from .registry import detector_of
from .severity import Severity, severity_of

Values = Sequence[float | None] | FloatArray


@dataclass(frozen=True, slots=True)
class AnomalousPoint:
    """One point with a score above 1."""

    index: int
    time: float
    value: float
    expected: float
    lower: float
    upper: float
    score: float
    severity: Severity
    explanation: str


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found in one list; ``scores`` has one column."""

    method: str
    samples: int
    warming_up: bool
    anomalies: tuple[AnomalousPoint, ...]
    episodes: tuple[Episode, ...]
    explanations: tuple[str, ...]  # one for each episode
    scores: Scores

    @property
    def indices(self) -> tuple[int, ...]:
        """Where the anomalous points are in the list."""
        return tuple(point.index for point in self.anomalies)


def detect_anomalies(
    values: Values,
    *,
    method: str = "ZScore",
    sensitivity: float | None = None,
    times: Values | None = None,
    policy: Policy | None = None,
    episode_rules: EpisodeRules | None = None,
    unit: str = "",
    **parameters: Any,
) -> Detection:
    """The anomalies of one list of values; None and NaN are missing samples.

    ``times`` are seconds since the epoch; without them the index is the time. ``parameters`` are those
    of the method. Raises ValueError with a sentence for an unknown method, parameter or value.
    """
    if sensitivity is not None:
        parameters["sensitivity"] = sensitivity
    detector = detector_of(method, **parameters)
    numbers = _numbers("values", values)
    seconds = np.arange(len(numbers), dtype=np.float64) if times is None else _numbers("times", times)
    if len(seconds) != len(numbers):
        raise ValueError(f"times must have one entry for each of the {len(numbers)} values, not {len(seconds)}")
    seconds, block = as_block(seconds, numbers)
    # a method that judges each row by the rows before it would have seen the list twice
    training = 0 if getattr(detector, "judges_history", False) else len(block)
    scores = detector.fit(seconds[:training], block[:training]).score(seconds, block)
    scores = apply_policy(scores, block, policy or Policy())
    episodes = episodes_of(seconds, block, scores, episode_rules)
    has_times = times is not None
    points = tuple(
        _point(int(row), float(seconds[row]), float(block[row, 0]), scores, unit, has_times)
        for row in np.flatnonzero(scores.score[:, 0] > 1)
    )
    return Detection(
        method=method,
        samples=int(np.count_nonzero(~np.isnan(block))),
        warming_up=bool((scores.state == PointState.WARMING_UP).any()),
        anomalies=points,
        episodes=episodes,
        explanations=tuple(explain_episode(episode, scores, unit=unit, has_times=has_times) for episode in episodes),
        scores=scores,
    )


def _numbers(name: str, values: Values) -> FloatArray:
    try:
        numbers = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a list of numbers: {error}") from error
    except OverflowError as error:
        raise ValueError(f"{name} must be numbers that a 64 bit float can hold: {error}") from error
    if numbers.ndim != 1:
        raise ValueError(f"{name} must be one list of numbers, not {numbers.ndim} nested ones")
    return numbers


def _point(row: int, time: float, value: float, scores: Scores, unit: str, has_times: bool) -> AnomalousPoint:
    score = float(scores.score[row, 0])
    expected, lower, upper = (float(array[row, 0]) for array in (scores.expected, scores.lower, scores.upper))
    return AnomalousPoint(
        index=row,
        time=time,
        value=value,
        expected=expected,
        lower=lower,
        upper=upper,
        score=score,
        severity=severity_of(score),
        explanation=explain_point(
            value=value,
            expected=expected,
            lower=lower,
            upper=upper,
            score=score,
            unit=unit,
            cause=scores.cause_at(row, 0),
            since=time if has_times else None,
        ),
    )
