"""Thresholds of 2,000 series against ddsketch and pandas, in one run, with equal answers checked.

    python benchmarks/thresholds_speed.py [--series 2000] [--rows 10080] [--check]

Prints CPU seconds of both sides and their ratio. ``--check`` fails when a goal is missed: the ratios of update and
rebuild, the memory of a rebuild, the error of the quantiles (before the updates and after them), the bytes of a series.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from opssight_detectors.thresholds.histogram import HistogramBank
from opssight_detectors.thresholds.histogram_codec import to_bytes

P = (0.5, 0.9, 0.95, 0.99)
NEW_POINTS = 5
GOAL_UPDATE = 10.0
GOAL_REBUILD = 10.0
GOAL_MEMORY_MB = 50.0  # beside the samples: the rebuild works in blocks
GOAL_ERROR = 0.005
GOAL_BYTES = 4096


def cpu(work: Callable[[], object], runs: int) -> float:
    """The median CPU seconds of a run."""
    took = []
    for _ in range(runs):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return float(np.median(took))


def history(series: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Latencies with a daily season, noise of several widths and zeros now and then."""
    random = np.random.default_rng(0)
    times = 60.0 * np.arange(rows)
    season = 1.0 + 0.5 * np.sin(2 * np.pi * times / 86400.0)
    scale = 10.0 ** random.uniform(-4, 4, series)
    values = season[:, None] * scale * random.lognormal(0.0, random.uniform(0.1, 0.8, series), (rows, series))
    values[:, ::10] *= random.random((rows, len(values[0, ::10]))) > 0.3
    return times, values


def error_of(bank: HistogramBank, values: np.ndarray) -> float:
    """The largest relative error of the quantiles of the first series, whose samples are ``values``."""
    exact = np.quantile(values, P, axis=0, method="inverted_cdf")
    found = bank.quantiles(P)[:, : values.shape[1]]
    return float(np.nanmax(np.abs(found / np.where(exact == 0, np.nan, exact) - 1)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=10_080)
    parser.add_argument("--peer-series", type=int, default=200, help="series that the slow peers run, scaled up")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    import pandas as pd
    from ddsketch import DDSketch

    times, values = history(args.series, args.rows)
    built: list[HistogramBank] = []
    rebuild = cpu(lambda: built.append(HistogramBank.of(times, values)), 1)
    tracemalloc.start()
    HistogramBank.of(times, values)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    bank = built[0]
    error_built = error_of(bank, values[:, : args.peer_series])

    sketches = [DDSketch(0.01) for _ in range(args.peer_series)]
    start = time.process_time()
    for column, sketch in enumerate(sketches):
        for value in values[:, column].tolist():
            sketch.add(value)
    sketch_build = (time.process_time() - start) * args.series / args.peer_series

    frame = pd.DataFrame(values[:, : args.peer_series])
    frame_build = cpu(lambda: frame.quantile(list(P)), 1) * args.series / args.peer_series

    random = np.random.default_rng(1)
    fresh = values[random.integers(0, args.rows, (20, NEW_POINTS))[:, :, None], np.arange(args.series)]
    tick = iter(range(20))

    def update_ours() -> None:
        index = next(tick)
        bank.update(times[-1] + 60.0 * (1 + NEW_POINTS * index + np.arange(NEW_POINTS)), fresh[index])
        bank.quantiles(P)

    peer_tick = iter(range(20))

    def update_ddsketch() -> None:
        index = next(peer_tick)
        for column, sketch in enumerate(sketches):
            for value in fresh[index, :, column].tolist():
                sketch.add(value)
            for p in P:
                sketch.get_quantile_value(p)

    ours = cpu(update_ours, 9)
    theirs = cpu(update_ddsketch, 5) * args.series / args.peer_series
    updates = next(tick)
    learned = np.concatenate([values[:, : args.peer_series], *fresh[:updates, :, : args.peer_series]])
    error_updated = error_of(bank, learned)
    largest = max(len(to_bytes(bank, series)) for series in range(args.series))
    samples = values.size / 1e6
    print(f"{args.series} series x {args.rows} rows = {samples:.1f} M samples; CPU seconds, one run")
    print(f"update of {NEW_POINTS} points + 4 quantiles: ours {ours:.4f}, ddsketch {theirs:.3f}: {theirs / ours:.0f}x")
    print(f"    a series: ours {ours / args.series * 1e6:.2f} us, ddsketch {theirs / args.series * 1e6:.1f} us")
    print(f"rebuild: ours {rebuild:.2f} ({samples / rebuild:.0f} M/s), at most {peak:.0f} MB above the samples")
    print(f"    ddsketch {sketch_build:.1f}: {sketch_build / rebuild:.0f}x; pandas, exact {frame_build:.2f}")
    size = bank.table.counts.nbytes
    print(f"    bank {size / 1e6:.1f} MB, {size / args.series / 1e3:.1f} kB a series")
    print(f"largest relative error of p50..p99: built {error_built:.2%}, after {updates} updates {error_updated:.2%}")
    print(f"largest series as bytes: {largest}")
    goals = {
        f"update {GOAL_UPDATE:g}x ddsketch": theirs / ours >= GOAL_UPDATE,
        f"rebuild {GOAL_REBUILD:g}x ddsketch": sketch_build / rebuild >= GOAL_REBUILD,
        f"rebuild in {GOAL_MEMORY_MB:g} MB beside the samples": peak <= GOAL_MEMORY_MB,
        f"{GOAL_ERROR:.1%} error, built and updated": max(error_built, error_updated) <= GOAL_ERROR,
        f"{GOAL_BYTES} bytes a series": largest <= GOAL_BYTES,
    }
    missed = [goal for goal, reached in goals.items() if not reached]
    if args.check and missed:
        print(f"goals missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
