"""A series with few samples, judged by the median and the spread of all of them.

The band is a prediction interval: ``median +- t * spread * sqrt(1 + 1 / n)`` with Student's quantile of
``n - 1`` degrees of freedom (W. S. Gosset, 1908). The spread is the median absolute deviation with the
small-sample factors of C. Croux & P. J. Rousseeuw, "Time-efficient algorithms for two highly robust
estimators of scale" (1992): an incident among the first samples neither moves nor widens the band much.
That has a price: of normal noise 1 in 500 samples lies outside at the rate of 1 in 1,000 once there are
a hundred, but 1 in 150 while there are ten, and 1 in 50 while there are three.

Three rows that stay away together say more than one: their mean has a band of its own, by the means of
three rows so far, and counts as far as the newest row goes the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..base import FloatArray
from ..calibration import floored
from .order import NORMAL_CONSISTENCY, median_and_mad

ENOUGH = 200  # samples after which 10 lie in the highest 5 %, so that tails can speak for themselves
FEWEST = 3
_SMALL_SAMPLE = np.array([np.nan, np.nan, 1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107])


RUN = 3  # rows that may stay away together


@dataclass(frozen=True, slots=True)
class FirstScores:
    """One judged row, each ``[series]``; NaN where nothing is known."""

    score: FloatArray
    centre: FloatArray
    half_width: FloatArray


def judge(past: FloatArray, newest: FloatArray, rate: float) -> FirstScores:
    """Judge ``newest [series]`` by ``past [row, series]``, NaN left out.

    About ``rate`` of normal samples score above 1. Unknown below 3 samples, and while half of them are equal.
    """
    centre, half_width = band(past, rate)
    deviation = newest - centre
    score = np.abs(deviation) / half_width
    if len(past) >= (FEWEST + 1) * RUN:
        history = np.concatenate([past, newest[None]])
        means = (history[2:] + history[1:-1] + history[:-2]) / RUN
        mean_centre, mean_half_width = band(means[:-RUN], rate, RUN)
        away = np.sign(deviation) * (means[-1] - mean_centre)
        score = np.fmax(score, np.minimum(np.abs(deviation), np.maximum(away, 0.0)) / mean_half_width)
    return FirstScores(score, centre, half_width)


def band(past: FloatArray, rate: float, rows_each: int = 1) -> tuple[FloatArray, FloatArray]:
    """Median and half width ``[series]`` of ``past [row, series]``, each row being worth ``1 / rows_each`` samples."""
    count = np.minimum((~np.isnan(past)).sum(axis=0), ENOUGH) // rows_each
    centre, mad = median_and_mad(past)
    half_width = floored(mad * band_widths(rate)[count], centre)
    known = (count >= FEWEST) & (mad > 0)
    return np.where(known, centre, np.nan), np.where(known, half_width, np.nan)


@lru_cache(maxsize=8)
def band_widths(rate: float) -> FloatArray:
    """Half width of the band by the number of samples, 0 to 200, in median absolute deviations."""
    widths = np.full(ENOUGH + 1, np.nan)
    for n in range(FEWEST, ENOUGH + 1):
        factor = _SMALL_SAMPLE[n] if n < len(_SMALL_SAMPLE) else n / (n - 0.8)
        widths[n] = student_quantile(rate, n - 1) * NORMAL_CONSISTENCY * factor * math.sqrt(1 + 1 / n)
    return widths


def student_quantile(rate: float, freedom: int) -> float:
    """What a share ``rate`` of Student's t exceeds in magnitude; ``freedom`` of 2 or more.

    G. W. Hill, "Algorithm 396: Student's t-quantiles" (1970), good to some five digits.
    """
    from statistics import NormalDist

    if freedom == 2:
        return math.sqrt(2.0 / (rate * (2.0 - rate)) - 2.0)
    a = 1.0 / (freedom - 0.5)
    b = 48.0 / a**2
    c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36
    d = ((94.5 / (b + c) - 3.0) / b + 1.0) * math.sqrt(a * math.pi / 2.0) * freedom
    x = d * rate
    y = x ** (2.0 / freedom)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(rate / 2.0)
        y = x * x
        if freedom < 5:
            c += 0.3 * (freedom - 4.5) * (x + 0.6)
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x
        return math.sqrt(freedom * math.expm1(a * y * y))
    tail = 1.0 / (((freedom + 6.0) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2.0) * 3.0)
    body = ((tail + 0.5 / (freedom + 4.0)) * y - 1.0) * (freedom + 1.0) / (freedom + 2.0)
    return math.sqrt(freedom * (body + 1.0 / y))
