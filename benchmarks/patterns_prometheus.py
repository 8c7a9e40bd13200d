"""What a report on a month of ALERTS costs, read from a real Prometheus: CPU, memory and wall time of one process.

    python benchmarks/patterns_prometheus.py [SERIES ...]

Each series fires four times in four weeks, for 3 to 40 minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from localcluster import Cluster, Options

MINUTE, DAY = 60.0, 86_400.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", type=int, nargs="*", default=[500, 5000])
    print(f"{'series':>8} {'episodes':>9} {'CPU s':>7} {'wall s':>7} {'MiB':>6}")
    for count in parser.parse_args().series:
        with Cluster(options=Options(control_plane=False)) as cluster:
            written = alerts(count)
            cluster.remote_write(written)
            began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = ["report", "run", "--prometheus", cluster.prometheus_url, "-n", "shop", "-f", "json"]
            done = subprocess.run(
                [sys.executable, "-m", "opssight_operator.cli", *command], capture_output=True, text=True, check=True
            )
            used, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
        cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        summary = json.loads(done.stdout)["summary"]
        episodes = summary["incidents"] + summary["incidentsPerDayBefore"] * summary["historyDays"]
        memory = used.ru_maxrss / 1024
        print(f"{count:>8} {episodes:>9,.0f} {cpu:>7.1f} {wall:>7.1f} {memory:>6.0f}")


def alerts(count: int) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    dice, now = random.Random(1), time.time() // MINUTE * MINUTE
    found = []
    for number in range(count):
        times: set[float] = set()
        for _ in range(4):
            begins = (now - dice.uniform(0, 28 * DAY)) // MINUTE * MINUTE
            times.update(begins + MINUTE * i for i in range(dice.randint(3, 40)))
        names = {"alertname": f"A{number % 60}", "service": f"s{number % 20}", "pod": f"p{number}", "namespace": "shop"}
        labels = {
            "__name__": "ALERTS",
            "alertstate": "firing",
            "severity": dice.choice(["warning", "critical"]),
            **names,
        }
        found.append((labels, [(at, 1.0) for at in sorted(times) if at < now]))
    return found


if __name__ == "__main__":
    main()
