"""Ranks that enclose a quantile, against the binomial distribution of scipy."""

import math

import numpy as np
import pytest

from opssight_detectors.thresholds.confidence import binomial_bounds, mean_run_length, quantile_interval


@pytest.mark.parametrize("p", [0.001, 0.05, 0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 5, 20, 100, 1000, 20_000, 1_000_000])
def test_binomial_bounds_are_those_of_scipy_to_a_rank(n, p):
    from scipy.stats import binom

    low, high = binomial_bounds(n, p)
    assert abs(low - binom.ppf(0.025, n, p)) <= 1 and abs(high - binom.ppf(0.975, n, p)) <= 1


def test_no_samples_bound_nothing():
    assert all(math.isnan(end) for end in quantile_interval(np.array([]), 0.5))


def test_runs_make_the_interval_wider():
    ordered = np.arange(1000.0)
    alone, in_runs = quantile_interval(ordered, 0.5), quantile_interval(ordered, 0.5, run_length=10)
    assert in_runs[0] < alone[0] < 500 < alone[1] < in_runs[1]


def test_runs_are_counted_down_the_columns():
    beyond = np.array([[1, 0], [1, 1], [0, 1], [1, 0]], dtype=bool)
    assert mean_run_length(beyond) == 5 / 3
    assert mean_run_length(np.zeros((3, 2), dtype=bool)) == 1.0
