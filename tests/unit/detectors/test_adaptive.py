"""The default detector on series that we make ourselves."""

import numpy as np
import pytest

from opssight_detectors.alarms import AlarmRules, alarm_rows
from opssight_detectors.base import PointState
from opssight_detectors.methods.adaptive import Adaptive

MINUTE = 60.0
ROWS = 900


def series(seed=0, rows=ROWS, columns=1):
    rng = np.random.default_rng(seed)
    times = np.arange(rows) * 5 * MINUTE
    season = np.sin(times / 86400 * 2 * np.pi)[:, None]
    return times, 50 + 10 * season + rng.normal(0, 1, (rows, columns))


def judged(times, values, training=600, **parameters):
    return Adaptive(**parameters).fit(times[:training], values[:training]).score(times[training:], values[training:])


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a spike", lambda x: np.where(np.arange(len(x)) == 50, 120.0, x)),
        ("a level shift", lambda x: x + 30.0 * (np.arange(len(x)) >= 50)),
        ("an outage", lambda x: np.where(np.arange(len(x)) >= 50, 0.0, x)),
        ("noise that grows", lambda x: np.where(np.arange(len(x)) >= 50, 50 + (x - 50) * 4, x)),
    ],
)
def test_a_fault_is_alarmed_soon_and_quiet_rows_are_not(name, fault):
    times, values = series()
    values[600:, 0] = fault(values[600:, 0])
    score = judged(times, values).score[:, 0]
    assert not (score[:50] > 1).any()
    assert (score[50:62] > 1).any()


def test_ordinary_noise_rarely_alarms():
    times, values = series(seed=3, columns=20)
    score = judged(times, values, training=300).score
    assert sum(len(alarm_rows(column)) for column in score.T) <= 2


def test_scores_are_the_same_in_blocks_and_row_by_row_and_after_a_replay():
    times, values = series(columns=3)
    values[100:130, 1] = np.nan
    values[:200, 2] = np.nan
    whole = Adaptive().fit(times[:500], values[:500])
    model = Adaptive().fit(times[:7], values[:7])
    for start, stop in [(7, 8), (8, 9), (9, 40), (40, 41), (41, 333), (333, 500)]:
        model = model.update(times[start:stop], values[start:stop])
    expected = whole.score(times[500:], values[500:])
    rows = []
    for row in range(500, ROWS):
        rows.append(model.score(times[row : row + 1], values[row : row + 1]).score[0])
        model = model.update(times[row : row + 1], values[row : row + 1])
    np.testing.assert_allclose(np.array(rows), expected.score, rtol=1e-9, atol=1e-9)


def test_the_newest_row_never_changes_the_scores_before_it():
    times, values = series()
    other = values.copy()
    other[700:] = 3 * other[700:] + 1000
    np.testing.assert_array_equal(judged(times, values).score[:100], judged(times, other).score[:100])


def test_scoring_leaves_the_model_as_it_was():
    times, values = series()
    model = Adaptive().fit(times[:600], values[:600])
    first = model.score(times[600:], values[600:]).score
    model.update(times[600:], values[600:] * 5)
    np.testing.assert_array_equal(model.score(times[600:], values[600:]).score, first)


def test_series_do_not_touch_each_other():
    times, values = series(columns=4)
    values[650:, 2] += 500
    alone = judged(times, values[:, [1]]).score[:, 0]
    together = judged(times, values).score[:, 1]
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)


def test_the_shown_band_agrees_with_the_score():
    times, values = series()
    values[650:660, 0] += 40
    scores = judged(times, values)
    inside = (values[600:] >= scores.lower) & (values[600:] <= scores.upper)
    np.testing.assert_array_equal(inside, ~(scores.score > 1))


def test_it_says_which_view_spoke():
    times, values = series()
    values[620, 0] = 200
    scores = judged(times, values)
    assert scores.cause_at(20, 0) in scores.causes


def test_the_warm_up_is_three_samples_or_what_is_asked_for():
    times, values = series(rows=80)
    for parameters, warm_up in (({}, 3), ({"min_samples": 60}, 60), ({"min_samples": 70}, 70)):
        scores = Adaptive(**parameters).fit(times[:0], values[:0]).score(times, values)
        assert (scores.state[:warm_up] == PointState.WARMING_UP).all()
        assert (scores.state[warm_up:] == PointState.SCORED).all()


def test_a_higher_sensitivity_alarms_at_least_where_a_lower_one_does():
    times, values = series(seed=5)
    low, high = (judged(times, values, sensitivity=word).score for word in ("Low", "High"))
    assert (high >= low).all()
    assert high.sum() > low.sum()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensitivity": "Extreme"}, "sensitivity must be one of Low, Medium, High, not 'Extreme'"),
        ({"time_zone": "Mars/Olympus"}, "timeZone must be an IANA name"),
        ({"min_samples": 2}, "minSamples must be at least 3"),
    ],
)
def test_a_wrong_parameter_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Adaptive(**arguments)


def test_an_alarm_is_raised_once_and_again_only_for_something_bigger():
    score = np.array([0, 2, 2, 2, 0, 0, 1.9, 2.5, np.nan, 2.4])
    assert alarm_rows(score, AlarmRules(quiet_rows=2, fade_rows=1e9)).tolist() == [1, 7]
    assert alarm_rows(score, AlarmRules(quiet_rows=0, fade_rows=1e-9)).tolist() == [1, 2, 3, 6, 7, 9]
