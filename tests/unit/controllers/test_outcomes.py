"""What follows for the schedule from what happened."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NOW, a_detector, a_policy, a_source
from opssight_operator import errors
from opssight_operator.controllers.kinds import interval_of, lanes_of
from opssight_operator.controllers.outcomes import failed, next_delay
from opssight_operator.core.held import held_plan
from opssight_operator.settings import Settings

SETTINGS = Settings(backoff_seconds=5.0, max_backoff_seconds=300.0)

WAITS_FOR_ITS_INTERVAL = [
    errors.InvalidSpec,
    errors.InvalidQuery,
    errors.NotAllowed,
    errors.NoData,
    errors.InsufficientHistory,
    errors.TooManySeries,
    errors.TooMuchData,
    errors.TargetNotFound,
    errors.FieldConflict,
    errors.NameConflict,
]
BACKS_OFF = [
    errors.PrometheusUnreachable,
    errors.PrometheusOverloaded,
    errors.Throttled,
    errors.SourceMissing,
    errors.KubernetesUnavailable,
    ZeroDivisionError,
]


def leaves(kind: type[BaseException]) -> list[type[BaseException]]:
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [kind]


def delay(error: type[BaseException], failures: int, interval: float = 3600.0) -> float | None:
    plan: Any = held_plan(a_policy(), error("a sentence"), NOW, SETTINGS)  # type: ignore[arg-type]
    return next_delay(plan, "uid-1", failures, interval, SETTINGS.max_backoff_seconds)


def test_every_error_of_the_tree_has_a_row() -> None:
    assert {*WAITS_FOR_ITS_INTERVAL, *BACKS_OFF} == {*leaves(errors.OpsSightError), ZeroDivisionError}


@pytest.mark.parametrize("error", WAITS_FOR_ITS_INTERVAL)
def test_what_only_a_person_or_time_can_change_waits_for_the_next_interval(error: type[Exception]) -> None:
    assert delay(error, 3) is None
    assert not failed(held_plan(a_policy(), error("a sentence"), NOW, SETTINGS))


@pytest.mark.parametrize("error", BACKS_OFF)
def test_a_system_that_is_away_is_tried_again_soon_and_then_slower(error: type[Exception]) -> None:
    delays = [delay(error, failures) or 0.0 for failures in range(1, 12)]
    assert 4.5 <= delays[0] <= 6.2
    assert delays[3] > 2 * delays[1]
    assert max(delays) <= 330.0
    assert failed(held_plan(a_policy(), error("a sentence"), NOW, SETTINGS))


def test_a_server_that_named_a_time_is_not_asked_before_it() -> None:
    plan: Any = held_plan(a_policy(), errors.Throttled("a sentence", retry_after=90.0), NOW, SETTINGS)
    delays = [next_delay(plan, f"uid-{n}", 1, 30.0, SETTINGS.max_backoff_seconds) or 0.0 for n in range(200)]
    assert 90.0 <= min(delays) < 92.0
    assert 105.0 < max(delays) < 115.0


def test_a_backoff_never_waits_longer_than_the_interval() -> None:
    assert max(delay(errors.PrometheusUnreachable, n, interval=30.0) or 0.0 for n in range(1, 40)) <= 33.0


def test_an_interval_has_a_lower_limit_and_a_source_its_own() -> None:
    settings = Settings(min_interval_seconds=10.0, source_interval_seconds=45.0)
    assert interval_of(a_detector(interval="1s"), settings) == 10.0
    assert interval_of(a_policy(interval="2h"), settings) == 7200.0
    assert interval_of(a_source(), settings) == 45.0


@pytest.mark.parametrize("resource", [a_detector(suspend=True), a_policy(suspend=True)], ids=["detector", "policy"])
def test_a_suspended_resource_is_run_once_a_day_whatever_its_interval(resource: Any) -> None:
    assert interval_of(resource, SETTINGS) == 86_400.0


def test_a_resource_takes_room_in_its_namespace_and_at_its_source_and_a_source_never_waits_for_its_users() -> None:
    assert lanes_of(a_detector(namespace="a", sourceRef={"name": "x"})) == (("namespace", "a"), ("source", "x"))
    assert lanes_of(a_source("x")) == (("namespace", ""),)
