"""The fast kernels against slow and obvious ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from opssight_detectors.kernels import charts, forest, moments, order, rolling, run_rules
from oracles import detectors_kernels as slow

SAMPLES = st.one_of(st.just(np.nan), st.floats(-1e3, 1e3).map(lambda x: round(x, 3)))
LEVELS = [-3.5, -2.5, -1.5, -0.5, 0.25, 0.5, 0.75, 1.5, 2.5, 3.5]
BLOCKS = arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=SAMPLES)


def columns(function, values, *arguments):
    return np.array([function(list(column), *arguments) for column in values.T]).T


@given(BLOCKS, st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_rolling_z_is_the_z_score_of_each_window(values, window):
    fast = rolling.rolling_z(values, window)
    np.testing.assert_allclose(fast, columns(slow.rolling_z, values, window), rtol=1e-4, atol=1e-4)


def test_rolling_z_is_the_same_in_small_tiles_with_and_without_gaps(monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(160, 7)).cumsum(axis=0)
    values[40:90, 2] = 3.0
    values[rng.random(values.shape) < 0.02] = np.nan
    values[:, 4:] = np.nan_to_num(values[:, 4:])
    monkeypatch.setattr(rolling, "SERIES", 3)
    monkeypatch.setattr(rolling, "ROWS", 1)
    for window in (2, 3, 7, 12):
        fast = rolling.rolling_z(values, window, 2)
        np.testing.assert_allclose(fast, columns(slow.rolling_z, values, window), rtol=1e-7, atol=1e-7)


def test_rolling_z_keeps_its_digits_far_from_zero():
    values = 1e6 + np.random.default_rng(0).normal(size=(300, 40))
    fast = rolling.rolling_z(values, 50)
    np.testing.assert_allclose(fast, columns(slow.rolling_z, values, 50), rtol=1e-8, atol=1e-8)


@given(BLOCKS, st.floats(0.01, 1))
@settings(max_examples=30, deadline=None)
def test_ewma_follows_its_recurrence(values, weight):
    fast = charts.ewma(values, weight, np.zeros(values.shape[1]))
    np.testing.assert_allclose(fast, columns(slow.ewma, values, weight), rtol=1e-9, atol=1e-9)


@given(BLOCKS, st.floats(0, 3))
@settings(max_examples=30, deadline=None)
def test_cusum_follows_its_recurrence(values, slack):
    fast = charts.cusum(values, slack, 10.0, np.zeros((2, values.shape[1])))
    for column in range(values.shape[1]):
        expected = slow.cusum(list(values[:, column]), slack, 10.0)
        np.testing.assert_allclose(fast[:, :, column], expected, rtol=1e-9, atol=1e-9)


@given(BLOCKS)
@settings(max_examples=60, deadline=None)
def test_median_and_mad_leave_out_missing_samples(values):
    fast = np.array(order.median_and_mad(values)).T
    expected = [slow.median_and_mad(list(column)) for column in values.T]
    np.testing.assert_allclose(fast, expected, rtol=1e-12, atol=1e-12)


@given(BLOCKS, st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_merged_moments_are_the_moments_of_all(values, cut):
    both = moments.merge(moments.moments_of(values[:cut]), moments.moments_of(values[cut:]))
    for column in range(values.shape[1]):
        known = values[~np.isnan(values[:, column]), column]
        assert both.count[column] == len(known)
        if len(known):
            assert both.mean[column] == pytest.approx(known.mean(), abs=1e-9)
            assert both.deviation()[column] == pytest.approx(known.std(), abs=1e-6)


def test_the_forest_walk_equals_one_tree_at_a_time():
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(200, 3, 4))
    built = forest.build_forest(samples, trees=10, subsample=32, seed=0)
    points = rng.normal(0, 3, size=(5, 3, 4)).astype(np.float32).astype(float)
    fast = forest.score_forest(built, points)
    for row in range(5):
        for series in range(3):
            assert fast[row, series] == pytest.approx(slow.isolation_score(built, series, points[row, series]))


def test_the_forest_finds_what_scikit_learn_finds():
    from sklearn.ensemble import IsolationForest

    rng = np.random.default_rng(2)
    training = rng.normal(size=(1000, 1, 5))
    strange = rng.normal(0, 1, size=(300, 1, 5)) + np.where(np.arange(300) < 30, 2.5, 0.0)[:, None, None]
    ours = forest.score_forest(forest.build_forest(training, 100, 256, 0), strange)[:, 0]
    theirs = -IsolationForest(n_estimators=100, random_state=0).fit(training[:, 0]).score_samples(strange[:, 0])
    ranks = [scores.argsort().argsort() for scores in (ours, theirs)]
    auc = [float((rank[:30].sum() - 30 * 29 / 2) / (30 * 270)) for rank in ranks]
    assert np.corrcoef(*ranks)[0, 1] > 0.85
    assert auc[0] > auc[1] - 0.02


@pytest.mark.parametrize("name", run_rules.RULES)
@given(
    values=st.lists(st.sampled_from([-3.5, -2.5, -1.5, -0.5, 0.25, 0.5, 1.5, 2.5, 3.5, 0.75]), min_size=15, max_size=30)
)
@settings(max_examples=60, deadline=None)
def test_a_rule_scores_above_one_exactly_when_it_is_broken(name, values):
    z = np.array(values)[:, None]
    padded = np.concatenate([np.full((run_rules.TAIL, 1), np.nan), z])
    assert (run_rules.RULES[name](padded)[-1, 0] > 1) == slow.rule_fires(name, values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SixTrending", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        ("FourteenAlternating", [0.5, -0.5] * 7),
        ("FifteenWithinOneSigma", [0.5, -0.5, 0.25] * 5),
        ("EightBeyondOneSigma", [1.5, -1.5] * 4),
        ("NineOnASide", [0.5] * 9),
        ("TwoOfThreeBeyondTwoSigma", [2.5, 0, 2.5]),
        ("FourOfFiveBeyondOneSigma", [-1.5, -1.5, 0, -1.5, -1.5]),
    ],
)
def test_each_rule_fires_at_its_last_point_and_not_one_point_earlier(name, values):
    z = np.concatenate([np.full(run_rules.TAIL, np.nan), values])[:, None]
    score = run_rules.RULES[name](z)[:, 0]
    assert score[-1] > 1
    assert not (score[:-1] > 1).any()
