"""Series with few samples: judged early, and not by more than they know."""

import numpy as np
import pytest

from opssight_detectors.base import PointState
from opssight_detectors.kernels.first_samples import ENOUGH, judge, student_quantile
from opssight_detectors.methods.adaptive import Adaptive

RATE = 1e-3
STEADY = np.array([26.7, 28.6, 25.7, 27.1, 26.0, 29.0, 27.7, 25.9, 28.2, 26.6, 27.3, 28.8, 26.2, 27.9, 26.9])


def column(*values):
    return np.array(values, float)[:, None]


@pytest.mark.parametrize(
    ("rate", "freedom", "quantile"),
    [(0.05, 2, 4.30265), (0.05, 10, 2.22814), (0.01, 5, 4.03214), (0.001, 3, 12.92398), (0.001, 120, 3.37345)],
)
def test_student_quantiles_are_those_of_the_tables(rate, freedom, quantile):
    assert student_quantile(rate, freedom) == pytest.approx(quantile, rel=1e-5)


def test_four_samples_are_enough_for_a_leap_and_two_for_nothing():
    assert judge(column(*STEADY[:4]), np.array([90.0]), RATE).score > 1
    assert judge(column(*STEADY[:4]), np.array([31.0]), RATE).score < 1
    assert np.isnan(judge(column(*STEADY[:2]), np.array([90.0]), RATE).score)


def test_nothing_is_known_while_half_of_the_samples_are_equal():
    assert np.isnan(judge(column(0, 0, 0, 0, 0, 1), np.array([9.0]), RATE).score)


def test_an_incident_among_the_first_samples_hides_no_second_one():
    past = np.concatenate([STEADY[:10], [95.0, 99.0, 97.0]])
    assert judge(past[:, None], np.array([96.0]), RATE).score > 1


def test_three_rows_that_stay_away_together_alarm_where_one_does_not():
    newest, past = np.array([32.0]), np.tile(STEADY, 2)
    alone = judge(column(*past), newest, RATE).score
    together = judge(column(*past, 32.0, 32.0), newest, RATE).score
    assert alone < 1 < together


def test_a_row_that_is_back_is_normal_whatever_came_before():
    assert judge(column(*STEADY, 99.0, 99.0), np.array([27.2]), RATE).score < 0.2


def test_normal_noise_stays_near_the_rate():
    noise = np.random.default_rng(0).normal(size=(101, 20_000))
    outside = (judge(noise[:-1], noise[-1], RATE).score > 1).mean()
    assert RATE / 2 < outside < 3 * RATE


def test_the_default_alarms_a_leap_of_a_young_series_and_says_why():
    values = column(*STEADY, 90.0, 91.0)
    scores = Adaptive().fit(np.empty(0), values[:0]).score(60.0 * np.arange(len(values)), values)
    assert (scores.state[:3] == PointState.WARMING_UP).all()
    assert (scores.score[3:-2] <= 1).all()
    assert (scores.score[-2:] > 1).all()
    assert scores.cause_at(len(values) - 1, 0) == "the first samples"
    assert (values[-2:] > scores.upper[-2:]).all()


def test_the_first_scores_are_the_same_in_blocks_and_row_by_row_and_alone():
    rng = np.random.default_rng(1)
    times, values = 60.0 * np.arange(ENOUGH + 50), rng.normal(50, 1, (ENOUGH + 50, 3))
    values[rng.random(len(values)) < 0.1, 1] = np.nan
    values[:70, 2] = np.nan
    whole = Adaptive().fit(times[:0], values[:0]).score(times, values)
    model, rows = Adaptive().fit(times[:0], values[:0]), []
    for row in range(len(values)):
        now = slice(row, row + 1)
        rows.append(model.score(times[now], values[now]).score[0])
        model = model.update(times[now], values[now])
    np.testing.assert_allclose(rows, whole.score, rtol=1e-9, atol=1e-9)
    alone = Adaptive().fit(times[:0], values[:0, 2]).score(times, values[:, 2])
    np.testing.assert_allclose(alone.score[:, 0], whole.score[:, 2], rtol=1e-9, atol=1e-9)
