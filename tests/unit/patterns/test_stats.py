"""The tests for chance agree with scipy and with slow, obvious counting."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from opssight_detectors.patterns import stats


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.001, 0.999))
def test_the_binomial_tail_is_scipys(successes: int, trials: int, probability: float) -> None:
    expected = reference.binom.sf(successes - 1, trials, probability)
    assert stats.binomial_tail(successes, trials, probability) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_hypergeometric_tail_is_scipys(data: st.DataObject) -> None:
    population = data.draw(st.integers(1, 200))
    marked, drawn = data.draw(st.integers(0, population)), data.draw(st.integers(0, population))
    overlap = data.draw(st.integers(0, min(marked, drawn)))
    expected = reference.hypergeom.sf(overlap - 1, population, marked, drawn)
    assert stats.hypergeometric_tail(overlap, population, marked, drawn) == pytest.approx(expected, rel=1e-8)


def test_the_stratified_tail_counts_every_way_of_shuffling_inside_the_strata() -> None:
    draws = [list(combinations(range(4), 2)), list(combinations(range(5), 3))]
    marks = [{0, 1}, {0, 2}]
    overlaps = [len(marks[0] & set(a)) + len(marks[1] & set(b)) for a in draws[0] for b in draws[1]]
    for overlap in range(6):
        expected = np.mean([o >= overlap for o in overlaps])
        found = stats.stratified_overlap_tail(overlap, np.array([4, 5]), np.array([2, 2]), np.array([2, 3]))
        assert found == pytest.approx(expected)


def test_equal_strata_are_convolved_as_often_as_they_occur() -> None:
    one = np.array([24]), np.array([1]), np.array([1])
    many = tuple(np.repeat(x, 6) for x in one)
    assert stats.stratified_overlap_tail(6, *many) == pytest.approx(24.0**-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_adjusted_p_values_are_scipys(p_values: list[float]) -> None:
    p = np.array(p_values)
    assert stats.benjamini_hochberg(p) == pytest.approx(reference.false_discovery_control(p), rel=1e-9)


def test_tests_that_were_made_but_not_listed_count_too() -> None:
    assert stats.benjamini_hochberg(np.array([0.001]), tests=100)[0] == pytest.approx(0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=10, max_size=30))
def test_kendalls_tau_is_scipys_and_its_p_value_is_close(values: list[int]) -> None:
    x = np.array(values, dtype=np.float64)
    tau, p_value = stats.mann_kendall(x)
    if len(set(values)) == 1:
        assert (tau, p_value) == (0.0, 1.0)
        return
    expected = reference.kendalltau(np.arange(x.size), x, method="asymptotic")
    assert tau == pytest.approx(expected.statistic)
    assert p_value >= expected.pvalue - 1e-12  # the continuity correction only ever makes it more careful


def test_a_rate_like_the_past_is_no_surprise_and_a_tenfold_rate_is() -> None:
    assert stats.rate_tail(10, 1.0, 280, 28.0) > 0.3
    assert stats.rate_tail(100, 1.0, 280, 28.0) < 1e-12


def test_counts_that_always_scatter_widely_weigh_less() -> None:
    bursty = stats.dispersion_of(np.array([0.0, 0, 0, 40, 0, 0, 0]))
    assert bursty > 10
    assert stats.rate_tail(30, 1.0, 40, 7.0, bursty) > 1e3 * stats.rate_tail(30, 1.0, 40, 7.0)


def test_the_slope_is_the_median_of_all_pairs() -> None:
    assert stats.theil_sen_slope(np.array([0.0, 1, np.nan, 3, 100])) == pytest.approx(np.median([1, 1, 1, 25, 33, 97]))
