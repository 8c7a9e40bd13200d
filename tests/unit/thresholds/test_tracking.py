"""A limit that is exceeded as often as was asked for, whatever the metric does."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opssight_detectors.thresholds import Bound, ExceedanceRate, estimator_of
from opssight_detectors.thresholds.tracking import SPENDING
from oracles import thresholds_tracking as oracle

UPPER, LOWER = Bound.UPPER, Bound.LOWER
STEP = 300.0


def track(values, bound=UPPER, **parameters):
    values = np.asarray(values, dtype=float)
    return ExceedanceRate(**parameters).track(STEP * np.arange(len(values)), values, bound)


@given(
    values=hnp.arrays(float, st.integers(2, 60), elements=st.sampled_from([0, 1, 2, 3, 5, 8, 13, math.nan])),
    rate=st.sampled_from([0.01, 0.1]),
    recent=st.integers(1, 4),
    hold=st.integers(4, 8),
)
@settings(max_examples=150, deadline=None)
def test_limits_equal_those_made_row_by_row(values, rate, recent, hold):
    found = track(values, rate=rate, recent_seconds=recent * STEP, hold_seconds=hold * STEP)
    limits, exceeded, judged = oracle.limits(values.tolist(), rate * SPENDING, recent, hold)
    np.testing.assert_allclose(found.limits, limits, atol=1e-12)
    assert (found.exceeded, found.judged) == (exceeded, judged)


def drifting(random, n):
    return np.cumsum(random.normal(size=n)) / 30 + random.exponential(size=n)


METRICS = {
    "noise": lambda random, n: random.normal(size=n),
    "a heavy tail": lambda random, n: random.pareto(2, n),
    "a drifting level": drifting,
    "a daily season": lambda random, n: 5 * np.sin(np.arange(n) * 2 * np.pi / 288) + random.gamma(2, 1, n),
    "noise that doubles half-way": lambda random, n: random.normal(size=n) * np.where(np.arange(n) < n // 2, 1, 2),
    "whole numbers": lambda random, n: random.poisson(3, n).astype(float),
}


@pytest.mark.parametrize("name", METRICS)
def test_the_rate_is_kept_within_the_promise(name):
    found = track(METRICS[name](np.random.default_rng(11), 20_000))
    assert 0.5 <= found.exceeded / found.judged / 0.001 <= 2.25  # twice, and what a level that doubles costs


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_no_limit_depends_on_a_later_row(data):
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    values = random.normal(size=700)
    cut = data.draw(st.integers(300, 699))
    changed = values.copy()
    changed[cut:] = data.draw(st.sampled_from([-50.0, 0.0, 50.0, math.nan]))
    np.testing.assert_array_equal(track(values).limits[: cut + 1], track(changed).limits[: cut + 1])


def test_one_incident_spends_one_exceedance():
    random = np.random.default_rng(12)
    values = random.random(3000)
    before = track(values[:2000]).exceeded
    values[2000:2100] = 50.0
    assert track(values[:2101]).exceeded == before + 1


def test_the_limit_comes_back_after_an_incident():
    values = np.random.default_rng(13).random(6000)
    values[2000:2012] = 50.0
    limits = track(values).limits
    assert limits[2005] >= 50.0 and limits[-1] < 5.0


def test_a_rise_beyond_everything_seen_is_never_suppressed():
    values = np.random.default_rng(14).random(3000)
    values[1000] = 20.0
    values[1400] = 30.0  # the account is overdrawn by now
    assert values[1400] > track(values).limits[1400]


def test_a_lower_bound_is_the_mirrored_upper_bound():
    values = np.random.default_rng(15).normal(size=(1000, 3))
    np.testing.assert_array_equal(track(values, LOWER).limits, -track(-values, UPPER).limits)


def test_several_series_are_judged_by_the_outermost():
    values = np.random.default_rng(16).normal(size=(1000, 3))
    np.testing.assert_array_equal(track(values).limits, track(values.max(axis=1)).limits)


def test_the_estimate_is_the_limit_of_the_next_point():
    values = np.random.default_rng(17).normal(size=2000)
    times = STEP * np.arange(2000)
    estimate = ExceedanceRate().estimate(times, values, UPPER)
    assert estimate.value == track(values).limits[-1] and estimate.samples == 2000
    assert "points of the history were beyond" in estimate.notes[0]


def test_without_enough_history_or_a_recent_sample_there_is_no_limit():
    times = STEP * np.arange(400)
    values = np.random.default_rng(18).normal(size=400)
    assert not ExceedanceRate().estimate(times[:200], values[:200], UPPER).known
    values[-20:] = math.nan
    estimate = ExceedanceRate().estimate(times, values, UPPER)
    assert not estimate.known and "without a sample in the last 3600 s" in estimate.notes[0]
    assert not ExceedanceRate().estimate(times, np.full(400, math.nan), UPPER).known


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"rate": 0.0}, "rate must be above 0"),
        ({"rate": 0.5}, "rate must be above 0 and at most 0.1"),
        ({"recent_seconds": 0.0}, "recent_seconds must be above 0"),
        ({"hold_seconds": 60.0}, "at most hold_seconds"),
    ],
)
def test_impossible_parameters_are_refused_with_a_sentence(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimator_of("ExceedanceRate", **parameters)
