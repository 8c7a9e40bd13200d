"""What is excluded from history, asked of a real Prometheus: firing alerts and anomalies, with and without tenancy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from localcluster import Prometheus

from builders import a_policy
from component.prometheus_servers import STEP, alone, naive, start_of, write
from opssight_operator.core.exclusion import cleaned, incident_query
from opssight_operator.core.observation import Frame
from opssight_operator.core.tenancy import enforce

ROWS = 30
FIRING = [None] * 10 + [1.0] * 5 + [None] * 15
SCORE = [0.3] * 20 + [2.5] * 4 + [0.3] * 6


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    with alone() as cluster:
        yield cluster.prometheus


@pytest.fixture(scope="module")
def start(prometheus: Prometheus) -> int:
    begins = start_of(ROWS)
    alert = {"__name__": "ALERTS", "alertname": 'Too "many"', "namespace": "shop", "severity": "page"}
    score = {"__name__": "opssight_anomaly_score", "namespace": "shop", "detector": "latency", "query": "p99"}
    write(
        prometheus,
        begins,
        [
            ({**alert, "alertstate": "firing", "service": "a"}, FIRING),
            ({**alert, "alertstate": "pending", "service": "a"}, [1.0] * ROWS),
            ({**alert, "alertstate": "firing", "service": "a", "namespace": "bank"}, [1.0] * ROWS),
            ({**score, "service": "b"}, SCORE),
            ({**score, "service": "b", "detector": "other"}, [9.0] * ROWS),
        ],
    )
    return begins


TENANCY: dict[str, dict[str, str]] = {"without tenancy": {}, "with an enforced namespace": {"namespace": "shop"}}


@pytest.mark.parametrize("matchers", TENANCY.values(), ids=TENANCY)
def test_what_fired_or_was_anomalous_is_left_out(prometheus: Prometheus, start: int, matchers: dict[str, str]) -> None:
    exclude: dict[str, Any] = {
        "alerts": [{"name": 'Too "many"', "labels": {"namespace": "shop"}}],
        "detectors": ["latency"],
        "before": "0s",
        "after": "0s",
    }
    history = {"window": "30m", "step": "1m", "minDuration": "1m", "exclude": exclude}
    spec = a_policy(perLabels=["service"], history=history).spec
    query = incident_query(spec, "shop", STEP)
    assert query is not None
    end = start + (ROWS - 1) * STEP
    times = np.arange(start, end + 1, STEP, dtype=np.float64)
    columns = naive(prometheus, enforce(query, matchers), start, end, STEP)
    incidents = Frame(times, np.stack(list(columns.values()), axis=1), tuple(dict(key) for key in columns))
    frame = Frame(times, np.ones((ROWS, 2)), ({"service": "a"}, {"service": "b"}))
    left = np.isnan(cleaned(spec, frame, incidents))
    assert np.flatnonzero(left[:, 0]).tolist() == [10, 11, 12, 13, 14]
    assert np.flatnonzero(left[:, 1]).tolist() == [20, 21, 22, 23]
