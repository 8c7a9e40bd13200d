"""Runs and patterns on a control chart, as scores that pass 1 exactly when the rule is broken.

Rules 1 to 4 are those of the Western Electric Statistical Quality Control Handbook (1956), all eight
are L. S. Nelson's, "The Shewhart Control Chart: Tests for Special Causes" (1984). A rule on distances
scores the distance that decides it over its limit; a rule that counts scores ``count / (needed - 1/2)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..base import FloatArray

TAIL = 14  # rows before the block that the longest rule looks back at


def _trailing(z: FloatArray, length: int) -> FloatArray:
    """``[row, series, length]`` windows that end at each row after the tail."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(z, length, axis=0)[TAIL - length + 1 :])


def _ranked(z: FloatArray, length: int, rank: int, limit: float) -> FloatArray:
    """The ``rank``-th farthest of the last ``length`` points on one side, over ``limit``; the worse side."""
    window = _trailing(z, length)
    known = np.where(np.isnan(window), 0.0, window)
    high = np.sort(known, axis=2)
    return np.asarray(np.maximum(np.maximum(high[:, :, length - rank], -high[:, :, rank - 1]), 0.0) / limit)


def _run(flags: FloatArray, needed: int) -> FloatArray:
    """Length of the run of equal non-zero flags that ends at each row, over ``needed - 1/2``; NaN breaks it."""
    length = np.zeros(flags.shape[1])
    out = np.empty((len(flags) - TAIL, flags.shape[1]))
    before = np.zeros(flags.shape[1])
    for row, flag in enumerate(flags):
        same = (flag == before) & (flag != 0)
        length = np.where(same, length + 1, np.where((flag != 0) & ~np.isnan(flag), 1.0, 0.0))
        before = flag
        if row >= TAIL:
            out[row - TAIL] = length
    return np.asarray(out / (needed - 0.5))


def beyond_three(z: FloatArray) -> FloatArray:
    """One point beyond three sigma."""
    return np.abs(z[TAIL:]) / 3.0


def nine_on_a_side(z: FloatArray) -> FloatArray:
    """Nine points in a row on one side of the mean."""
    return _run(np.sign(z), 9)


def eight_on_a_side(z: FloatArray) -> FloatArray:
    """Eight points in a row on one side of the mean."""
    return _run(np.sign(z), 8)


def six_trending(z: FloatArray) -> FloatArray:
    """Six points in a row rising, or falling: five steps."""
    return _run(np.sign(np.diff(z, axis=0, prepend=np.nan)), 5)


def fourteen_alternating(z: FloatArray) -> FloatArray:
    """Fourteen points in a row alternating: thirteen steps, of which each turns the one before."""
    steps = np.sign(np.diff(z, axis=0, prepend=np.nan))
    turns = np.where(steps[1:] * steps[:-1] < 0, 1.0, np.where(np.isnan(steps[1:] * steps[:-1]), np.nan, 0.0))
    return _run(np.concatenate([np.full((1, z.shape[1]), np.nan), turns]), 12)


def two_of_three(z: FloatArray) -> FloatArray:
    """Two of three points beyond two sigma on one side."""
    return _ranked(z, 3, 2, 2.0)


def four_of_five(z: FloatArray) -> FloatArray:
    """Four of five points beyond one sigma on one side."""
    return _ranked(z, 5, 4, 1.0)


def fifteen_within_one(z: FloatArray) -> FloatArray:
    """Fifteen points in a row within one sigma: the spread has shrunk, or the strata are mixed."""
    # a series that stands still is not a spread that has shrunk
    inside = np.where(np.isnan(z), np.nan, ((np.abs(z) < 1.0) & (np.abs(z) > 1e-6)).astype(np.float64))
    return _run(inside, 15)


def eight_outside_one(z: FloatArray) -> FloatArray:
    """Eight points in a row beyond one sigma, on both sides."""
    window = _trailing(z, 8)
    both = (window.max(axis=2) > 0) & (window.min(axis=2) < 0)
    nearest = np.abs(window).min(axis=2)
    return np.where(both & ~np.isnan(nearest), nearest, 0.0)


RULES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "BeyondThreeSigma": beyond_three,
    "NineOnASide": nine_on_a_side,
    "EightOnASide": eight_on_a_side,
    "SixTrending": six_trending,
    "FourteenAlternating": fourteen_alternating,
    "TwoOfThreeBeyondTwoSigma": two_of_three,
    "FourOfFiveBeyondOneSigma": four_of_five,
    "FifteenWithinOneSigma": fifteen_within_one,
    "EightBeyondOneSigma": eight_outside_one,
}
WESTERN_ELECTRIC = ("BeyondThreeSigma", "TwoOfThreeBeyondTwoSigma", "FourOfFiveBeyondOneSigma", "EightOnASide")
