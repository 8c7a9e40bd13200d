"""5,000 resources for a quarter of an hour: CPU, memory and its growth, and how soon the event loop answers.

    python -m benchmarks.soak [--count 5000] [--interval 30] [--seconds 900] [--rest 120]

On real servers, one after the other: OpsSight with all resources suspended, for ``--rest`` seconds; OpsSight evaluating
each of them every ``--interval`` seconds, with real queries, for ``--seconds``; a kopf operator with one timer per
object that does nothing, for ``--rest`` seconds. Meanwhile /healthz, which the loop answers, is asked five times a
second: its time is an upper bound of the lag of the loop, with the time that the machine takes for other work in it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import idle

PAUSE = 0.2


@dataclass
class Watch:
    """What was seen of one process."""

    cpu_percent: float = 0.0
    sizes: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    runs: float = 0.0
    seconds: float = 0.0

    def growth(self) -> float:
        """MiB an hour, by a straight line through the second half."""
        half = self.sizes[len(self.sizes) // 2 :]
        if len(half) < 2:
            return float("nan")
        slope = statistics.linear_regression(range(len(half)), half).slope
        return slope * 3600 / (self.seconds / len(self.sizes))

    def p99(self) -> float:
        """Milliseconds that 99 of 100 answers took at most."""
        return 1000 * statistics.quantiles(self.answers, n=100)[-1] if len(self.answers) > 1 else float("nan")


def watch(child: subprocess.Popen[bytes], seconds: float, health: int, counter: Callable[[], float | None]) -> Watch:
    """Look at a process for so long."""
    seen, over = Watch(), threading.Event()

    def ask() -> None:
        while not over.wait(PAUSE):
            began = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{health}/healthz", timeout=30) as answer:
                answer.read()
            seen.answers.append(time.perf_counter() - began)

    asker = threading.Thread(target=ask, daemon=True)
    began, spent, counted = time.monotonic(), idle.cpu_seconds(child.pid), counter() or 0.0
    asker.start()
    while time.monotonic() - began < seconds:
        time.sleep(1.0)
        seen.sizes.append(idle.rss_mib(child.pid))
    over.set()
    asker.join()
    seen.seconds = time.monotonic() - began
    seen.cpu_percent = 100 * (idle.cpu_seconds(child.pid) - spent) / seen.seconds
    seen.runs = (counter() or 0.0) - counted
    return seen


def opssight(cluster: Any, arguments: argparse.Namespace, work: Path) -> dict[str, Watch]:
    """The operator with its production rights: all suspended, then all at the interval."""
    metrics, health = idle.free_port(), idle.free_port()
    account = (idle.OPERATOR_NAMESPACE, "opssight-operator", work / "kubeconfig")
    environment = os.environ | {
        "KUBECONFIG": str(cluster.kubeconfig_for_service_account(*account)),
        "OPSSIGHT_OPERATOR_NAMESPACE": idle.OPERATOR_NAMESPACE,
        "OPSSIGHT_METRICS_HOST": "127.0.0.1",
        "OPSSIGHT_METRICS_PORT": str(metrics),
        "OPSSIGHT_HEALTH_PORT": str(health),
    }
    cluster.add_scrape_target("opssight", f"127.0.0.1:{metrics}", {}, interval="30s", honor_labels=True)

    def seen(generation: int, trained: bool) -> bool:
        statuses = [item.get("status", {}) for item in cluster.api("GET", idle.ALL)["items"]]
        return all(s.get("observedGeneration") == generation and ("model" in s or not trained) for s in statuses)

    found = {}
    with idle.process([sys.executable, "-m", "opssight_operator"], work / "operator.log", environment) as child:

        def phase(name: str, seconds: float, ready: Callable[[], bool]) -> None:
            idle.settle(child, ready, arguments.interval)
            found[name] = watch(child, seconds, health, lambda: idle.evaluations(metrics))
            print(row(name, found[name]), flush=True)

        phase("OpsSight, suspended", arguments.rest, lambda: seen(1, False))
        spec = {"suspend": False, "interval": f"{arguments.interval}s"}
        idle.patch_all(cluster, arguments.count, {"spec": spec})
        phase(f"OpsSight, every {arguments.interval} s", arguments.seconds, lambda: seen(2, True))
    cluster.remove_scrape_target("opssight")
    return found


def row(name: str, one: Watch) -> str:
    """One line of the table."""
    numbers = f"{one.cpu_percent:.2f} | {max(one.sizes):.0f} | {one.growth():+.1f} | {one.p99():.1f} | {one.runs:.0f}"
    return f"| {name} | {numbers} |"


def main() -> None:
    """Run everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="resources")
    parser.add_argument("--interval", type=int, default=30, help="of detectors and timers, in seconds")
    parser.add_argument("--seconds", type=float, default=900.0, help="how long the work is watched")
    parser.add_argument("--rest", type=float, default=120.0, help="how long each of the others is watched")
    arguments = parser.parse_args()
    from localcluster import Cluster, Options

    work = Path(tempfile.mkdtemp(prefix="opssight-soak-"))
    try:
        with Cluster(work / "cluster", Options(scrape_interval="5s", history_days=0.25)) as cluster:
            cluster.start_shop()
            idle.install(cluster, arguments.count)
            print(f"{arguments.count} resources", flush=True)
            found = opssight(cluster, arguments, work)
            timed = argparse.Namespace(interval=arguments.interval, count=arguments.count, seconds=arguments.rest)
            timers = idle.timers(cluster, timed, work, patches=False)
        print("| process | CPU, % of a core | RSS, MiB | growth, MiB/h | /healthz p99, ms | runs |")
        print("|---|--:|--:|--:|--:|--:|")
        for name, one in found.items():
            print(row(name, one))
        print(f"| {timers.name} | {timers.cpu_percent:.2f} | {timers.rss_mib:.0f} | | | {timers.runs} |")
        suspended = found["OpsSight, suspended"]
        print(f"CPU of {timers.name} over OpsSight at rest: {timers.cpu_percent / suspended.cpu_percent:.1f}")
    except BaseException:
        for log in work.glob("*.log"):
            print(f"--- the end of {log.name}", *log.read_text().splitlines()[-15:], sep="\n", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
