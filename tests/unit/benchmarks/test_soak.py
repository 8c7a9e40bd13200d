"""The arithmetic by which a soak is judged."""

from __future__ import annotations

import argparse
import dataclasses
import math
import random

import pytest
from benchmarks.processes import Figure
from benchmarks.soak import Watch, asked, exit_status, p99_of, verdicts

INF = math.inf
NOTHING: dict[float, float] = {0.001: 0, 0.01: 0, 0.1: 0, INF: 0}


def cumulative(*counts: int) -> dict[float, float]:
    """A histogram from how many there were in each of the buckets of ``NOTHING``."""
    return {bound: sum(counts[: place + 1]) for place, bound in enumerate(NOTHING)}


P99 = {
    "half of the way through a bucket": (NOTHING, cumulative(98, 2, 0, 0), 5.5),
    "the end of a bucket": (NOTHING, cumulative(99, 0, 1, 0), 1.0),
    "a bucket that is passed because it is empty": (NOTHING, cumulative(98, 0, 2, 0), 55.0),
    "all in the first bucket": (NOTHING, cumulative(1000, 0, 0, 0), 0.99),
    "beyond the last bound it is the last bound": (NOTHING, cumulative(90, 0, 0, 10), 100.0),
    "what was there before does not count": (cumulative(5000, 0, 0, 700), cumulative(5098, 2, 0, 700), 5.5),
    "buckets that are new": ({}, cumulative(98, 2, 0, 0), 5.5),
}


@pytest.mark.parametrize(("before", "after", "milliseconds"), P99.values(), ids=P99)
def test_the_p99_of_a_histogram(before: dict[float, float], after: dict[float, float], milliseconds: float) -> None:
    assert p99_of(before, after) == pytest.approx(milliseconds)


def test_a_histogram_that_did_not_grow_has_no_p99() -> None:
    assert math.isnan(p99_of(cumulative(7, 1, 0, 0), cumulative(7, 1, 0, 0)))


def test_the_p99_lies_in_the_bucket_of_the_99th_of_100_values() -> None:
    dice = random.Random(1)
    bounds = [0.001 * 2**power for power in range(12)]
    for _ in range(50):
        values = sorted(dice.lognormvariate(-5, 1.5) for _ in range(dice.randint(50, 2000)))
        histogram = {bound: float(sum(value <= bound for value in values)) for bound in [*bounds, INF]}
        true = values[math.ceil(0.99 * len(values)) - 1]
        low = max((bound for bound in bounds if bound < true), default=0.0)
        high = min((bound for bound in bounds if bound >= true), default=bounds[-1])
        assert 1000 * low <= p99_of({}, histogram) <= 1000 * high


GROWTH = {
    "none": ([100.0] * 60, 0.0),
    "a start that grows and then rests": ([*range(70, 100), *[100.0] * 30], 0.0),
    "steady growth counts within the second half alone": ([100 + 0.1 * second for second in range(60)], 3.0),
    "shrinking": ([100 - 0.1 * second for second in range(60)], -3.0),
    "a single peak is next to none": ([100.0] * 45 + [130.0] + [100.0] * 14, 0.2),
}


@pytest.mark.parametrize(("sizes", "growth"), GROWTH.values(), ids=GROWTH)
def test_the_growth_of_memory(sizes: list[float], growth: float) -> None:
    assert Watch(sizes=sizes).growth() == pytest.approx(growth, abs=0.01)


@pytest.mark.parametrize("sizes", [[], [100.0], [100.0, 101.0]])
def test_too_few_sizes_say_nothing_about_growth(sizes: list[float]) -> None:
    assert math.isnan(Watch(sizes=sizes).growth())


REST = Watch(cpu_percent=0.5, sizes=[110.0] * 60, lag=2.0, seconds=60.0)
WORK = Watch(cpu_percent=80.0, sizes=[130.0] * 900, lag=9.0, runs=150_000.0, seconds=900.0)
TIMERS = Figure("kopf timers", 15.0, 300.0, "10000")
OPTIONS = argparse.Namespace(count=5000, interval=30)
NAN = math.nan
MISSED = {
    "nothing": (REST, WORK, TIMERS, []),
    "rest is no 25th of the timers": (dataclasses.replace(REST, cpu_percent=0.7), WORK, TIMERS, ["CPU at rest"]),
    "cheap timers": (REST, WORK, Figure("kopf timers", 12.0, 300.0, ""), ["CPU at rest"]),
    "a size at rest": (dataclasses.replace(REST, sizes=[136.0] + [110.0] * 59), WORK, TIMERS, ["suspended: RSS"]),
    "a peak at work": (REST, dataclasses.replace(WORK, sizes=[136.0] + [130.0] * 899), TIMERS, ["work: RSS"]),
    "a late loop": (REST, dataclasses.replace(WORK, lag=10.1), TIMERS, ["work: loop late"]),
    "a lag that was not measured": (dataclasses.replace(REST, lag=NAN), WORK, TIMERS, ["suspended: loop late"]),
    "a leak": (REST, dataclasses.replace(WORK, sizes=[100 + 0.01 * n for n in range(900)]), TIMERS, ["work: growth"]),
    "a growth that was not measured": (dataclasses.replace(REST, sizes=[110.0]), WORK, TIMERS, ["suspended: growth"]),
    "runs that are missing": (REST, dataclasses.replace(WORK, runs=148_000.0), TIMERS, ["99% of the 150000 runs"]),
}


@pytest.mark.parametrize(("rest", "work", "timers", "missed"), MISSED.values(), ids=MISSED)
def test_a_goal_is_missed_by(rest: Watch, work: Watch, timers: Figure, missed: list[str]) -> None:
    judged = verdicts({"suspended": rest, "work": work}, timers, OPTIONS)
    assert len(judged) == 8
    found = [one.goal for one in judged if not one.met]
    assert len(found) == len(missed)
    assert all(goal.startswith(start) for goal, start in zip(found, missed, strict=True)), found
    assert exit_status(judged, check=True) == bool(missed)
    assert exit_status(judged, check=False) == 0


def test_a_missed_goal_ends_with_1_unless_told_otherwise() -> None:
    assert asked([]).check
    assert not asked(["--no-check"]).check
