"""The decaying percentile as an estimator."""

import math
from dataclasses import astuple

import numpy as np
import pytest

from opssight_detectors.thresholds import Bound, Percentile, estimate_many, estimator_of
from opssight_detectors.thresholds.decaying import DecayingHistogram

UPPER, LOWER = Bound.UPPER, Bound.LOWER
TIMES = 60.0 * np.arange(2000)


def test_without_decay_it_is_the_percentile_within_half_a_percent():
    values = np.random.default_rng(1).lognormal(size=(2000, 3))
    decaying, plain = DecayingHistogram(95, math.inf), Percentile(95)
    for bound in Bound:
        mine, exact = decaying.estimate(TIMES, values, bound), plain.estimate(TIMES, values, bound)
        assert mine.value == pytest.approx(exact.value, rel=0.005)
        assert (mine.lower, mine.upper) == pytest.approx((exact.lower, exact.upper), rel=0.01)
        assert (mine.samples, mine.coverage) == (exact.samples, exact.coverage)


def test_it_follows_a_level_that_has_changed():
    values = np.where(TIMES[1500] > TIMES, 10.0, 20.0)
    assert DecayingHistogram(50, 3600.0).estimate(TIMES, values, UPPER).value == pytest.approx(20, rel=0.004)
    assert Percentile(50).estimate(TIMES, values, UPPER).value == 10


def test_what_has_decayed_makes_the_interval_wider():
    values = np.random.default_rng(2).lognormal(size=2000)
    slow, fast = (DecayingHistogram(90, h).estimate(TIMES, values, UPPER) for h in (1e6, 7200.0))
    assert fast.upper / fast.lower > slow.upper / slow.lower


AS_OFTEN = {  # percentile, half-life in rows, and how many samples say one thing
    "the middle, hardly decayed": (50.0, 5000.0, 1),
    "a tail, decayed to a few hundred samples": (95.0, 200.0, 1),
    "a tail of samples in runs": (90.0, 500.0, 5),
}


@pytest.mark.parametrize(("percentile", "rows", "run"), AS_OFTEN.values(), ids=AS_OFTEN)
@pytest.mark.parametrize("bound", list(Bound))
def test_the_interval_holds_the_true_percentile_as_often_as_it_says(percentile, rows, run, bound):
    random = np.random.default_rng(6)
    truth = -math.log(1 - percentile / 100)
    estimator, held = DecayingHistogram(percentile, 60.0 * rows), []
    for _ in range(300):
        values = np.repeat(random.exponential(size=len(TIMES) // run), run)
        estimate = estimator.estimate(TIMES, bound.sign * values, bound)
        held.append(estimate.lower <= bound.sign * truth <= estimate.upper)
    assert np.mean(held) >= 0.92, "an open end would not count, as NaN compares with nothing"


def test_a_short_half_life_says_that_samples_are_few():
    estimate = DecayingHistogram(99, 300.0).estimate(TIMES, np.random.default_rng(3).random(2000), UPPER)
    assert "few" in estimate.notes[0] and math.isnan(estimate.upper)


def test_a_lower_bound_is_the_mirrored_upper_bound():
    values = np.random.default_rng(4).normal(size=2000)
    low = DecayingHistogram(95, 3600.0, 0.1).estimate(TIMES, values, LOWER)
    high = DecayingHistogram(95, 3600.0, 0.1).estimate(TIMES, -values, UPPER)
    assert (low.value, low.lower, low.upper) == (-high.value, -high.upper, -high.lower)


@pytest.mark.parametrize("bound", list(Bound))
def test_many_thresholds_at_once_equal_one_by_one(bound):
    random = np.random.default_rng(5)
    values = random.lognormal(size=(2000, 30))
    values[random.random(values.shape) < 0.1] = np.nan
    values[:, 4] = np.nan
    estimator = DecayingHistogram(99, 7200.0, 0.1)
    for column, estimate in enumerate(estimate_many(estimator, TIMES, values, bound)):
        alone = estimator.estimate(TIMES, values[:, column], bound)
        assert estimate.notes == alone.notes
        np.testing.assert_allclose(astuple(estimate)[:5], astuple(alone)[:5], rtol=1e-9)


def test_without_samples_there_is_no_threshold():
    assert not DecayingHistogram().estimate(TIMES, np.full(2000, np.nan), UPPER).known
    assert not estimate_many(DecayingHistogram(), np.zeros(0), np.zeros((0, 2)), UPPER)[1].known


def test_ages_count_from_the_newest_sample_so_that_a_series_long_gone_keeps_its_threshold():
    values = np.full((2000, 2), np.nan)
    values[0, 0] = 1.0
    values[:, 1] = 2.0
    gone, alive = estimate_many(DecayingHistogram(half_life=60.0), TIMES, values, UPPER)
    assert (gone.value, alive.value) == pytest.approx((1.0, 2.0), rel=0.004)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"percentile": 0.0}, "percentile must be above 0"),
        ({"half_life": 0.0}, "half_life must be more than 0 seconds"),
        ({"margin": math.inf}, "margin must be a number"),
    ],
)
def test_impossible_parameters_are_refused_with_a_sentence(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimator_of("DecayingHistogram", **parameters)
