"""Policies that belong to the metric and not to the method, as a pure function over scores.

The order is part of the meaning: the direction first, then the smallest deviation that matters, then
the range of possible values, last the guard for low traffic, which overrules all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray, PointState, Scores

OUT_OF_RANGE_SCORE = 5.0


class Direction(StrEnum):
    """Which deviations count."""

    ABOVE = "Above"
    BELOW = "Below"
    BOTH = "Both"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner of a metric says about it; infinite range ends are no limits.

    A deviation must exceed ``min_absolute`` (unit of the metric) and ``min_relative * |expected|``.
    """

    direction: Direction = Direction.BOTH
    min_absolute: float = 0.0
    min_relative: float = 0.0
    range_min: float = -math.inf
    range_max: float = math.inf

    def __post_init__(self) -> None:
        if self.direction not in tuple(Direction):
            raise ValueError(f"direction must be one of {', '.join(Direction)}, not {self.direction!r}")
        for name in ("min_absolute", "min_relative"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be 0 or more, not {value!r}")
        if not self.range_min < self.range_max:
            raise ValueError(f"range_min must be less than range_max, not {self.range_min!r} and {self.range_max!r}")


def apply_policy(scores: Scores, values: FloatArray, policy: Policy, judged: NDArray[np.bool_] | None = None) -> Scores:
    """The scores after the metric's policies; all arrays are ``[time, series]``.

    A deviation in a direction that does not count scores 0 and that side has no bound (NaN). Below the
    smallest deviation the score is at most 1. A value outside the range scores at least 5, during
    warm-up too. Where ``judged`` is False (too little traffic) the score is at most 1.
    """
    result = _directed(scores, values, policy.direction)
    if policy.min_absolute > 0 or policy.min_relative > 0:
        result = _with_min_deviation(result, values, policy)
    if math.isfinite(policy.range_min) or math.isfinite(policy.range_max):
        result = _with_range(result, values, policy)
    if judged is not None:
        result = replace(result, score=np.where(judged, result.score, np.minimum(result.score, 1.0)))
    return result


def _directed(scores: Scores, values: FloatArray, direction: Direction) -> Scores:
    if direction == Direction.BOTH:
        return scores
    nothing = np.full_like(values, np.nan)
    if direction == Direction.ABOVE:
        return replace(scores, score=np.where(values < scores.expected, 0.0, scores.score), lower=nothing)
    return replace(scores, score=np.where(values > scores.expected, 0.0, scores.score), upper=nothing)


def _with_min_deviation(scores: Scores, values: FloatArray, policy: Policy) -> Scores:
    smallest = np.maximum(policy.min_absolute, policy.min_relative * np.abs(scores.expected))
    with np.errstate(divide="ignore", invalid="ignore"):
        in_smallest = np.abs(values - scores.expected) / smallest
    cap = np.where(np.isnan(in_smallest), np.inf, in_smallest)  # nothing expected: nothing to cap
    return replace(
        scores,
        score=np.minimum(scores.score, cap),
        lower=np.minimum(scores.lower, scores.expected - smallest),
        upper=np.maximum(scores.upper, scores.expected + smallest),
    )


def _with_range(scores: Scores, values: FloatArray, policy: Policy) -> Scores:
    outside = (values < policy.range_min) | (values > policy.range_max)
    return replace(
        scores,
        score=np.where(outside, np.fmax(scores.score, OUT_OF_RANGE_SCORE), scores.score),
        lower=np.maximum(scores.lower, policy.range_min),
        upper=np.minimum(scores.upper, policy.range_max),
        state=np.where(outside, PointState.SCORED, scores.state).astype(np.int8),
    )
