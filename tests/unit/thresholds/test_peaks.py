"""Thresholds rarer than history, and the honesty to say when there is none."""

import math

import numpy as np
import pytest

from opssight_detectors.thresholds import Bound, gpd
from opssight_detectors.thresholds.peaks import PeaksOverThreshold

UPPER, LOWER = Bound.UPPER, Bound.LOWER


def estimate(values, bound=UPPER, **parameters):
    values = np.asarray(values, dtype=float)
    return PeaksOverThreshold(**parameters).estimate(60.0 * np.arange(len(values)), values, bound)


TAILS = {
    "exponential": (lambda r, n: r.exponential(size=n), lambda q: -math.log(q)),
    "heavy, Pareto of shape 1/3": (lambda r, n: r.pareto(3, n), lambda q: q ** (-1 / 3) - 1),
    "with an end": (lambda r, n: r.beta(1, 3, n), lambda q: 1 - q ** (1 / 3)),
}


@pytest.mark.parametrize("name", TAILS)
def test_a_threshold_ten_times_rarer_than_history_is_near_the_truth(name):
    draw, truth = TAILS[name]
    random = np.random.default_rng(3)
    found = np.array([estimate(draw(random, 5000), rate=2e-5).value for _ in range(25)])
    assert np.median(found) == pytest.approx(truth(2e-5), rel=0.15)


@pytest.mark.parametrize("name", TAILS)
def test_the_interval_holds_the_truth_about_as_often_as_it_says(name):
    draw, truth = TAILS[name]
    random = np.random.default_rng(4)
    answers = [estimate(draw(random, 5000), rate=1e-4) for _ in range(60)]
    finite = [math.isfinite(a.lower) and math.isfinite(a.upper) for a in answers]
    assert np.mean(finite) >= 0.9, "an end that is not known holds everything"
    held = [not a.lower > truth(1e-4) and not a.upper < truth(1e-4) for a in answers]
    assert np.mean(held) >= 0.88


def clustered(random, n):
    """Exponential values in runs of five, as an incident brings them."""
    return np.repeat(random.exponential(size=n // 5), 5)


def test_the_interval_of_samples_in_runs_holds_the_truth_too():
    random = np.random.default_rng(10)
    answers = [estimate(clustered(random, 10_000), rate=1e-4) for _ in range(60)]
    assert np.mean([math.isfinite(a.lower) and math.isfinite(a.upper) for a in answers]) >= 0.9
    assert np.mean([a.lower <= -math.log(1e-4) <= a.upper for a in answers if math.isfinite(a.upper)]) >= 0.88


def test_a_tail_that_ends_abruptly_claims_no_outer_end():
    answer = estimate(np.random.default_rng(4).random(5000), rate=1e-4)
    assert answer.value == pytest.approx(1.0, abs=0.002) and math.isnan(answer.upper)
    assert answer.lower < 0.9999 and "abruptly" in answer.notes[1]


def test_samples_in_runs_widen_the_interval():
    random = np.random.default_rng(5)
    alone = random.exponential(size=20_000)
    runs = np.repeat(random.exponential(size=2000), 10)
    narrow, wide = estimate(alone, rate=1e-4), estimate(runs, rate=1e-4)
    assert (wide.upper - wide.lower) > 1.5 * (narrow.upper - narrow.lower)


def test_a_lower_bound_is_the_mirrored_upper_bound():
    values = np.random.default_rng(6).exponential(size=5000)
    low, high = estimate(-values, LOWER, rate=1e-4, margin=0.1), estimate(values, UPPER, rate=1e-4, margin=0.1)
    assert (low.value, low.lower, low.upper) == (-high.value, -high.upper, -high.lower)


RANDOM = np.random.default_rng(7)
UNFITTABLE = {
    "a constant": (np.full(5000, 3.0), 0.001, "cannot be fitted", 3.0),
    "whole numbers of a few values": (RANDOM.poisson(0.5, 5000), 0.001, "different values", None),
    "one long incident": (
        np.where(np.arange(5000) // 150 == 9, 50.0 + RANDOM.random(5000), 1.0),
        0.001,
        "episodes",
        None,
    ),
    "excesses of two sizes": (
        RANDOM.choice([0.0, 10.0, 20.0], 20_000, p=[0.98, 0.01, 0.01]) + RANDOM.random(20_000),
        1e-4,
        "no Pareto",
        None,
    ),
    "a tail without a mean": (RANDOM.pareto(0.5, 5000), 0.001, "too heavy", None),
    "a rate that is no tail": (RANDOM.random(5000), 0.05, "is no tail", 0.95),
}


@pytest.mark.parametrize("name", UNFITTABLE)
def test_where_the_tail_cannot_be_fitted_it_says_why_and_tells_what_was_seen(name):
    values, rate, sentence, expected = UNFITTABLE[name]
    answer = estimate(values, rate=rate)
    assert sentence in answer.notes[0]
    assert answer.value == pytest.approx(np.quantile(values, 1 - rate) if expected is None else expected, rel=0.02)


def test_without_a_fit_nothing_is_claimed_that_was_never_seen():
    answer = estimate(np.full(500, 3.0), rate=0.001)
    assert not answer.known and "too few to have seen one in 1000" in answer.notes[1]
    assert not estimate([math.nan]).known


TIES = {  # at the level, and beyond it
    "a limit that is often reached": (1000, 16),
    "a limit that is passed just as often as was asked for": (1000, 20),
    "a limit that is hardly ever passed": (5000, 1),
}


@pytest.mark.parametrize(("equal", "beyond"), TIES.values(), ids=TIES)
@pytest.mark.parametrize("bound", list(Bound))
def test_equal_values_at_the_level_bring_no_threshold_below_them(equal, beyond, bound):
    random = np.random.default_rng(0)
    values = random.normal(50, 5, 20_160).clip(max=90)
    rows = random.permutation(len(values))
    values[rows[:equal]] = 100.0
    values[rows[equal : equal + beyond]] = 100 + random.exponential(size=beyond)
    answer = estimate(bound.sign * values, bound, rate=0.001)
    assert bound.sign * answer.value >= 100.0
    assert np.mean(values > bound.sign * answer.value) <= 0.001


def test_short_histories_lower_the_level_until_there_are_excesses():
    answer = estimate(np.random.default_rng(8).exponential(size=400), rate=0.001)
    assert answer.known and answer.notes[0].startswith("30 samples")


@pytest.mark.parametrize(("shape", "scale"), [(-0.3, 2.0), (0.0, 1.0), (0.4, 0.01)])
def test_the_fit_finds_the_parameters_it_was_drawn_from(shape, scale):
    uniform = np.random.default_rng(9).random(20_000)
    tail = gpd.Tail(shape, scale)
    drawn = np.sort([tail.exceeded_by(1 - u) for u in uniform])
    fitted = gpd.fit(drawn)
    assert fitted.shape == pytest.approx(shape, abs=0.03) and fitted.scale == pytest.approx(scale, rel=0.05)
    assert gpd.distance(drawn, fitted) < 0.01


def test_the_distribution_function_is_that_of_scipy():
    from scipy.stats import genpareto

    x = np.linspace(0, 3, 20)
    for shape in (-0.3, 0.0, 0.5):
        np.testing.assert_allclose(gpd.Tail(shape, 1.5).share_below(x), genpareto.cdf(x, shape, scale=1.5), atol=1e-12)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"rate": 0.0}, "rate must be above 0"),
        ({"rate": math.nan}, "rate must be above 0"),
        ({"level": 0.4}, "level must be 0.5 or more"),
        ({"margin": -1.0}, "margin must be a number"),
    ],
)
def test_impossible_parameters_are_refused_with_a_sentence(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        PeaksOverThreshold(**parameters)


A_DAY = {
    "smooth": lambda dice: np.convolve(dice.normal(10.0, 1.0, 1444), np.full(5, 0.2), mode="valid"),
    "constant": lambda dice: np.full(1440, 3.0),
    "two values": lambda dice: dice.integers(0, 2, 1440).astype(float),
    "one incident": lambda dice: np.where(np.arange(1440) // 60 == 9, 50.0 + dice.random(1440), dice.random(1440)),
}


@pytest.mark.parametrize("name", A_DAY)
def test_the_shortest_history_that_is_asked_for_by_default_always_gives_a_threshold_for_one_in_a_thousand(name):
    for seed in range(20):
        values = A_DAY[name](np.random.default_rng(seed))
        values[200:480] = math.nan  # history.minCoverage lets a fifth be missing
        assert estimate(values, rate=0.001).known, (seed, estimate(values, rate=0.001).notes)
