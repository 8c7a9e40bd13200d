"""The bank of decaying histograms: bins, decay, merging and its bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from opssight_detectors.thresholds.base import Bound
from opssight_detectors.thresholds.bins import RELATIVE_ERROR, keys_of, middles_of
from opssight_detectors.thresholds.histogram import HistogramBank
from opssight_detectors.thresholds.histogram_codec import MAX_BYTES, from_bytes, to_bytes
from opssight_detectors.thresholds.pages import MAX_PAGES
from oracles import thresholds_histogram as oracle

P = [0.0, 0.05, 0.5, 0.9, 0.95, 0.99, 1.0]
ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
METRIC = st.one_of(st.just(0.0), st.just(math.nan), st.floats(-1e3, 1e3), st.floats(1e-4, 1e4))


@given(values=hnp.arrays(float, st.integers(1, 50), elements=ANY_FLOAT))
@settings(max_examples=200, deadline=None)
def test_a_bin_is_within_half_a_percent_of_its_values_and_keeps_their_order(values):
    values = np.sort(values)
    keys = keys_of(values)
    assert (np.diff(keys) >= 0).all()
    normal = np.abs(values) >= np.finfo(float).tiny
    middles = middles_of(keys)
    assert (np.abs(middles - values)[normal] <= RELATIVE_ERROR * np.abs(values)[normal]).all()
    assert RELATIVE_ERROR <= 0.005
    assert (middles[values == 0] == 0).all()


@given(values=hnp.arrays(float, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=METRIC), data=st.data())
@settings(max_examples=100, deadline=None)
def test_quantiles_equal_those_of_a_dictionary_of_bins(values, data):
    half_life = data.draw(st.sampled_from([60.0, 600.0, math.inf]))
    times = 1e9 + 60.0 * np.arange(len(values))
    bank = HistogramBank(values.shape[1], half_life)
    for part in np.array_split(np.arange(len(values)), data.draw(st.integers(1, 4))):
        bank.update(times[part], values[part])
    found = bank.quantiles(P)
    for series in range(values.shape[1]):
        weights = oracle.histogram(times, values[:, series], half_life, times[-1])
        expected = [oracle.quantile(weights, p) for p in P]
        # float32 weights may put a rank that falls between two bins into either: compare the shares below
        for p, mine, theirs in zip(P, found[:, series], expected, strict=True):
            if mine != pytest.approx(theirs, rel=1e-12, nan_ok=True):
                below = sum(w for key, w in weights.items() if oracle.middle_of(key) <= min(mine, theirs))
                assert below / sum(weights.values()) == pytest.approx(p, abs=1e-5)


def test_quantiles_of_a_week_are_within_half_a_percent():
    random = np.random.default_rng(1)
    values = np.column_stack(
        [
            random.lognormal(0, 1, 10_080),
            random.normal(0, 5, 10_080),
            -random.gamma(2, 1e-6, 10_080),
            random.poisson(0.3, 10_080),
        ]
    )
    bank = HistogramBank.of(60.0 * np.arange(len(values)), values)
    exact = np.quantile(values, [0.5, 0.9, 0.95, 0.99], axis=0, method="inverted_cdf")
    error = np.abs(bank.quantiles([0.5, 0.9, 0.95, 0.99]) - exact)
    assert (error <= 0.005 * np.abs(exact)).all()


def test_the_newest_samples_weigh_most():
    values = np.repeat([10.0, 100.0], 1000)[:, None]
    bank = HistogramBank.of(60.0 * np.arange(2000), values, half_life=3600.0)
    assert bank.quantiles([0.01])[0, 0] == pytest.approx(100.0, rel=RELATIVE_ERROR)


def test_years_of_decay_do_not_overflow():
    bank = HistogramBank(1, half_life=60.0)
    for hour in range(0, 20_000, 500):
        bank.update(np.array([hour * 3600.0]), np.array([[float(hour + 1)]]))
    assert bank.quantiles([0.5])[0, 0] == pytest.approx(19_501.0, rel=RELATIVE_ERROR)
    assert np.isfinite(bank.table.counts).all() and bank.total[0] == pytest.approx(1.0)


def test_a_late_sample_of_long_ago_weighs_nothing():
    bank = HistogramBank(1, half_life=60.0)
    bank.update(np.array([1e9]), np.array([[1.0]]))
    bank.update(np.array([0.0]), np.array([[5.0]]))
    assert bank.quantiles([1.0])[0, 0] == pytest.approx(1.0, rel=RELATIVE_ERROR)


@given(
    left=hnp.arrays(float, st.tuples(st.integers(1, 20), st.just(2)), elements=METRIC),
    right=hnp.arrays(float, st.tuples(st.integers(1, 20), st.just(2)), elements=METRIC),
)
@settings(max_examples=50, deadline=None)
def test_merging_two_banks_is_learning_both_histories(left, right):
    early, late = 60.0 * np.arange(len(left)), 5000.0 + 60.0 * np.arange(len(right))
    merged = HistogramBank.of(early, left, 600.0)
    merged.merge(HistogramBank.of(late, right, 600.0))
    both = HistogramBank.of(np.concatenate((early, late)), np.concatenate((left, right)), 600.0)
    for series in range(2):
        keys, weights = both.bins(series)
        now = 0.5 ** ((both.reference - merged.reference) / 600.0)  # the two may stand at different times
        merged_keys, merged_weights = merged.bins(series)
        np.testing.assert_array_equal(merged_keys, keys)
        np.testing.assert_allclose(merged_weights * now, weights, rtol=1e-5)


def test_banks_of_different_half_lives_do_not_merge():
    with pytest.raises(ValueError, match="equal size and half-life"):
        HistogramBank(2, 60.0).merge(HistogramBank(2, 120.0))


def test_building_in_blocks_equals_learning_row_by_row():
    random = np.random.default_rng(2)
    values = random.lognormal(0, 2, (400, 30))
    values[random.random(values.shape) < 0.2] = np.nan
    values[random.random(values.shape) < 0.2] = 0.0
    times = 60.0 * np.arange(400)
    whole, rowwise = HistogramBank.of(times, values, 3600.0), HistogramBank(30, 3600.0)
    for row in range(400):
        rowwise.update(times[row : row + 1], values[row : row + 1])
    scale = whole.total / rowwise.total
    for series in range(30):
        keys, weights = whole.bins(series)
        row_keys, row_weights = rowwise.bins(series)
        np.testing.assert_array_equal(row_keys, keys)
        np.testing.assert_allclose(row_weights * scale[series], weights, rtol=1e-4)


def test_memory_stays_bounded_for_values_of_every_magnitude():
    random = np.random.default_rng(3)
    values = 10.0 ** random.uniform(-300, 300, (5000, 2))
    values[:, 1] *= random.choice([-1.0, 1.0], 5000)
    bank = HistogramBank(2)
    for part in np.array_split(np.arange(5000), 10):
        bank.update(60.0 * part, values[part])
    assert ((bank.table.pages != bank.table.pages.max()).sum(axis=1) <= MAX_PAGES).all()
    assert bank.total.tolist() == [5000.0, 5000.0]
    exact = np.quantile(values[:, 0], 0.99, method="inverted_cdf")
    assert bank.quantiles([0.99])[0, 0] == pytest.approx(exact, rel=0.005)


@pytest.mark.parametrize("bound", list(Bound))
def test_a_histogram_fits_into_4_kb_and_keeps_its_tail(bound):
    random = np.random.default_rng(4)
    cases = {
        "a common latency": random.lognormal(0, 0.5, 10_080),
        "eight decades": 10.0 ** random.uniform(-4, 4, 10_080),
        "either sign": random.normal(0, 1, 10_080) ** 3,
        "all magnitudes": 10.0 ** random.uniform(-300, 300, 10_080),
        "nothing": np.full(10, np.nan),
        "one value": np.array([0.0]),
    }
    p = [0.9, 0.95, 0.99] if bound is Bound.UPPER else [0.1, 0.05, 0.01]
    for name, column in cases.items():
        bank = HistogramBank(1, 1e7)
        bank.update(60.0 * np.arange(len(column)), column[:, None])
        data = to_bytes(bank, keep=bound)
        assert len(data) <= MAX_BYTES, name
        back = from_bytes(data)
        np.testing.assert_allclose(back.quantiles(p), bank.quantiles(p), rtol=0.008, err_msg=name)
        np.testing.assert_allclose(back.total, bank.total, rtol=1e-6)


COMMON = {
    "a latency": lambda random, n: random.lognormal(-2, 0.5, n),
    "a latency of many orders": lambda random, n: random.lognormal(0, 2.5, n),
    "requests by the hour of the day": lambda random, n: (
        (100 + 80 * np.sin(np.arange(n) * 2 * np.pi / 1440)) * random.gamma(50, 0.02, n)
    ),
    "a share with many zeros": lambda random, n: random.beta(0.5, 50, n) * (random.random(n) > 0.5),
    "either sign": lambda random, n: random.normal(0, 1, n) ** 3,
}


@pytest.mark.parametrize("draw", COMMON.values(), ids=COMMON)
@pytest.mark.parametrize("bound", list(Bound))
def test_in_4_kb_the_quantiles_of_the_guarded_tail_are_still_within_half_a_percent_of_the_exact_ones(draw, bound):
    p = [0.9, 0.95, 0.99] if bound is Bound.UPPER else [0.1, 0.05, 0.01]
    for seed in range(10):
        values = draw(np.random.default_rng(seed), 10_079)  # so that no rank falls between two samples
        data = to_bytes(HistogramBank.of(60.0 * np.arange(len(values)), values[:, None]), keep=bound)
        assert len(data) <= 4096
        exact = np.quantile(values, p, method="inverted_cdf")
        np.testing.assert_allclose(from_bytes(data).quantiles(p)[:, 0], exact, rtol=0.005, err_msg=str(seed))


def test_in_4_kb_decayed_weights_lose_nothing_worth_a_bin():
    random = np.random.default_rng(9)
    for _ in range(10):
        values = random.lognormal(0, 2.0, 10_080)
        bank = HistogramBank.of(60.0 * np.arange(len(values)), values[:, None], half_life=86400.0)
        back = from_bytes(to_bytes(bank))
        shares = [weights / weights.sum() for _, weights in (bank.bins(0), back.bins(0))]
        if len(shares[0]) == len(shares[1]):
            assert np.abs(np.cumsum(shares[0]) - np.cumsum(shares[1])).max() < 1e-5
        np.testing.assert_allclose(back.quantiles([0.9, 0.95, 0.99]), bank.quantiles([0.9, 0.95, 0.99]), rtol=0.008)


def test_a_restored_histogram_learns_on():
    random = np.random.default_rng(5)
    values = random.lognormal(0, 0.3, (500, 1))
    times = 60.0 * np.arange(500)
    bank = HistogramBank(1, 7200.0)
    bank.update(times[:300], values[:300])
    back = from_bytes(to_bytes(bank))
    for each in (bank, back):
        each.update(times[300:], values[300:])
    np.testing.assert_allclose(back.quantiles(P[1:]), bank.quantiles(P[1:]), rtol=0.008)


@pytest.mark.parametrize("data", [b"", b"\x07" * 100, to_bytes(HistogramBank.of(np.zeros(9), np.ones((9, 1))))[:-1]])
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError, match="histogram"):
        from_bytes(data)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="shape"):
        HistogramBank(2).update(np.zeros(3), np.zeros((3, 1)))
