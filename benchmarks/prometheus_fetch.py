"""Fetch and decode a range query, against prometheus-api-client's DataFrame path on the same server in the same run.

    python -m benchmarks.prometheus_fetch [--series 500] [--rounds 5] [--check]

Client CPU is the process's own; the values of both sides are compared bit for bit; peak memory is what the interpreter
allocates on top of what it had before, as a multiple of the array that comes out.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from localcluster import Cluster, Options
from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

from opssight_operator.adapters.prometheus.client import Limits, PrometheusClient
from opssight_operator.adapters.prometheus.grid import Grid

STEP, ROWS = 60, 1440
TICK_ROWS = 6  # a minute that is new, and five that may have changed
EXPRESSION = "bench_value"
MAX_SERIES = 5000  # more than there are, so that the frame has to grow without knowing how far
GOAL_RATIO, GOAL_MEMORY = 20.0, 2.0


def fill(cluster: Cluster, series: int, end: int) -> None:
    """Random floats of 16 to 17 digits, as rates have them, a few gaps, and the labels of a pod's metric."""
    dice = np.random.default_rng(1)
    values = dice.gamma(2.0, 3.0, (series, ROWS))
    moments = end - STEP * np.arange(ROWS)[::-1]
    for number in range(series):
        keep = np.ones(ROWS, bool)
        if number % 25 == 0:
            keep[100:160] = False
        pod = f"checkout-7d4b9c6f5-{number:05d}"
        labels = {
            "__name__": EXPRESSION,
            "container": "server",
            "endpoint": "https-metrics",
            "instance": f"10.0.{number % 40}.17:10250",
            "job": "kubelet",
            "namespace": "shop",
            "node": f"node-{number % 40}",
            "pod": pod,
            "service": "kube-prometheus-stack-kubelet",
        }
        samples = list(zip(moments[keep].tolist(), values[number][keep].tolist(), strict=True))
        cluster.remote_write([(labels, samples)])


def peer(url: str, end: int) -> object:
    """The DataFrame of prometheus-api-client."""
    connect = PrometheusConnect(url)
    start = datetime.fromtimestamp(end - STEP * (ROWS - 1), UTC)
    return MetricRangeDataFrame(
        connect.custom_query_range(EXPRESSION, start, datetime.fromtimestamp(end, UTC), f"{STEP}s")
    )


def cpu(work: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds of this process, and the result."""
    gc.collect()
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def main() -> int:
    """Print one table; with ``--check`` 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with Cluster(options=Options(control_plane=False)) as cluster:
        end = int(time.time()) // STEP * STEP - 300
        fill(cluster, options.series, end)
        limits = Limits(seconds=120, max_series=MAX_SERIES, max_bytes=1 << 30)
        client = PrometheusClient(cluster.prometheus_url, limits)
        grid = Grid.of(end - STEP * (ROWS - 1), end, STEP)
        newest = grid.part(ROWS - TICK_ROWS, TICK_ROWS)
        ours, theirs, ticks = [], [], []
        for _ in range(options.rounds):
            seconds, frame = cpu(lambda: client.range(EXPRESSION, grid))
            ours.append(seconds)
            ticks.append(cpu(lambda: client.range(EXPRESSION, newest))[0])
            seconds, table = cpu(lambda: peer(cluster.prometheus_url, end))
            theirs.append(seconds)
        compare(frame, table)
        del table
        gc.collect()
        tracemalloc.start()
        client.range(EXPRESSION, grid)
        memory = tracemalloc.get_traced_memory()[1] / frame.values.nbytes  # type: ignore[attr-defined]
        tracemalloc.stop()
        client.close()
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    print(f"{options.series} series x {ROWS} points, {options.rounds} rounds, equal bit for bit")
    print(
        f"ours   {statistics.median(ours):7.3f} s CPU, peak memory {memory:.2f} times the array (goal {GOAL_MEMORY:g})"
    )
    print(f"peer   {statistics.median(theirs):7.3f} s CPU (prometheus-api-client, MetricRangeDataFrame)")
    print(f"ratio  {ratio:7.1f}, from {min(ratios):.1f} to {max(ratios):.1f} (goal {GOAL_RATIO:g})")
    print(f"a tick {statistics.median(ticks):7.3f} s CPU for the newest {TICK_ROWS} points alone")
    missed = ratio < GOAL_RATIO or memory > GOAL_MEMORY
    if options.check and missed:
        print("a goal is missed")
    return int(options.check and missed)


def compare(frame: object, table: object) -> None:
    """Every sample of the peer is in our frame, and nothing else is."""
    values, labels = frame.values, frame.labels  # type: ignore[attr-defined]
    columns = {entry["pod"]: column for column, entry in enumerate(labels)}
    grouped = table.groupby("pod")["value"]  # type: ignore[attr-defined]
    count = 0
    for pod, series in grouped:
        mine = values[:, columns[pod]]
        mine = mine[~np.isnan(mine)]
        assert np.array_equal(mine.view(np.int64), series.to_numpy(float).view(np.int64)), pod
        count += len(series)
    assert count == int((~np.isnan(values)).sum())


if __name__ == "__main__":
    sys.exit(main())
