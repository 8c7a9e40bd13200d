"""From a method's own measure to the common score: 0 as expected, 1 at the boundary.

Every method hands over an expected value and the half width of its band; the score is the deviation
in half widths. Spread has a floor, absolute plus relative to the expected value, so a constant series
neither divides by zero nor alarms on rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray, IntArray, PointState, Scores
from .kernels.order import quantile_of_sorted, sorted_columns

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


# How often a point of the training window's kind would score above 1, by the user's word.
RATE_OF = {"Low": 1e-4, "Medium": 1e-3, "High": 1e-2}
_TAIL_SHARE = 0.05


def tail_boundary(raw: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
    """Centre and boundary of a raw measure: ``raw [time, series]`` of the training window, NaN left out.

    The centre is the median. The boundary is what a share ``rate`` of such points would exceed: the
    training quantile at 95 % plus an exponential tail with the mean excess above it (J. Pickands, 1975),
    because a rate below one in the number of samples cannot be read off the samples themselves.
    """
    rows, count = sorted_columns(raw)
    centre = quantile_of_sorted(rows, count, 0.5)
    start = quantile_of_sorted(rows, count, 1.0 - _TAIL_SHARE)
    above = np.where(start < rows.T, rows.T - start, 0.0)
    number = (start < rows.T).sum(axis=0)
    excess = above.sum(axis=0) / np.maximum(number, 1)
    return centre, start + excess * max(np.log(_TAIL_SHARE / rate), 0.0)


def calibrate(raw: FloatArray, centre: FloatArray, boundary: FloatArray, least: FloatArray | float) -> FloatArray:
    """The score of a raw measure that grows with strangeness: 0 at the centre or below, 1 at the boundary.

    ``least`` is the smallest distance from centre to boundary that is believed, in the measure's unit.
    """
    return np.maximum(raw - centre, 0.0) / np.maximum(boundary - centre, least)
