"""Simulated alert episodes are those of Prometheus' own state machine."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.thresholds import AlertRule, Bound, simulate, summary
from opssight_detectors.thresholds.simulation import evaluations, simulate_on
from oracles import thresholds_simulation as oracle

NAN = math.nan
MINUTE = 60.0


def episodes_of(values, **rule):
    column = np.array(values, dtype=float)
    found = simulate(MINUTE * np.arange(len(column)), column, AlertRule(threshold=10.0, **rule))
    return [(start / MINUTE, end / MINUTE) for start, end in zip(found.start, found.end, strict=True)]


CASES = {
    "an expression that is never beyond raises nothing": ([1, 2, 10, 3], {}, []),
    "without a duration each run is an episode": ([1, 11, 12, 1, 13, 1], {}, [(1, 3), (4, 5)]),
    "an episode that is still on lasts one interval past the last row": ([1, 11, 12], {}, [(1, 3)]),
    "a run shorter than its duration stays pending": ([11, 11, 1, 1], {"for_seconds": 120}, []),
    "a run fires at the evaluation that completes its duration": (
        [1, 11, 11, 11, 11, 1],
        {"for_seconds": 120},
        [(3, 5)],
    ),
    "a duration between two evaluations waits for the later": ([11, 11, 11, 11, 1], {"for_seconds": 90}, [(2, 4)]),
    "a missing sample ends an episode": ([11, 11, NAN, 11, 1], {}, [(0, 2), (3, 4)]),
    "a missing sample starts the duration anew": ([11, 11, NAN, 11, 11], {"for_seconds": 120}, []),
    "an alert keeps firing over a short return": (
        [11, 1, 1, 11, 1, 1, 1, 1],
        {"keep_firing_for_seconds": 180},
        [(0, 7)],
    ),
    "a run that begins just when keep_firing_for is over still prolongs the episode": (
        [11, 1, 1, 11, 1, 1, 1, 1],
        {"keep_firing_for_seconds": 120},
        [(0, 6)],
    ),
    "a return longer than keep_firing_for ends the episode": (
        [11, 1, 1, 1, 11, 1],
        {"keep_firing_for_seconds": 120},
        [(0, 3), (4, 6)],
    ),
    "a run shorter than its duration prolongs an episode that is kept": (
        [11, 11, 11, 1, 11, 1, 1, 1],
        {"for_seconds": 120, "keep_firing_for_seconds": 120},
        [(2, 7)],
    ),
    "a level of recovery holds an alert that fires": ([11, 7, 7, 11, 7, 4, 7], {"recovery": 5.0}, [(0, 5)]),
    "a level of recovery begins nothing": ([7, 7, 11, 7, 7], {"recovery": 5.0, "for_seconds": 60}, []),
    "a short run before a long one does not bring the episode forward": (
        [11, 1, 11, 11, 11, 1],
        {"for_seconds": 120, "keep_firing_for_seconds": 120},
        [(4, 6)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_state_machine_table(case):
    values, rule, expected = CASES[case]
    assert episodes_of(values, **rule) == expected


def test_a_lower_bound_fires_below():
    found = simulate(np.arange(3) * MINUTE, np.array([5.0, 1.0, 5.0]), AlertRule(2.0, Bound.LOWER))
    assert (found.start.tolist(), found.end.tolist()) == ([60.0], [120.0])


def test_equal_to_the_threshold_is_not_beyond():
    for bound in Bound:
        assert len(simulate(np.arange(3.0), np.full(3, 7.0), AlertRule(7.0, bound))) == 0


def test_a_raw_sample_holds_for_the_lookback_and_no_longer():
    found = simulate(np.array([0.0, 60.0, 1000.0]), np.full(3, 11.0), AlertRule(10.0, interval=30.0, lookback=300.0))
    assert (found.start.tolist(), found.end.tolist()) == ([0.0], [360.0])  # the last evaluation is at 990


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_episodes_equal_the_state_machine(data):
    n_rows = data.draw(st.integers(1, 40), label="rows")
    n_series = data.draw(st.integers(1, 4), label="series")
    cell = st.sampled_from([1.0, 7.0, 11.0, 11.0, NAN])
    values = np.reshape(
        data.draw(st.lists(cell, min_size=n_rows * n_series, max_size=n_rows * n_series)), (n_rows, n_series)
    )
    step = data.draw(st.sampled_from([15.0, 60.0]), label="step")
    drop = data.draw(st.lists(st.integers(0, n_rows - 1), max_size=5), label="rows that are missing")
    keep_rows = np.setdiff1d(np.arange(n_rows), drop)
    if len(keep_rows) == 0:
        keep_rows = np.array([0])
    times, values = (1e9 + step * np.arange(n_rows))[keep_rows], values[keep_rows]
    interval = data.draw(st.sampled_from([15.0, 30.0, 60.0, 75.0]), label="interval")
    lookback = data.draw(st.sampled_from([0.0, 100.0, 300.0]), label="lookback")
    rule = AlertRule(
        threshold=10.0,
        bound=data.draw(st.sampled_from(list(Bound))),
        for_seconds=data.draw(st.sampled_from([0.0, 15.0, 60.0, 100.0, 300.0])),
        keep_firing_for_seconds=data.draw(st.sampled_from([0.0, 15.0, 60.0, 100.0, 300.0])),
        interval=interval,
        lookback=lookback,
    )
    if data.draw(st.booleans(), label="with a level of recovery"):
        rule = replace(rule, recovery=5.0 if rule.bound is Bound.UPPER else 12.0)
    found = simulate(times, values, rule)
    usual_step = float(np.median(np.diff(times))) if len(times) > 1 else interval
    clock = [float(t) for t in np.arange(times[0], times[-1] + 1e-6, interval)]
    for series in range(n_series):
        answers = [oracle.seen_at(now, times, values[:, series], lookback, usual_step) for now in clock]
        waits = (rule.for_seconds, rule.keep_firing_for_seconds)
        upper = rule.bound is Bound.UPPER
        firing = oracle.firing_at_each_evaluation(clock, answers, 10.0, upper, *waits, rule.recovery)
        mine = found.series == series
        got = list(zip(found.start[mine].tolist(), found.end[mine].tolist(), found.open[mine].tolist(), strict=True))
        assert got == oracle.episodes(clock, firing, interval)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_rule_that_sees_each_row_several_times_fires_as_if_the_rows_were_repeated(data):
    n_rows = data.draw(st.integers(1, 40), label="rows")
    cells = data.draw(st.lists(st.sampled_from([1.0, 7.0, 11.0, NAN]), min_size=2 * n_rows, max_size=2 * n_rows))
    times, values = 60.0 * np.arange(n_rows), np.reshape(cells, (n_rows, 2))
    rule = AlertRule(
        threshold=10.0,
        for_seconds=data.draw(st.sampled_from([0.0, 7.0, 60.0, 100.0])),
        keep_firing_for_seconds=data.draw(st.sampled_from([0.0, 7.0, 60.0, 100.0])),
        interval=data.draw(st.sampled_from([1.0, 7.0, 20.0, 45.0, 60.0])),
        recovery=data.draw(st.sampled_from([None, 5.0])),
    )
    repeated, counted = simulate(times, values, rule), simulate_on(evaluations(times, values, 60.0), rule)
    assert counted.window == repeated.window
    for field in ("series", "start", "end", "open"):
        assert getattr(counted, field).tolist() == getattr(repeated, field).tolist(), field


IMPOSSIBLE = {
    "a recovery beyond the threshold": ({"threshold": 1.0, "recovery": 2.0}, "recovery must be behind the threshold 1"),
    "a threshold that is no number": ({"threshold": NAN}, "threshold must be a number"),
    "a negative duration": ({"threshold": 1.0, "for_seconds": -1.0}, "for_seconds must be 0 or more"),
    "an interval of nothing": ({"threshold": 1.0, "interval": 0.0}, "interval must be more than 0"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_rules_are_refused_with_a_sentence(case):
    parameters, sentence = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=sentence):
        AlertRule(**parameters)


def test_times_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="times must ascend"):
        simulate(np.array([60.0, 0.0]), np.array([1.0, 2.0]), AlertRule(1.0))


def test_the_summary_counts_weeks_nights_and_time():
    # two weeks of hourly rows from a Monday, 00:00 UTC; two episodes by day, one at 23:00 in Berlin
    start = 1_704_067_200.0
    values = np.zeros(14 * 24)
    values[[10, 11, 12 + 24, 22 + 48]] = 11.0
    found = simulate(start + 3600.0 * np.arange(len(values)), values, AlertRule(10.0))
    told = summary(found, time_zone="Europe/Berlin")
    assert (told.episodes, told.weeks, told.episodes_per_week) == (3, 2.0, 1.5)
    assert told.night_episodes_per_week == 0.5
    assert (told.median_seconds, told.longest_seconds) == (3600.0, 7200.0)
    assert told.share_firing == pytest.approx(4 / (14 * 24))


def test_the_summary_is_of_the_time_in_which_anything_answered():
    values = np.full((14 * 24, 2), np.nan)
    values[-48:-24, 0] = values[-24:, 1] = 0.0
    values[-40, 0] = values[-10, 1] = 11.0
    found = simulate(3600.0 * np.arange(len(values)), values, AlertRule(10.0))
    told = summary(found)
    assert found.weeks == told.weeks == pytest.approx(2 / 7)
    assert told.episodes_per_week == pytest.approx(7.0)
    assert told.share_firing == pytest.approx(2 / 48)


def test_an_alert_that_outlives_the_last_answer_fires_all_of_the_time_and_no_more():
    values = np.array([math.nan, 11.0, math.nan, math.nan])
    told = summary(simulate(60.0 * np.arange(4), values, AlertRule(10.0, keep_firing_for_seconds=120.0)))
    assert told.share_firing == 1.0


def test_without_any_answer_the_window_is_the_whole():
    found = simulate(3600.0 * np.arange(24), np.full(24, math.nan), AlertRule(10.0))
    assert found.window == (0.0, 86400.0)


def test_time_that_two_series_share_counts_once():
    values = np.zeros((100, 2))
    values[10:20, 0] = 11.0
    values[15:30, 1] = 11.0
    told = summary(simulate(60.0 * np.arange(100), values, AlertRule(10.0)))
    assert told.share_firing == pytest.approx(0.2)


NIGHTS = {  # an instant, and whether it is night in Berlin, where night ends at 06:00 local time
    "04:30 UTC in winter is 05:30": (1_704_083_400.0, True),
    "04:30 UTC in summer is 06:30": (1_719_808_200.0, False),
    "20:30 UTC in winter is 21:30": (1_704_141_000.0, False),
    "20:30 UTC in summer is 22:30": (1_719_865_800.0, True),
}


@pytest.mark.parametrize("case", NIGHTS)
def test_the_night_follows_daylight_saving(case):
    start, at_night = NIGHTS[case]
    found = simulate(start + 60.0 * np.arange(2), np.array([11.0, 0.0]), AlertRule(10.0))
    assert (summary(found, time_zone="Europe/Berlin").night_episodes_per_week > 0) is at_night


def test_no_episodes_have_no_length():
    told = summary(simulate(60.0 * np.arange(10), np.zeros(10), AlertRule(10.0)))
    assert told.episodes == 0 and math.isnan(told.median_seconds) and told.share_firing == 0.0


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(ValueError, match="IANA name"):
        summary(simulate(60.0 * np.arange(2), np.zeros(2), AlertRule(1.0)), time_zone="Middle/Earth")
