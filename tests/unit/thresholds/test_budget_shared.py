"""One budget of episodes for several thresholds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.thresholds import AlertBudget, AlertRule, Bound, estimate_many, simulate

HOUR, WEEK = 3600.0, 7 * 86400.0
ROWS = 336  # two weeks of hours
TIMES = HOUR * np.arange(ROWS)
UPPER = Bound.UPPER


def quiet(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(10.0, 1.0, ROWS)


def with_incident(seed: int, height: float) -> np.ndarray:
    values = quiet(seed)
    values[100:104] = height
    return values


def episodes(columns: np.ndarray, estimates, bound: Bound = UPPER) -> int:
    rules = [AlertRule(e.value, bound, 0.0) for e in estimates]
    return sum(len(simulate(TIMES, columns[:, [i]], rule)) for i, rule in enumerate(rules))


def budget(per_week: float) -> AlertBudget:
    return AlertBudget(per_week, for_seconds=0.0)


@given(st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 2.0, 7.0]), st.integers(1, 6), st.sampled_from(list(Bound)))
@settings(max_examples=25, deadline=None)
def test_all_thresholds_together_never_break_the_budget(seed, per_week, count, bound):
    columns = np.random.default_rng(seed).lognormal(0, 1, (ROWS, count))
    estimates = estimate_many(budget(per_week), TIMES, columns, bound)
    assert episodes(columns, estimates, bound) <= per_week * ROWS * HOUR / WEEK


def test_ten_services_share_the_budget_of_one_policy_and_do_not_have_it_each():
    columns = np.stack([quiet(n) for n in range(10)], axis=1)
    estimates = estimate_many(budget(5.0), TIMES, columns, UPPER)
    assert 5 <= episodes(columns, estimates) <= 10
    assert estimates[0].notes == ("its share is 1 of the 10 episodes that the whole budget allows in 2 weeks",)


def test_the_episode_that_is_left_goes_where_an_old_incident_keeps_the_threshold_far_out():
    columns = np.stack([quiet(1), with_incident(2, 500.0), quiet(3)], axis=1)
    calm, incident, other = estimate_many(budget(0.5), TIMES, columns, UPPER)
    assert incident.value < 20
    assert calm.value == columns[:, 0].max()
    assert other.value == columns[:, 2].max()


def test_one_group_has_the_whole_budget():
    column = quiet(4)[:, None]
    (alone,) = estimate_many(budget(3.0), TIMES, column, UPPER)
    assert alone == budget(3.0).estimate(TIMES, column, UPPER)


def test_a_group_without_samples_takes_no_share_and_says_why():
    columns = np.stack([quiet(5), np.full(ROWS, np.nan)], axis=1)
    known, lost = estimate_many(budget(3.0), TIMES, columns, UPPER)
    assert known.value == budget(3.0).estimate(TIMES, columns[:, :1], UPPER).value
    assert not lost.known and lost.notes == ("there is no sample",)


def test_a_service_that_is_new_has_its_share_of_the_week_and_not_of_two_weeks():
    columns = np.stack([quiet(5), quiet(6)], axis=1)
    columns[: 6 * ROWS // 7, 1] = np.nan
    estimates = estimate_many(budget(7.0), TIMES, columns, UPPER)
    old, new = (len(simulate(TIMES, columns[:, [i]], AlertRule(e.value))) for i, e in enumerate(estimates))
    assert (old, new) == (7, 1)
    assert estimates[1].notes == ("its share is 1 of the 2 episodes that the whole budget allows in 0.29 weeks",)


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.5, 2.0, 7.0, 30.0]),
    st.lists(st.integers(20, ROWS), min_size=2, max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_histories_of_all_lengths_together_keep_the_weekly_budget(seed, per_week, lengths):
    columns = np.random.default_rng(seed).lognormal(0, 1, (ROWS, len(lengths)))
    for column, length in enumerate(lengths):
        columns[: ROWS - length, column] = np.nan
    estimates = estimate_many(budget(per_week), TIMES, columns, UPPER)
    rates = [
        len(simulate(TIMES, columns[:, [i]], AlertRule(e.value))) / (length * HOUR / WEEK)
        for i, (e, length) in enumerate(zip(estimates, lengths, strict=True))
    ]
    assert sum(rates) <= per_week * (1 + 1e-9)


def test_a_constant_series_wants_no_more_than_its_share():
    columns = np.stack([np.full(ROWS, 7.0), quiet(6)], axis=1)
    flat, moving = estimate_many(budget(1.5), TIMES, columns, UPPER)
    assert flat.value == 7.0
    assert episodes(columns, (flat, moving)) == 2


def test_groups_without_any_sample_are_all_unknown():
    estimates = estimate_many(budget(1.0), TIMES, np.full((ROWS, 2), np.nan), UPPER)
    assert [math.isnan(e.value) for e in estimates] == [True, True]


@pytest.mark.parametrize("groups", [[], [np.array([0, 1])]])
def test_groups_of_several_columns_are_pooled(groups):
    columns = np.stack([quiet(7), quiet(8)], axis=1)
    estimates = estimate_many(budget(2.0), TIMES, columns, UPPER, groups)
    assert [e.samples for e in estimates] == [2 * ROWS for _ in groups]
