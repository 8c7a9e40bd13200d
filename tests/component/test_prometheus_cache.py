"""With the cache, tick after tick, the answer is what a server gives that is asked for everything anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from localcluster import Cluster, Prometheus

from component.prometheus_servers import STEP, alone, assert_equal, naive, start_of, write
from opssight_operator.adapters.prometheus.client import PrometheusClient
from opssight_operator.adapters.prometheus.grid import Grid
from opssight_operator.adapters.prometheus.sources import Sources
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.metrics_source import MetricsSource, MetricsSourceSpec, MetricsSourceStatus
from opssight_operator.core.observation import Frame

ROWS = 200
TICKS = 40
WINDOW = 120
START = start_of(ROWS)


@pytest.fixture(scope="module")
def servers() -> Iterator[Cluster]:
    with alone() as running:
        running.start_prometheus_old()
        yield running


@pytest.fixture(params=["3.16", "2.42"])
def server(request: pytest.FixtureRequest, servers: Cluster) -> Prometheus:
    found = servers.prometheus if request.param == "3.16" else servers.prometheus_old
    assert found is not None
    return found


def a_source(url: str) -> MetricsSource:
    return MetricsSource(
        metadata=ObjectMeta(name="default", namespace="", uid="u", generation=1),
        spec=MetricsSourceSpec(url=url),
        status=MetricsSourceStatus(),
    )


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[Grid]:
    """Every range that is really asked for."""
    found: list[Grid] = []
    really = PrometheusClient.range

    def spied(self: PrometheusClient, expression: str, grid: Grid) -> Frame:
        found.append(grid)
        return really(self, expression, grid)

    monkeypatch.setattr(PrometheusClient, "range", spied)
    return found


async def no_secret(name: str) -> dict[str, str]:
    raise AssertionError(name)


@pytest.fixture
def sources(server: Prometheus) -> Iterator[Sources]:
    made = Sources(threads=4, max_cells=10**7, read_secret=no_secret, namespace_labels=lambda _: {})
    made.update(a_source(server.url))
    yield made
    made.close()


async def test_ticks_get_what_a_full_fetch_gets_while_series_come_go_and_samples_come_late(
    server: Prometheus, sources: Sources, fetched: list[Grid]
) -> None:
    rng = np.random.default_rng(5)
    name = f"live_{rng.integers(10**9)}"
    values = rng.normal(size=(ROWS, 8))
    values[rng.random(values.shape) < 0.1] = np.nan  # no sample
    values[: WINDOW + 10, 6] = np.nan  # comes late
    values[WINDOW // 3 :, 7] = np.nan  # goes early
    bound = sources.bind("default", "shop")

    def put(row: int, column: int) -> None:
        if not np.isnan(values[row, column]):
            moment = START + row * STEP
            write(server, moment, [({"__name__": name, "i": str(column)}, [float(values[row, column])])])

    columns = [
        ({"__name__": name, "i": str(i)}, [None if np.isnan(v) else float(v) for v in values[:WINDOW, i]])
        for i in range(8)
    ]
    write(server, START, columns)
    for tick in range(TICKS):
        last = WINDOW + tick
        for column in range(8):
            if not (column == 3 and tick % 5):  # one series is written in batches of five minutes
                for row in range(last - 4 if column == 3 else last, last + 1):
                    put(row, column)
        begin, end = START + (last - WINDOW + 1) * STEP, START + last * STEP
        for query in (name, f"sum({name})", f"avg_over_time({name}[5m])"):
            expected = naive(server, query, begin, end, STEP)
            assert_equal(await bound.range(query, begin, end, STEP), expected)
    assert sum(grid.rows for grid in fetched) < 3 * (WINDOW + TICKS * 12)


async def test_detectors_with_other_windows_share_and_agree(
    server: Prometheus, sources: Sources, fetched: list[Grid]
) -> None:
    write(server, START, [({"__name__": "shared", "i": str(i)}, list(range(ROWS))) for i in range(3)])
    bound = sources.bind("default", "shop")
    for last in (150, 151, 152):
        end = START + last * STEP
        spans = [50, 100, 30, 100]
        frames = await asyncio.gather(*(bound.range("shared", end - rows * STEP, end, STEP) for rows in spans))
        for rows, frame in zip(spans, frames, strict=True):
            assert_equal(frame, naive(server, "shared", end - rows * STEP, end, STEP))
    assert len(fetched) <= 4  # the first window, what lies before it, and one a tick


async def test_the_ends_of_the_range_mean_the_same_in_many_requests(server: Prometheus, sources: Sources) -> None:
    write(server, START, [({"__name__": "pinned"}, list(range(ROWS)))])
    sources.update(
        a_source(server.url).model_copy(
            update={"spec": MetricsSourceSpec.model_validate({"url": server.url, "limits": {"maxPointsPerQuery": 100}})}
        )
    )
    begin, end = START + 3 * STEP, START + 180 * STEP
    for query in ("pinned - pinned @ start()", "pinned @ end() - pinned", "pinned offset -10m"):
        frame = await sources.bind("default", "shop").range(query, begin, end, STEP)
        assert_equal(frame, naive(server, query, begin, end, STEP))
