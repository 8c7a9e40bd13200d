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
    Where ``state`` is not ``SCORED`` the score is NaN.
    """

    score: FloatArray
    expected: FloatArray
    lower: FloatArray
    upper: FloatArray
    state: IntArray


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
