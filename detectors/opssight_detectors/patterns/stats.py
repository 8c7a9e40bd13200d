"""Exact tests for counts, a trend test and a correction for many tests, with numpy alone.

Tails are computed from log factorials, so they hold for one event as well as for a million. Every p-value is the
chance of a result at least as extreme when nothing but chance is at work.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

IndexArray = NDArray[np.int64]


def log_factorials(n: int) -> FloatArray:
    """``log(k!)`` for k = 0..n, shape ``[n + 1]``."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1, dtype=np.float64)))])


def _tail(log_pmf: FloatArray) -> float:
    return float(min(1.0, np.exp(log_pmf).sum())) if log_pmf.size else 0.0


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """P(X >= successes) for X ~ Binomial(trials, probability), exact."""
    if successes <= 0:
        return 1.0
    if successes > trials or probability <= 0.0:
        return 0.0
    if probability >= 1.0:
        return 1.0
    f = log_factorials(trials)
    k = np.arange(successes, trials + 1)
    return _tail(f[trials] - f[k] - f[trials - k] + k * math.log(probability) + (trials - k) * math.log1p(-probability))


def hypergeometric_pmf(population: int, marked: int, drawn: int) -> FloatArray:
    """P(X = k) for k = 0..min(marked, drawn): marked items among ``drawn`` of ``population``, no replacement."""
    f = log_factorials(population)
    k = np.arange(0, min(marked, drawn) + 1)
    possible = drawn - k <= population - marked
    k = k[possible]
    logs = (
        (f[marked] - f[k] - f[marked - k])
        + (f[population - marked] - f[drawn - k] - f[population - marked - drawn + k])
        - (f[population] - f[drawn] - f[population - drawn])
    )
    pmf = np.zeros(possible.size)
    pmf[possible] = np.exp(logs)
    return pmf


def hypergeometric_tail(overlap: int, population: int, marked: int, drawn: int) -> float:
    """P(X >= overlap), Fisher's exact test one-sided."""
    if overlap <= 0:
        return 1.0
    return float(min(1.0, hypergeometric_pmf(population, marked, drawn)[overlap:].sum()))


def stratified_overlap_tail(overlap: int, population: IndexArray, marked: IndexArray, drawn: IndexArray) -> float:
    """P(total overlap >= ``overlap``) when marks and draws are shuffled inside each stratum only.

    ``population``, ``marked`` and ``drawn`` are ``[strata]``. The exact null is the convolution of the strata's
    hypergeometric distributions, so a rate that changes from stratum to stratum is not mistaken for an association.
    """
    if overlap <= 0:
        return 1.0
    active = (marked > 0) & (drawn > 0)
    strata, repeats = np.unique(np.stack([population, marked, drawn])[:, active], axis=1, return_counts=True)
    total = np.ones(1)
    for (size, m, d), repeat in zip(strata.T.tolist(), repeats.tolist(), strict=True):
        total = np.convolve(total, _power(_stratum_pmf(size, m, d), repeat))
    return float(min(1.0, total[overlap:].sum()))


@lru_cache(maxsize=20_000)
def _stratum_pmf(population: int, marked: int, drawn: int) -> FloatArray:
    """``hypergeometric_pmf``, remembered: strata of one size repeat a few counts again and again."""
    return hypergeometric_pmf(population, marked, drawn)


def _power(pmf: FloatArray, exponent: int) -> FloatArray:
    """``pmf`` convolved with itself, by squaring."""
    result = np.ones(1)
    while exponent:
        if exponent & 1:
            result = np.convolve(result, pmf)
        exponent >>= 1
        if exponent:
            pmf = np.convolve(pmf, pmf)
    return result


def rate_tail(count: int, exposure: float, past_count: int, past_exposure: float, dispersion: float = 1.0) -> float:
    """P(at least ``count`` events now) if the rate is that of the past; exposures in any common unit.

    Conditional on the total, Poisson counts split binomially by exposure (Przyborowski and Wilenski 1940), which
    accounts for a short past too. Counts that scatter ``dispersion`` times more than Poisson are worth that much less.
    """
    scale = max(1.0, dispersion)
    now, past = math.floor(count / scale), math.ceil(past_count / scale)
    return binomial_tail(now, now + past, exposure / (exposure + past_exposure))


def dispersion_of(counts: FloatArray) -> float:
    """Variance over mean of counts ``[windows]``, at least 1; 1 when fewer than four windows or no events."""
    mean = float(counts.mean()) if counts.size else 0.0
    if counts.size < 4 or mean <= 0.0:
        return 1.0
    return max(1.0, float(counts.var(ddof=1)) / mean)


def benjamini_hochberg(p_values: FloatArray, tests: int | None = None) -> FloatArray:
    """Adjusted p-values (Benjamini and Hochberg 1995), shape as given.

    ``tests`` counts the hypotheses looked at, if some with p = 1 are not in the array.
    """
    n = p_values.size
    if n == 0:
        return p_values.copy()
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * max(tests or n, n) / np.arange(1, n + 1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def mann_kendall(values: FloatArray) -> tuple[float, float]:
    """Kendall's tau-b against time and the two-sided p-value (Mann 1945; ties by Kendall 1975), NaN left out.

    Normal approximation with continuity correction; fit for ten values or more.
    """
    x = values[~np.isnan(values)]
    n = x.size
    s = float(np.sign(x[None, :] - x[:, None])[np.triu_indices(n, 1)].sum())
    ties = np.unique(x, return_counts=True)[1].astype(np.float64)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18.0
    if variance <= 0.0:
        return 0.0, 1.0
    z = max(0.0, abs(s) - 1.0) / math.sqrt(variance)
    pairs = n * (n - 1) / 2.0
    tau = s / math.sqrt(pairs * (pairs - float((ties * (ties - 1) / 2.0).sum())))
    return tau, math.erfc(z / math.sqrt(2.0))


def theil_sen_slope(values: FloatArray) -> float:
    """The median of the slopes of all pairs, per step; NaN left out, NaN when fewer than two values."""
    position = np.flatnonzero(~np.isnan(values))
    x = values[position]
    if x.size < 2:
        return math.nan
    i, j = np.triu_indices(x.size, 1)
    return float(np.median((x[j] - x[i]) / (position[j] - position[i])))
