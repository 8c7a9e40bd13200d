"""Policies that belong to the metric."""

import math

import numpy as np
import pytest

from opssight_detectors.base import PointState
from opssight_detectors.methods.zscore import ZScore
from opssight_detectors.policy import Policy, apply_policy

TIMES = np.arange(8.0)
TRAINING = np.array([[8.0], [12], [8], [12], [8], [12], [8], [12]])  # mean 10, deviation 2


def judged(value, policy, mask=None):
    block = np.array([[float(value)]])
    scores = ZScore(sensitivity=2).fit(TIMES, TRAINING).score(np.array([9.0]), block)
    return apply_policy(scores, block, policy, mask)


@pytest.mark.parametrize(
    ("value", "policy", "score"),
    [
        (16, Policy(), 1.5),
        (4, Policy(), 1.5),
        (16, Policy(direction="Above"), 1.5),
        (4, Policy(direction="Above"), 0),
        (16, Policy(direction="Below"), 0),
        (4, Policy(direction="Below"), 1.5),
        (16, Policy(min_absolute=5), 1.2),  # 6 is 1.2 times what matters
        (16, Policy(min_absolute=6), 1.0),
        (16, Policy(min_relative=0.5), 1.2),
        (16, Policy(min_relative=0.7), 6 / 7),
        (16, Policy(min_absolute=1, min_relative=0.7), 6 / 7),  # both must be exceeded
        (10.5, Policy(range_max=10.4), 5.0),
        (9.5, Policy(range_min=9.6), 5.0),
        (100, Policy(range_max=50), 22.5),
        (4, Policy(direction="Above", range_min=5), 5.0),  # impossible is impossible in any direction
    ],
)
def test_the_score_after_the_policy(value, policy, score):
    assert judged(value, policy).score[0, 0] == pytest.approx(score)


def test_a_side_that_does_not_count_has_no_bound():
    scores = judged(16, Policy(direction="Above"))
    assert math.isnan(scores.lower[0, 0])
    assert scores.upper[0, 0] == pytest.approx(14)


def test_the_band_grows_to_the_smallest_deviation_that_matters():
    scores = judged(16, Policy(min_absolute=5))
    assert (scores.lower[0, 0], scores.upper[0, 0]) == (pytest.approx(5), pytest.approx(15))


def test_low_traffic_overrules_everything():
    guarded = judged(100, Policy(range_max=50), np.array([[False]]))
    assert guarded.score[0, 0] == 1.0


def test_out_of_range_is_anomalous_during_warm_up_too():
    block = np.array([[99.0]])
    scores = ZScore().fit(TIMES[:1], TRAINING[:1]).score(np.array([9.0]), block)
    assert scores.state[0, 0] == PointState.WARMING_UP
    after = apply_policy(scores, block, Policy(range_max=50))
    assert (after.score[0, 0], after.state[0, 0]) == (5.0, PointState.SCORED)


def test_a_missing_sample_stays_unknown_under_every_policy():
    policy = Policy(direction="Above", min_absolute=1, min_relative=0.1, range_min=0, range_max=1)
    assert math.isnan(judged(math.nan, policy, np.array([[False]])).score[0, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "Up"}, "direction must be one of Above, Below, Both, not 'Up'"),
        ({"min_absolute": -1}, "min_absolute must be 0 or more, not -1"),
        ({"range_min": 2, "range_max": 2}, "range_min must be less than range_max"),
    ],
)
def test_a_wrong_policy_is_refused_with_a_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        Policy(**arguments)
