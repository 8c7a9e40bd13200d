"""From a method's own measure to the common score: 0 as expected, 1 at the boundary.

Every method hands over an expected value and the half width of its band; the score is the deviation
in half widths. Spread has a floor, absolute plus relative to the expected value, so a constant series
neither divides by zero nor alarms on rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray, IntArray, PointState, Scores

Mask = NDArray[np.bool_]

ABSOLUTE_FLOOR = 1e-9
RELATIVE_FLOOR = 1e-3


def floored(
    spread: FloatArray,
    expected: FloatArray,
    absolute: float = ABSOLUTE_FLOOR,
    relative: float = RELATIVE_FLOOR,
) -> FloatArray:
    """The spread, at least ``absolute + relative * |expected|``; unknown spread counts as none."""
    return np.fmax(spread, absolute + relative * np.abs(expected))


def states_of(values: FloatArray, ready: Mask) -> IntArray:
    """The state of each point; ``ready`` says which series have learned enough and broadcasts over ``values``."""
    learned = np.where(ready, PointState.SCORED, PointState.WARMING_UP)
    return np.where(np.isnan(values), PointState.NO_DATA, learned).astype(np.int8)


def score_band(values: FloatArray, expected: FloatArray, half_width: FloatArray, ready: Mask) -> Scores:
    """Scores of ``values [time, series]`` against a symmetric band; the other arrays broadcast over them."""
    known_expected = np.broadcast_to(np.where(ready, expected, np.nan), values.shape)
    width = np.broadcast_to(half_width, values.shape)
    return Scores(
        score=np.abs(values - known_expected) / width,
        expected=known_expected.copy(),
        lower=known_expected - width,
        upper=known_expected + width,
        state=states_of(values, ready),
    )
