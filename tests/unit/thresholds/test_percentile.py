"""The percentile of history, its margin and its confidence."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opssight_detectors.thresholds import Bound, Percentile, estimate_many, estimator_of

UPPER, LOWER = Bound.UPPER, Bound.LOWER


def of(values, bound=UPPER, **parameters):
    column = np.array(values, dtype=float)
    return Percentile(**parameters).estimate(60.0 * np.arange(len(column)), column, bound)


TEXTBOOK = {
    "CPU in percent": ([70, 75, 72, 80, 85], {}, UPPER, 84.0),
    "error rate": ([2, 3, 2.5, 4, 3], {}, UPPER, 3.8),
    "a margin of 10 % above": ([70, 75, 72, 80, 85], {"margin": 0.1}, UPPER, 92.4),
    "a lower bound is the mirrored percentile": ([70, 75, 72, 80, 85], {}, LOWER, 70.4),
    "its margin goes down": ([70, 75, 72, 80, 85], {"margin": 0.5}, LOWER, 35.2),
    "a margin on negative values still moves away from normal": ([-10, -10, -10], {"margin": 0.1}, UPPER, -9.0),
    "a missing sample is no sample": ([70, math.nan, 75, 72, 80, 85], {}, UPPER, 84.0),
    "an infinite sample is no sample": ([70, math.inf, 75, 72, 80, 85], {}, UPPER, 84.0),
    "one sample is its own percentile": ([5.0], {}, UPPER, 5.0),
}


@pytest.mark.parametrize("case", TEXTBOOK)
def test_the_textbook_table(case):
    values, parameters, bound, expected = TEXTBOOK[case]
    assert of(values, bound, **parameters).value == pytest.approx(expected)


def test_few_samples_are_said_to_be_few_and_cannot_bound_the_percentile():
    estimate = of([70, 75, 72, 80, 85])
    assert estimate.samples == 5 and math.isnan(estimate.upper)
    assert "5 samples are few" in estimate.notes[0]


def test_without_samples_there_is_no_threshold():
    estimate = of([math.nan, math.nan])
    assert not estimate.known and estimate.samples == 0 and estimate.notes == ("there is no sample",)


@given(
    values=hnp.arrays(float, st.integers(1, 60), elements=st.floats(-1e6, 1e6)),
    percentile=st.floats(0.1, 99.9),
)
@settings(max_examples=100, deadline=None)
def test_the_value_is_numpys(values, percentile):
    estimate = of(values, percentile=percentile)
    assert estimate.value == pytest.approx(np.percentile(values, percentile), rel=1e-12, abs=1e-9)
    assert not estimate.lower > estimate.value and not estimate.upper < estimate.value


@given(values=hnp.arrays(float, st.integers(1, 60), elements=st.floats(-1e6, 1e6)))
@settings(max_examples=50, deadline=None)
def test_a_lower_bound_is_the_mirrored_upper_bound(values):
    low, high = of(values, LOWER, margin=0.2), of(-values, UPPER, margin=0.2)
    assert low.value == -high.value
    np.testing.assert_array_equal([low.lower, low.upper], [-high.upper, -high.lower])


@pytest.mark.parametrize("percentile", [50.0, 95.0, 99.0])
def test_the_interval_holds_the_true_percentile_as_often_as_it_says(percentile):
    random = np.random.default_rng(7)
    truth = -math.log(1 - percentile / 100)
    held = []
    for _ in range(400):
        estimate = of(random.exponential(size=600), percentile=percentile)
        held.append(estimate.lower <= truth <= estimate.upper)
    assert np.mean(held) >= 0.93


def test_the_interval_stays_honest_when_samples_come_in_runs():
    random = np.random.default_rng(8)
    truth = -math.log(0.05)
    held = []
    for _ in range(300):
        estimate = of(np.repeat(random.exponential(size=200), 10))  # 2,000 samples that say 200 things
        held.append(estimate.lower <= truth and not estimate.upper < truth)
    assert np.mean(held) >= 0.93


def test_coverage_counts_from_the_first_to_the_last_sample_of_each_series():
    values = np.full((10, 2), np.nan)
    values[2:8, 0] = 1.0
    values[[0, 9], 1] = 1.0
    estimate = Percentile().estimate(60.0 * np.arange(10), values, UPPER)
    assert estimate.coverage == pytest.approx(8 / 16) and estimate.samples == 8


@pytest.mark.parametrize("bound", list(Bound))
def test_many_thresholds_at_once_equal_one_by_one(bound):
    random = np.random.default_rng(9)
    values = random.lognormal(size=(300, 70))
    values[random.random(values.shape) < 0.1] = np.nan
    values[:, 3] = np.nan
    times = 60.0 * np.arange(300)
    estimator = Percentile(99, 0.1)
    for column, estimate in enumerate(estimate_many(estimator, times, values, bound)):
        alone = estimator.estimate(times, values[:, column], bound)
        np.testing.assert_equal(astuple(estimate), astuple(alone))


def test_groups_are_pooled_in_their_order():
    values = np.arange(12.0).reshape(2, 6)
    groups = [np.array([0, 1]), np.array([5])]
    first, second = estimate_many(Percentile(50), np.array([0.0, 60.0]), values, UPPER, groups)
    assert first.value == np.median(values[:, :2]) and second.value == np.median(values[:, 5])


IMPOSSIBLE = {
    "percentile 101": ({"percentile": 101.0}, "percentile must be above 0 and below 100, not 101"),
    "percentile 100": ({"percentile": 100.0}, "percentile must be above 0 and below 100"),
    "percentile NaN": ({"percentile": math.nan}, "percentile must be above 0"),
    "a negative margin": ({"margin": -0.1}, "margin must be a number of 0 or more"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_parameters_are_refused_with_a_sentence(case):
    parameters, sentence = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=sentence):
        Percentile(**parameters)


def test_an_unknown_estimator_names_those_that_exist():
    with pytest.raises(ValueError, match="Percentile"):
        estimator_of("Crystal")


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="a row for each"):
        Percentile().estimate(np.arange(3.0), np.zeros((4, 1)), UPPER)
