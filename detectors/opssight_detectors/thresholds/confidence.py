"""Distribution-free confidence of a quantile, by order statistics.

The number of samples below the true quantile is binomial, so two ranks enclose it whatever the
distribution (David and Nagaraja, *Order Statistics*, 2003, section 7.1). Metric samples come in runs,
and a run of exceedances is one piece of evidence: the sample size is therefore divided by the mean
length of the runs, as in the runs estimator of the extremal index (Smith and Weissman, 1994).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_EXACT_UP_TO_VARIANCE = (
    200.0  # above it the normal approximation is exact to a rank, and the recurrence could underflow
)
_NORMAL_975 = 1.959963984540054


def binomial_bounds(n: float, p: float) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of Binomial(n, p); a fractional ``n`` is rounded up, never below 1."""
    n = max(math.ceil(n), 1)
    if p > 0.5:
        low, high = binomial_bounds(n, 1.0 - p)
        return n - high, n - low
    variance = n * p * (1.0 - p)
    if variance > _EXACT_UP_TO_VARIANCE:
        half = _NORMAL_975 * math.sqrt(variance)
        return max(math.floor(n * p - half), 0), min(math.ceil(n * p + half), n)
    mass = (1.0 - p) ** n
    total, low, k = mass, -1, 0
    while total < 1 - (1 - CONFIDENCE) / 2 and k < n:
        if low < 0 and total >= (1 - CONFIDENCE) / 2:
            low = k
        mass *= (n - k) / (k + 1) * p / (1.0 - p)
        k += 1
        total += mass
    return (k if low < 0 else low), k


def quantile_interval(ordered: NDArray[np.float64], p: float, run_length: float = 1.0) -> tuple[float, float]:
    """The 95 % interval of the quantile ``p`` of ascending samples; NaN for an end that they cannot bound.

    ``run_length`` is the mean number of samples that count as one piece of evidence.
    """
    n = len(ordered)
    if n == 0:
        return math.nan, math.nan
    pieces = max(math.ceil(n / max(run_length, 1.0)), 1)
    low, high = binomial_bounds(pieces, p)
    scale = n / pieces
    lower_rank, upper_rank = math.floor(low * scale), math.ceil((high + 1) * scale)
    lower = float(ordered[lower_rank - 1]) if lower_rank >= 1 else math.nan
    upper = float(ordered[upper_rank - 1]) if upper_rank <= n else math.nan
    return lower, upper


def mean_run_length(beyond: NDArray[np.bool_]) -> float:
    """Mean number of rows in the runs of True down the columns of ``beyond [time, series]``; 1 without any."""
    total = int(np.count_nonzero(beyond))
    if total == 0:
        return 1.0
    runs = int(np.count_nonzero(beyond[1:] & ~beyond[:-1])) + int(np.count_nonzero(beyond[0]))
    return total / runs
