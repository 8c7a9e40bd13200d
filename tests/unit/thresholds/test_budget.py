"""A threshold that keeps to the number of episodes that people will take."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opssight_detectors.thresholds import AlertBudget, AlertRule, Bound, simulate
from opssight_detectors.thresholds.budget import _poisson_bounds
from opssight_detectors.thresholds.budget_search import peak_levels
from opssight_detectors.thresholds.simulation import evaluations
from opssight_detectors.thresholds.summary import summary

UPPER, LOWER = Bound.UPPER, Bound.LOWER
MINUTE = 60.0
TWO_WEEKS = 14 * 1440


def with_peaks(heights, minutes=10, rows=TWO_WEEKS):
    """A quiet metric with one plateau of each height, evenly spread."""
    values = np.ones(rows)
    for index, height in enumerate(heights):
        start = (index + 1) * rows // (len(heights) + 1)
        values[start : start + minutes] = height
    return values


def learn(values, bound=UPPER, **parameters):
    return AlertBudget(**parameters).estimate(MINUTE * np.arange(len(values)), values, bound)


def test_the_innermost_threshold_within_the_budget_is_found():
    values = with_peaks([5, 9, 7, 3, 8, 4])
    assert learn(values, episodes_per_week=1).value == 7  # 8 and 9 fire in two weeks
    assert learn(values, episodes_per_week=2).value == 4


def test_peaks_shorter_than_the_duration_cost_nothing():
    values = with_peaks([5, 9, 7, 3, 8, 4], minutes=5)
    values[100:120] = 2.0
    assert learn(values, episodes_per_week=0.5, for_seconds=600).value == 1.0
    assert learn(values, episodes_per_week=0.5, for_seconds=120).value == 8


def test_what_flaps_within_keep_firing_for_counts_once():
    values = with_peaks([9, 8])
    values[10_000:10_300:10] = 6.0  # an incident that comes and goes
    apart = learn(values, episodes_per_week=1.5, for_seconds=0)
    together = learn(values, episodes_per_week=1.5, for_seconds=0, keep_firing_for_seconds=600)
    assert (apart.value, together.value) == (6.0, 1.0)


def test_the_budget_is_not_kept_by_never_resolving():
    values = np.where(np.arange(TWO_WEEKS) < 10, 0.0, 5.0) + with_peaks([9, 8, 7])
    assert learn(values, episodes_per_week=1, most_time_firing=0.1).value == 12


def test_one_of_twenty_series_that_fires_all_the_time_breaks_the_largest_share_of_time():
    values = np.random.default_rng(0).normal(10.0, 1.0, (TWO_WEEKS, 20))
    values[:, 0] = 100.0
    answer = learn(values, episodes_per_week=1)
    rule = AlertRule(answer.value, for_seconds=300.0)
    told = summary(simulate(MINUTE * np.arange(TWO_WEEKS), values, rule))
    assert told.share_firing <= 0.1
    assert answer.value == 100.0


@pytest.mark.parametrize("there", [slice(-1440, None), slice(0, 1440), slice(5000, 6440)])
def test_a_day_of_samples_in_a_window_of_two_weeks_has_the_budget_of_a_day(there):
    values = np.full(TWO_WEEKS, np.nan)
    values[there] = np.random.default_rng(0).normal(10.0, 1.0, 1440)
    answer = learn(values, episodes_per_week=7.0, for_seconds=0.0)
    found = simulate(MINUTE * np.arange(TWO_WEEKS), values, AlertRule(answer.value))
    assert len(found) == 1
    assert summary(found).episodes_per_week == pytest.approx(7.0)
    alone = learn(values[there], episodes_per_week=7.0, for_seconds=0.0)
    assert (answer.value, answer.lower, answer.notes) == (alone.value, alone.lower, alone.notes)


def test_a_lower_bound_is_the_mirrored_upper_bound():
    values = with_peaks([5, 9, 7, 3, 8, 4])
    low, high = learn(-values, LOWER, episodes_per_week=1), learn(values, episodes_per_week=1)
    np.testing.assert_equal([low.value, low.lower, low.upper], [-high.value, -high.upper, -high.lower])


def test_the_interval_widens_with_what_chance_may_do():
    answer = learn(with_peaks(list(range(2, 22))), episodes_per_week=5)
    assert (answer.value, answer.lower, answer.upper) == (11, 4, 17)  # 17 and 4 episodes are within chance of 10


def test_a_history_shorter_than_the_budget_says_so():
    answer = learn(with_peaks([5, 9], rows=1440), episodes_per_week=1)
    assert answer.value == 9 and math.isnan(answer.upper) and "shorter than the time" in answer.notes[0]


def test_without_samples_or_without_a_lasting_one_there_is_no_threshold():
    assert not learn(np.full(100, np.nan)).known
    flickering = np.where(np.arange(100) % 2, 1.0, np.nan)
    assert "no threshold would ever fire" in learn(flickering).notes[0]


@given(
    values=hnp.arrays(
        float, st.tuples(st.integers(1, 200), st.integers(1, 3)), elements=st.sampled_from([0, 1, 2, 3, 5, 8, math.nan])
    ),
    budget=st.sampled_from([100.0, 500.0, 2000.0]),
    for_seconds=st.sampled_from([0.0, 60.0, 150.0]),
    keep=st.sampled_from([0.0, 120.0]),
)
@settings(max_examples=100, deadline=None)
def test_the_simulated_volume_never_breaks_the_budget(values, budget, for_seconds, keep):
    times = MINUTE * np.arange(len(values))
    answer = AlertBudget(budget, for_seconds, keep, most_time_firing=1.0).estimate(times, values, UPPER)
    if answer.known:
        found = simulate(times, values, AlertRule(answer.value, UPPER, for_seconds, keep))
        assert len(found) <= budget * (len(values) * MINUTE) / (7 * 86400)


@given(
    values=hnp.arrays(
        float, st.tuples(st.integers(1, 40), st.just(2)), elements=st.sampled_from([0, 1, 2, 3, math.nan])
    ),
    for_seconds=st.sampled_from([0.0, 60.0, 150.0, 300.0]),
)
@settings(max_examples=100, deadline=None)
def test_nothing_fires_at_the_highest_peak_and_something_does_below_it(values, for_seconds):
    times = MINUTE * np.arange(len(values))
    peaks = peak_levels(evaluations(times, values, MINUTE), for_seconds)
    if len(peaks):
        assert len(simulate(times, values, AlertRule(peaks[0], UPPER, for_seconds, interval=MINUTE))) == 0
        assert len(simulate(times, values, AlertRule(peaks[0] - 0.5, UPPER, for_seconds, interval=MINUTE))) > 0
    else:
        assert len(simulate(times, values, AlertRule(-1.0, UPPER, for_seconds, interval=MINUTE))) == 0


@pytest.mark.parametrize("mean", [0.01, 0.5, 1.0, 3.7, 50.0, 199.0, 300.0])
def test_poisson_bounds_are_those_of_scipy(mean):
    from scipy.stats import poisson

    low, high = _poisson_bounds(mean)
    tolerance = 1 if mean > 200 else 0
    assert abs(low - poisson.ppf(0.025, mean)) <= tolerance and abs(high - poisson.ppf(0.975, mean)) <= tolerance


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"episodes_per_week": 0.0}, "episodes_per_week must be more than 0"),
        ({"for_seconds": -1.0}, "for_seconds must be 0 or more"),
        ({"interval": 0.0}, "interval must be more than 0"),
        ({"most_time_firing": 0.0}, "most_time_firing must be above 0"),
    ],
)
def test_impossible_parameters_are_refused_with_a_sentence(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        AlertBudget(**parameters)
