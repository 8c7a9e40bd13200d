"""Past incidents as queries, and what is left of a history without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from builders import NAN, NOW, STEP, a_frame, a_policy, a_policy_observation
from opssight_operator.core.exclusion import check_exclude, cleaned, incident_query
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.promql import check
from opssight_operator.core.timing import rfc3339
from opssight_operator.core.windows import history_window
from opssight_operator.errors import InvalidSpec
from opssight_operator.settings import Settings

HISTORY = {"window": "1h", "step": "1m", "minDuration": "10m", "minCoverage": "0.5"}
SETTINGS = Settings()


def policy(*per_labels: str, **exclude: Any) -> Any:
    return a_policy(perLabels=list(per_labels), history={**HISTORY, "exclude": exclude})


def kept(spec_of: Any, columns: dict[str, list[float]], incidents: dict[str, list[float]] | None) -> list[list[int]]:
    """The rows of each column that are left."""
    frame = a_frame(columns)
    values = cleaned(spec_of.spec, frame, None if incidents is None else a_frame(incidents))
    return [np.flatnonzero(np.isfinite(values[:, i])).tolist() for i in range(values.shape[1])]


QUERIES = {
    "nothing to leave out": (policy(), None),
    "fixed ranges alone": (policy(ranges=[{"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}]), None),
    "an alert": (
        policy(alerts=[{"name": "Slow"}]),
        'max (max_over_time(ALERTS{alertname="Slow",alertstate="firing"}[1m]))',
    ),
    "an alert with labels and quotes, for each service": (
        policy("service", "zone", alerts=[{"name": 'a "b"\\', "labels": {"team": "x\ny"}}]),
        'max by (service, zone) (max_over_time(ALERTS{alertname="a \\"b\\"\\\\",alertstate="firing",'
        'team="x\\ny"}[1m]))',
    ),
    "a detector": (
        policy("service", detectors=["latency"]),
        'max by (service) (max_over_time(opssight_anomaly_score{namespace="shop",detector="latency"}[1m]) > 1)',
    ),
    "two of each": (
        policy(alerts=[{"name": "A"}, {"name": "B"}], detectors=["c", "d"]),
        'max (max_over_time(ALERTS{alertname="A",alertstate="firing"}[1m])'
        ' or max_over_time(ALERTS{alertname="B",alertstate="firing"}[1m])'
        ' or max_over_time(opssight_anomaly_score{namespace="shop",detector="c"}[1m]) > 1'
        ' or max_over_time(opssight_anomaly_score{namespace="shop",detector="d"}[1m]) > 1)',
    ),
}


@pytest.mark.parametrize(("given", "query"), QUERIES.values(), ids=QUERIES)
def test_what_is_left_out_is_asked_for_in_one_query(given: Any, query: str | None) -> None:
    assert incident_query(given.spec, "shop", STEP) == query
    if query is not None:
        check(query)


EVERY = list(range(8))
WHAT_IS_LEFT = {
    "everything, without an incident": (policy("service", alerts=[{"name": "A"}]), {}, [EVERY, EVERY]),
    "an incident of one service is left out of that service": (
        policy("service", alerts=[{"name": "A"}], before="0s", after="0s"),
        {"service=a": [NAN, NAN, 1, 1, NAN, NAN, NAN, NAN]},
        [[0, 1, 4, 5, 6, 7], EVERY],
    ),
    "an incident without the label is left out of all": (
        policy("service", alerts=[{"name": "A"}], before="0s", after="0s"),
        {"": [NAN, NAN, 1, 1, NAN, NAN, NAN, NAN]},
        [[0, 1, 4, 5, 6, 7], [0, 1, 4, 5, 6, 7]],
    ),
    "an incident of a service that is gone is nobody's": (
        policy("service", alerts=[{"name": "A"}], before="0s", after="0s"),
        {"service=z": [1] * 8},
        [EVERY, EVERY],
    ),
    "what led to it and what followed go too": (
        policy("service", alerts=[{"name": "A"}], before="2m", after="1m"),
        {"service=a": [NAN, NAN, NAN, 1, NAN, NAN, NAN, NAN]},
        [[0, 5, 6, 7], EVERY],
    ),
    "several incidents, the last still open": (
        policy("service", alerts=[{"name": "A"}], before="0s", after="0s"),
        {"service=a": [1, NAN, NAN, 1, NAN, NAN, 1, 1]},
        [[1, 2, 4, 5], EVERY],
    ),
    "a fixed range, its end not included": (
        policy("service", ranges=[{"start": rfc3339(NOW - 3 * STEP), "end": rfc3339(NOW - STEP)}]),
        None,
        [[0, 1, 2, 3, 6, 7], [0, 1, 2, 3, 6, 7]],
    ),
}


@pytest.mark.parametrize(("given", "incidents", "left"), WHAT_IS_LEFT.values(), ids=WHAT_IS_LEFT)
def test_what_is_left_of_a_history(given: Any, incidents: Any, left: list[list[int]]) -> None:
    assert kept(given, {"service=a": [5.0] * 8, "service=b": [5.0] * 8}, incidents) == left


def test_a_time_that_is_none_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidSpec, match=r"history.exclude.ranges\[0\]: day is out of range for month"):
        check_exclude(policy(ranges=[{"start": "2026-02-30T00:00:00Z", "end": "2026-03-01T00:00:00Z"}]).spec)


CALM, INCIDENT = [float(v) for v in range(1, 52)], [500.0] * 10
FIRING = [NAN] * 20 + [1.0] * 10 + [NAN] * 31
HISTORY_WITH_INCIDENT = [*CALM[:20], *INCIDENT, *CALM[20:]]


def test_an_incident_that_is_left_out_does_not_raise_the_threshold_but_is_simulated() -> None:
    given = policy(alerts=[{"name": "A"}], before="0s", after="0s")
    window = history_window(given.spec, NOW, SETTINGS)
    naive = evaluate(given, a_policy_observation(a_frame({"": HISTORY_WITH_INCIDENT})), window, NOW, SETTINGS)
    observed = a_policy_observation(a_frame({"": HISTORY_WITH_INCIDENT}), incidents=a_frame({"": FIRING}))
    plan = evaluate(given, observed, window, NOW, SETTINGS)
    (without_it,), (with_it,) = plan.status.thresholds, naive.status.thresholds
    assert with_it.current == "500"
    assert without_it.current == "48.5"
    assert without_it.samples == 51
    assert float(without_it.coverage or 0) == pytest.approx(51 / 61, rel=1e-5)
    assert without_it.notes[-1] == "history.exclude took 16.39% of the samples"
    assert without_it.simulation is not None and without_it.simulation.current is not None
    assert float(without_it.simulation.current.episodes_per_week) > 0, "the incident would have been told"


def test_a_history_of_incidents_alone_gives_no_threshold_and_says_why() -> None:
    given = policy(alerts=[{"name": "A"}])
    observed = a_policy_observation(a_frame({"": INCIDENT}), incidents=a_frame({"": [1.0] * 10}))
    plan = evaluate(given, observed, history_window(given.spec, NOW, SETTINGS), NOW, SETTINGS)
    assert plan.status.thresholds[0].current is None
    assert plan.status.conditions[0].message == "history.exclude left no sample of the last 1h"
