"""Range queries against real servers, new and old: equal to a plain reading, to the last bit, and kept to limits."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from localcluster import Cluster, Prometheus

from component.prometheus_servers import (
    STALE_NAN,
    STEP,
    alone,
    assert_equal,
    naive,
    start_of,
    write,
    write_histogram,
)
from opssight_operator.adapters.prometheus.client import Limits, PrometheusClient
from opssight_operator.adapters.prometheus.grid import Grid
from opssight_operator.errors import (
    InvalidQuery,
    PrometheusOverloaded,
    PrometheusUnreachable,
    TooManySeries,
    TooMuchData,
)

ROWS = 240
START = start_of(ROWS)
END = START + (ROWS - 1) * STEP
GRID = Grid.of(START, END, STEP)
EXTREMES = [0.0, -0.0, 5e-324, 1.7976931348623157e308, -1e-7, 1e-6, 1e21, 123456789012345.67, 0.1 + 0.2, 2.0**53 + 2]


@pytest.fixture(scope="module")
def both() -> Iterator[Cluster]:
    with alone() as running:
        running.start_prometheus_old()
        yield running


@pytest.fixture(scope="module", params=["3.16", "2.42"])
def server(request: pytest.FixtureRequest, both: Cluster) -> Prometheus:
    found = both.prometheus if request.param == "3.16" else both.prometheus_old
    assert found is not None
    fill(found)
    return found


@pytest.fixture
def new(both: Cluster) -> Prometheus:
    return both.prometheus


def fill(server: Prometheus) -> None:
    rng = np.random.default_rng(7)
    floats = rng.lognormal(0, 6, (30, ROWS)) * rng.choice([1, -1], (30, 1))
    gappy = [[float(v) if rng.random() > 0.4 else None for v in rng.normal(size=ROWS)] for _ in range(10)]
    write(server, START, [({"__name__": "f", "i": f"{i:02}"}, column.tolist()) for i, column in enumerate(floats)])
    write(server, START, [({"__name__": "gappy", "i": f"{i:02}"}, column) for i, column in enumerate(gappy)])
    odd = [EXTREMES[row % len(EXTREMES)] for row in range(ROWS)]
    nan = [float(["nan", "inf", "-inf", "1"][row % 4]) for row in range(ROWS)]
    stale = [STALE_NAN if row % 7 == 3 else float(row) for row in range(ROWS)]
    write(server, START, [({"__name__": "odd"}, odd), ({"__name__": "nans"}, nan), ({"__name__": "stale"}, stale)])
    write(server, START, [({"__name__": "counter", "text": 'a"b\\c\n]]},"values":[[ é'}, list(range(ROWS)))])
    late = [None] * (ROWS - 3) + [1.0] * 3
    write(server, START, [({"__name__": "late", "i": "1"}, [1.0] * 3), ({"__name__": "late", "i": "2"}, late)])


def client(server: Prometheus, **limits: float) -> PrometheusClient:
    return PrometheusClient(server.url, Limits(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "expr",
    [
        "f",
        "gappy",
        "odd",
        "nans",
        "stale",
        "counter",
        "late",
        "rate(counter[5m])",
        "sum(f)",
        "f / 0",
        "f > 1e9",
        "time()",
        "vector(1)",
        "nothing",
        "sum by (i) (f) / on (i) gappy",
        "stddev_over_time(f[1h])",
        "count_values('v', round(gappy))",
    ],
)
def test_a_range_equals_a_plain_reading_to_the_last_bit(server: Prometheus, expr: str) -> None:
    frame = client(server).range(expr, GRID)
    assert frame.times.tolist() == [START + STEP * row for row in range(ROWS)]
    assert_equal(frame, naive(server, expr, START, END, STEP))


@pytest.mark.parametrize("points", [1, 7, 100, ROWS - 1, ROWS])
def test_a_range_in_many_requests_equals_one(server: Prometheus, points: int) -> None:
    for expr in ("gappy", "late", "rate(counter[5m])"):
        assert_equal(client(server, max_points=points).range(expr, GRID), naive(server, expr, START, END, STEP))


def test_answers_are_kept_below_the_limit_of_bytes_by_asking_more_often(server: Prometheus) -> None:
    frame = client(server, max_bytes=65_536, max_series=50).range("f", GRID)
    assert_equal(frame, naive(server, "f", START, END, STEP))


def test_both_edges_of_a_window_are_in_and_nothing_is_doubled(server: Prometheus) -> None:
    frame = client(server, max_points=10).range("counter", Grid.of(START, START + 29 * STEP, STEP))
    assert frame.values[:, 0].tolist() == list(range(30))


def test_the_range_of_a_selector_is_closed_in_2_and_left_open_in_3(server: Prometheus) -> None:
    grid = Grid.of(START + 10 * STEP, START + 12 * STEP, STEP)
    counts = client(server).range("count_over_time(counter[5m])", grid).values[:, 0].tolist()
    version = client(server).server().version
    assert counts == ([5.0] * 3 if version.startswith("3") else [6.0] * 3)


def test_steps_and_times_with_fractions_are_exact(server: Prometheus) -> None:
    start, step = START + 600.5, 7.25
    grid = Grid.of(start, start + 40 * step, step)
    expected = naive(server, "counter", start, start + 40 * step, step)
    assert grid.rows == 41
    assert_equal(client(server).range("counter", grid), expected)
    assert_equal(client(server, max_points=6).range("counter", grid), expected)


def test_names_with_dots_work_where_the_server_knows_them(new: Prometheus) -> None:
    write(new, START, [({"__name__": "http.server", "k8s.pod": "a"}, [1.0, 2.0])])
    frame = client(new).range('{"http.server", "k8s.pod"="a"}', Grid.of(START, START + STEP, STEP))
    assert [dict(labels) for labels in frame.labels] == [{"__name__": "http.server", "k8s.pod": "a"}]
    assert frame.values[:, 0].tolist() == [1.0, 2.0]


def test_native_histograms_are_left_out_with_a_word(new: Prometheus) -> None:
    moment = START + 20 * STEP
    write_histogram(new, {"__name__": "mixed", "kind": "histogram"}, moment)
    write(new, moment, [({"__name__": "mixed", "kind": "float"}, [5.0])])
    grid = Grid.of(moment, moment + STEP, STEP)
    frame = client(new).range("mixed", grid)
    assert [labels["kind"] for labels in frame.labels] == ["float"]
    assert any("native histograms, which are left out" in warning for warning in frame.warnings)
    count = client(new).range("histogram_count(mixed)", grid)
    assert count.values[0].tolist() == [3.0]


REFUSED = {
    "a typo": ("sum(rate(x[5m])", InvalidQuery, "parse error"),
    "an unknown function": ("rated(x[5m])", InvalidQuery, "unknown function"),
    "a range for a vector": ("x[5m]", InvalidQuery, "range vector"),
    "two series for one": ("f / on () f", InvalidQuery, "duplicate series"),
    "a string": ('"a"', InvalidQuery, "must be Scalar or instant Vector"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_prometheus_refuses_is_told_in_its_words(server: Prometheus, case: str) -> None:
    expr, kind, fragment = REFUSED[case]
    with pytest.raises(kind, match=fragment):
        client(server).range(expr, GRID)


def test_ten_thousand_series_are_refused_quickly_and_in_little_memory(server: Prometheus) -> None:
    write(server, START, [({"__name__": "many", "i": str(i)}, [1.0] * 3) for i in range(10_000)])
    asked = client(server)
    grid = Grid.of(START, START + 20 * STEP, STEP)
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(TooManySeries, match="more than 500 series"):
            asked.range("many", grid)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < 5
    assert peak < 8_000_000


def test_more_cells_than_a_frame_may_have_are_refused(server: Prometheus) -> None:
    with pytest.raises(TooMuchData, match="more than 1000 points"):
        client(server, max_cells=1000).range("f", GRID)


def test_one_series_too_long_for_the_limit_of_bytes_is_refused(server: Prometheus) -> None:
    label = "x" * 40_000
    expr = f'label_replace(vector(1), "a", "{label}", "", "") or label_replace(vector(2), "a", "y{label}", "", "")'
    with pytest.raises(TooMuchData, match="longer than 65536 bytes"):
        client(server, max_bytes=65_536).range(expr, Grid.of(START, START + STEP, STEP))


def test_a_query_too_heavy_is_tried_in_halves_and_then_called_so() -> None:
    with alone("--query.max-samples=150") as small:
        write(small.prometheus, START, [({"__name__": "x"}, list(range(ROWS)))])
        asked = client(small.prometheus)
        assert asked.range("x", Grid.of(START, START + 199 * STEP, STEP)).values[:, 0].tolist() == list(range(200))
        with pytest.raises(PrometheusOverloaded, match="too many samples"):
            asked.range("x or x offset 1m", Grid.of(START, START + 399 * STEP, STEP))


def test_a_stopped_server_is_unreachable_and_the_same_client_recovers(both: Cluster) -> None:
    asked = client(both.prometheus, seconds=5)
    assert asked.server().flavour == "Prometheus"
    both.stop_prometheus()
    try:
        with pytest.raises(PrometheusUnreachable, match="connection refused"):
            asked.range("f", GRID)
    finally:
        both.start_prometheus()
    assert asked.range("vector(1)", GRID).n_series == 1


def test_servers_say_who_they_are(both: Cluster) -> None:
    assert both.prometheus_old is not None
    assert client(both.prometheus).server().version == "3.16.0"
    assert client(both.prometheus_old).server().version.startswith("2.42")


def test_rules_are_read_by_group(both: Cluster, server: Prometheus) -> None:
    file = server.rules / "adapter.yaml"
    file.write_text(
        """
groups:
- name: wanted
  interval: 1s
  rules:
  - {record: "a:b", expr: "vector( 1.50 )", labels: {team: web}}
  - {alert: Always, expr: "vector(1)", labels: {severity: page}}
  - {alert: Broken, expr: "count(up) / on () group_right () vector(1) + on () (vector(1) or f offset 1d)"}
- name: other
  rules: [{record: "c:d", expr: "vector(2)"}]
"""
    )
    try:
        server.reload()
        asked = client(server)
        deadline = time.monotonic() + 15
        while not (len(found := asked.rules("wanted")) == 3 and found[1].firing and found[0].health == "ok"):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        record, alert, _ = found
        assert (record.group, record.name, record.kind, record.query) == ("wanted", "a:b", "recording", "vector(1.5)")
        assert dict(record.labels) == {"team": "web"}
        assert (alert.kind, alert.firing, dict(alert.labels)) == ("alerting", 1, {"severity": "page"})
        assert asked.rules("absent") == ()
    finally:
        file.unlink()
        server.reload()
