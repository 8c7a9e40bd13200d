"""When a resource is due."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.core.scheduling import backoff, missed_runs, next_run, phase

uids = st.uuids().map(str)
intervals = st.floats(0.5, 86_400.0)
instants = st.floats(0.0, 4e9)


@given(uids, intervals)
@settings(deadline=None)
def test_the_phase_lies_inside_the_interval(uid: str, interval: float) -> None:
    assert 0 <= phase(uid, interval) < interval


@given(uids, intervals, instants)
@settings(deadline=None)
def test_the_next_run_is_in_the_future_and_at_most_an_interval_away(uid: str, interval: float, now: float) -> None:
    due = next_run(uid, interval, now)
    assert now < due <= now + interval * (1 + 1e-9) + math.ulp(due)


@given(uids, intervals, instants)
@settings(deadline=None)
def test_runs_stay_on_one_grid_whenever_they_are_asked_for(uid: str, interval: float, now: float) -> None:
    steps = (next_run(uid, interval, now) - phase(uid, interval)) / interval
    assert steps == pytest.approx(round(steps), abs=1e-6 * max(1.0, abs(steps)))


@given(uids, intervals, instants)
@settings(deadline=None)
def test_a_restart_finds_the_same_grid(uid: str, interval: float, now: float) -> None:
    first = next_run(uid, interval, now)
    halfway = now + (first - now) / 2
    if now < halfway < first:
        assert next_run(uid, interval, halfway) == pytest.approx(first)


def test_a_thousand_resources_spread_over_the_whole_interval() -> None:
    parts = [0] * 10
    for n in range(1000):
        parts[int(phase(f"uid-{n}", 10.0))] += 1
    assert min(parts) > 60 and max(parts) < 140


@given(st.floats(0, 1e6), st.integers(0, 1000), st.floats(0.0, 0.99), st.floats(1.0, 3600.0))
@settings(deadline=None)
def test_runs_that_came_due_meanwhile_are_counted(scheduled: float, runs: int, part: float, interval: float) -> None:
    late = scheduled + (runs + part * 0.98 + 0.01) * interval
    assert missed_runs(scheduled, late, interval) == runs


def test_nothing_is_missed_by_a_run_that_is_early() -> None:
    assert missed_runs(100.0, 90.0, 10.0) == 0


@given(uids, st.integers(1, 200), st.floats(0.5, 30.0), st.floats(30.0, 900.0))
@settings(deadline=None)
def test_a_backoff_is_bounded_and_the_same_for_the_same_attempt(
    uid: str, attempt: int, first: float, longest: float
) -> None:
    seconds = backoff(uid, attempt, first, longest)
    assert 0.9 * first <= seconds <= 1.1 * longest
    assert seconds == backoff(uid, attempt, first, longest)


@given(uids, st.integers(1, 5))
@settings(deadline=None)
def test_a_backoff_grows_until_it_is_capped(uid: str, attempt: int) -> None:
    assert backoff(uid, attempt + 1, 1.0, 1e9) > backoff(uid, attempt, 1.0, 1e9)


def test_two_resources_that_fail_together_do_not_come_back_together() -> None:
    delays = {round(backoff(f"uid-{n}", 3, 5.0, 300.0), 3) for n in range(100)}
    assert len(delays) > 90
