"""The range of episodes that a history predicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom

from opssight_detectors.thresholds import predicted_range

RANGES = {
    "two in two weeks, a day later": ((2, 2.0, 1 / 7), (0, 2)),
    "none in two weeks, a day later": ((0, 2.0, 1 / 7), (0, 1)),
    "none in two weeks, and a year to come": ((0, 2.0, 52.0), (0, 104)),
    "forty in two weeks, a week later": ((40, 2.0, 1.0), (8, 36)),
    "no time has passed": ((40, 2.0, 0.0), (0, 0)),
}


@pytest.mark.parametrize(("given", "expected"), RANGES.values(), ids=RANGES)
def test_a_range_holds_what_chance_may_bring(given, expected):
    assert predicted_range(*given) == expected


@given(st.integers(0, 400), st.floats(0.1, 8), st.floats(0.001, 8), st.sampled_from([0.9, 0.99]))
def test_the_range_is_that_of_scipy(episodes, weeks, ahead, confidence):
    tail = (1 - confidence) / 2
    law = nbinom(episodes + 0.5, weeks / (weeks + ahead))
    low, high = predicted_range(episodes, weeks, ahead, confidence)
    if (episodes + 0.5) * ahead / weeks > 2000:
        assert abs(high - law.ppf(1 - tail)) <= 0.01 * high
    else:
        assert law.cdf(high) >= 1 - tail - 1e-9 and (high == 0 or law.cdf(high - 1) < 1 - tail + 1e-9)
        assert low == 0 or law.cdf(low - 1) <= tail + 1e-9


def test_a_true_volume_is_seldom_called_wrong():
    """History and future from the same Poisson process: 99 of 100 stay inside."""
    dice = np.random.default_rng(1)
    wrong = 0
    for _ in range(2000):
        rate = dice.lognormal(1, 1)
        low, high = predicted_range(dice.poisson(rate * 2), 2.0, 1.0)
        wrong += not low <= dice.poisson(rate) <= high
    assert wrong <= 40


@pytest.mark.parametrize("given", [(-1, 1.0, 1.0), (1, 0.0, 1.0), (1, 1.0, -1.0)], ids=["episodes", "weeks", "ahead"])
def test_impossible_numbers_are_refused(given):
    with pytest.raises(ValueError, match="episodes and ahead must be 0 or more and weeks more than 0"):
        predicted_range(*given)


def test_an_impossible_confidence_is_refused():
    with pytest.raises(ValueError, match="confidence must be above 0 and below 1, not 1"):
        predicted_range(1, 1.0, 1.0, 1.0)
