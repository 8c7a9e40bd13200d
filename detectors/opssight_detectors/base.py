"""The contract of every detector.

A *detector* is a frozen set of hyper-parameters. ``fit`` learns a *model* from the training window;
``model.score`` judges later points against it without learning from them; ``model.update`` returns
the model that has also learned them. A model is a value: equal data gives equal scores, so a restart
replays to the same answers.

Score contract, the same for every method: 0 = as expected, 1 = at the boundary, above 1 = anomalous
and growing with the excess. A missing sample has no score (NaN), and neither has a series that is
still warming up: both are states of their own, never a score of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int8]


class PointState(IntEnum):
    """What is known about one point of one series."""

    SCORED = 0
    WARMING_UP = 1  # a sample is there, but the model has not learned enough to judge it
    NO_DATA = 2  # no sample, so nothing to judge


@dataclass(frozen=True, slots=True)
class Scores:
    """The judgement of a block of points; every array has the block's shape ``[time, series]``.

    ``expected``, ``lower`` and ``upper`` are in the unit of the metric; ``score`` has no unit.
    Where ``state`` is not ``SCORED`` the score is NaN. A bound that a method does not have is NaN.
    ``cause`` says which rule, bucket or feature spoke: an index into ``causes``, -1 for none; a method
    with one rule leaves it out.
    """

    score: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray
    state: IntArray
    cause: IntArray | None = None
    causes: tuple[str, ...] = ()

    def cause_at(self, row: int, column: int) -> str:
        """The name of what spoke at one point; empty when the method has one rule only."""
        index = -1 if self.cause is None else int(self.cause[row, column])
        return self.causes[index] if index >= 0 else ""


def join(parts: Sequence[Scores]) -> Scores:
    """The scores of consecutive blocks of the same series as those of one block; at least one part."""
    causes = [part.cause for part in parts if part.cause is not None]
    return Scores(
        score=np.concatenate([part.score for part in parts]),
        expected=np.concatenate([part.expected for part in parts]),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
        state=np.concatenate([part.state for part in parts]),
        cause=np.concatenate(causes) if len(causes) == len(parts) else None,
        causes=parts[0].causes,
    )


LARGEST_MAGNITUDE = 1e100


def as_block(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``times [time]`` and ``values [time, series]`` as every method takes them; one series may be ``[time]``.

    An infinite sample is no sample (NaN). Magnitudes above 1e100 are taken as 1e100, so that squares
    stay finite. Raises ValueError when the shapes do not match or a time is not finite.
    """
    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or times.ndim != 1 or len(times) != len(values):
        raise ValueError(f"values must be [time, series] with a row for each of {len(times)} times, not {values.shape}")
    if not np.isfinite(times).all():
        raise ValueError("times must be finite seconds since the epoch")
    tame = np.abs(values) <= LARGEST_MAGNITUDE
    if tame.all():
        return times, np.ascontiguousarray(values)
    clipped = np.clip(values, -LARGEST_MAGNITUDE, LARGEST_MAGNITUDE)
    return times, np.ascontiguousarray(np.where(np.isfinite(values), clipped, np.nan))


@runtime_checkable
class Model(Protocol):
    """What a detector has learned, one column a series."""

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        """Judge ``values [time, series]`` sampled at ``times [time]`` (seconds since the epoch, UTC)."""
        ...

    def update(self, times: FloatArray, values: FloatArray) -> Model:
        """The model that has also learned these points; the model itself stays as it was."""
        ...


@runtime_checkable
class Detector(Protocol):
    """A configured method: hyper-parameters only, no learned state."""

    def fit(self, times: FloatArray, values: FloatArray) -> Model:
        """Learn from the training window ``values [time, series]``; NaN is "no sample"."""
        ...
