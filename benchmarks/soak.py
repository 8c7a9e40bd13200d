"""5,000 resources for a quarter of an hour: CPU, memory and its growth, and how late the event loop wakes up.

    python -m benchmarks.soak [--count 5000] [--interval 30] [--seconds 900] [--rest 60] [--method ZScore] [--no-check]

On real servers, one after the other: OpsSight with all resources suspended, for ``--rest`` seconds; OpsSight evaluating
each of them every ``--interval`` seconds, with real queries, for ``--seconds``; a kopf operator with one timer per
object that does nothing, for ``--rest`` seconds. How late the loop wakes up is the operator's own measure
(``opssight_event_loop_lag_seconds``). Beside it /healthz, which the loop answers, is asked as often as kubelet asks: an
upper bound, with the time that the machine takes for other work in it. It ends with 1 when a goal is missed, unless
``--no-check`` is given.
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import idle, processes
from localcluster.child import process
from localcluster.ports import free_ports

PAUSE = 10.0  # between two questions to /healthz, which cost the operator CPU: once a second is a third of a rest
GOAL_CPU, GOAL_RSS, GOAL_LAG, GOAL_GROWTH, GOAL_RUNS = 25.0, 135.0, 10.0, 2.0, 0.99
PATIENCE = 900.0


class Counted(NamedTuple):
    """What /metrics of the operator says so far."""

    runs: float
    waiting: float
    missed: float
    lags: dict[float, float]  # cumulative counts by upper bound, seconds


@dataclass
class Watch:
    """What was seen of one process."""

    cpu_percent: float = 0.0
    sizes: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    runs: float = 0.0
    missed: float = 0.0
    lag: float = float("nan")  # ms that 99 of 100 looks at the loop were below
    seconds: float = 0.0
    load: float = 0.0

    def growth(self) -> float:
        """MiB within the second half, by a straight line through it."""
        half = self.sizes[len(self.sizes) // 2 :]
        if len(half) < 2:
            return float("nan")
        return statistics.linear_regression(range(len(half)), half).slope * len(half)

    def slowest(self) -> float:
        """Milliseconds that the slowest answer took."""
        return 1000 * max(self.answers, default=float("nan"))


def counted(port: int, outcome: str = "") -> Counted:
    """Read /metrics; runs of detectors, of one outcome or of all."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()

    def values(name: str, *parts: str) -> list[tuple[str, float]]:
        found = [line.rpartition(" ") for line in lines if line.startswith(name) and all(p in line for p in parts)]
        return [(labels, float(value)) for labels, _, value in found]

    def total(name: str, *parts: str) -> float:
        return sum(value for _, value in values(name, *parts))

    lags = {
        float(labels.split('"')[1].replace("+Inf", "inf")): value
        for labels, value in values("opssight_event_loop_lag_seconds_bucket")
    }
    runs = total("opssight_reconcile_total", 'kind="AnomalyDetector"', f'outcome="{outcome}')
    return Counted(runs, total("opssight_scheduler_waiting"), total("opssight_missed_runs_total"), lags)


def p99_of(before: dict[float, float], after: dict[float, float]) -> float:
    """Milliseconds, linear inside of a bucket as ``histogram_quantile`` has it."""
    counts = [(bound, count - before.get(bound, 0.0)) for bound, count in sorted(after.items())]
    wanted, low, below = 0.99 * counts[-1][1], 0.0, 0.0
    for bound, count in counts:
        if count >= wanted and count > below:
            return 1000 * (low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below))
        low, below = bound, count
    return float("nan")


def watch(child: subprocess.Popen[bytes], seconds: float, health: int, metrics: int) -> Watch:
    """Look at a process for so long."""
    seen, over = Watch(), threading.Event()

    def ask() -> None:
        while not over.wait(PAUSE):
            began = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{health}/healthz", timeout=30) as answer:
                answer.read()
            seen.answers.append(time.perf_counter() - began)

    asker = threading.Thread(target=ask, daemon=True)
    before = counted(metrics)
    began, spent = time.monotonic(), processes.cpu_seconds(child.pid)
    asker.start()
    while time.monotonic() - began < seconds:
        time.sleep(1.0)
        seen.sizes.append(processes.rss_mib(child.pid))
        seen.load = max(seen.load, os.getloadavg()[0])
    seen.seconds = time.monotonic() - began
    seen.cpu_percent = 100 * (processes.cpu_seconds(child.pid) - spent) / seen.seconds
    after = counted(metrics)
    over.set()
    asker.join()
    seen.runs, seen.missed = after.runs - before.runs, after.missed - before.missed
    seen.lag = p99_of(before.lags, after.lags)
    return seen


def opssight(cluster: Any, arguments: argparse.Namespace, work: Path) -> dict[str, Watch]:
    """The operator with its production rights: all suspended, then all at the interval."""
    metrics, health = free_ports(2)
    account = (idle.OPERATOR_NAMESPACE, "opssight-operator", work / "kubeconfig")
    environment = os.environ | {
        "KUBECONFIG": str(cluster.kubeconfig_for_service_account(*account)),
        "OPSSIGHT_OPERATOR_NAMESPACE": idle.OPERATOR_NAMESPACE,
        "OPSSIGHT_METRICS_HOST": "127.0.0.1",
        "OPSSIGHT_METRICS_PORT": str(metrics),
        "OPSSIGHT_HEALTH_PORT": str(health),
    }
    cluster.add_scrape_target("opssight", f"127.0.0.1:{metrics}", {}, interval="30s", honor_labels=True)

    def ready(outcome: str) -> bool:
        try:
            now = counted(metrics, outcome)
        except OSError:  # it does not listen yet
            return False
        return bool(now.runs >= arguments.count and now.waiting <= 0.02 * arguments.count)

    found = {}
    with process([sys.executable, "-m", "opssight_operator"], work / "operator.log", environment) as child:

        def phase(name: str, seconds: float, outcome: str) -> None:
            began = time.monotonic()
            processes.settle(child, lambda: ready(outcome), arguments.interval, PATIENCE)
            print(f"{name}: settled after {time.monotonic() - began:.0f} s", flush=True)
            found[name] = watch(child, seconds, health, metrics)
            print(row(name, found[name]), flush=True)

        phase("OpsSight, suspended", arguments.rest, "Suspended")
        spec = {"suspend": False, "interval": f"{arguments.interval}s", "method": {"type": arguments.method}}
        idle.patch_all(cluster, arguments.count, {"spec": spec})
        phase(f"OpsSight, {arguments.method} every {arguments.interval} s", arguments.seconds, "Reconciled")
    cluster.remove_scrape_target("opssight")
    return found


HEAD = """\
| process | CPU, % of a core | RSS, MiB | growth | loop late p99, ms | slowest /healthz, ms | runs | missed | load |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""


def row(name: str, one: Watch) -> str:
    """One line of the table."""
    first = f"{one.cpu_percent:.2f} | {max(one.sizes):.0f}"
    numbers = f"{first} | {one.growth():+.1f} | {one.lag:.1f} | {one.slowest():.1f}"
    return f"| {name} | {numbers} | {one.runs:.0f} | {one.missed:.0f} | {one.load:.1f} |"


class Verdict(NamedTuple):
    """One goal, what was measured, and whether that is enough."""

    goal: str
    measured: str
    met: bool


def verdicts(found: dict[str, Watch], timers: processes.Figure, arguments: argparse.Namespace) -> list[Verdict]:
    """Every goal in words."""
    rest, work = found.values()
    ratio, expected = timers.cpu_percent / rest.cpu_percent, arguments.count * work.seconds / arguments.interval
    result = [Verdict(f"CPU at rest {GOAL_CPU:.0f} times below timers", f"{ratio:.1f}", ratio >= GOAL_CPU)]
    for name, one in found.items():
        result += [
            Verdict(f"{name}: RSS {GOAL_RSS:.0f} MiB", f"{max(one.sizes):.0f}", max(one.sizes) <= GOAL_RSS),
            Verdict(f"{name}: loop late {GOAL_LAG:.0f} ms at p99", f"{one.lag:.1f}", one.lag <= GOAL_LAG),
            Verdict(f"{name}: growth {GOAL_GROWTH:.0f} MiB", f"{one.growth():+.1f}", one.growth() <= GOAL_GROWTH),
        ]
    share = work.runs / expected
    return [*result, Verdict(f"{GOAL_RUNS:.0%} of the {expected:.0f} runs due", f"{share:.1%}", share >= GOAL_RUNS)]


def report(found: dict[str, Watch], timers: processes.Figure, judged: Sequence[Verdict]) -> str:
    """Two tables in Markdown."""
    lines = [HEAD, *(row(name, one) for name, one in found.items())]
    lines += [f"| {timers.name} | {timers.cpu_percent:.2f} | {timers.rss_mib:.0f} | | | | {timers.runs} | | |", ""]
    lines += ["| goal | measured | met |", "|---|--:|---|"]
    lines += [f"| {one.goal} | {one.measured} | {'yes' if one.met else 'no'} |" for one in judged]
    return "\n".join(lines)


def exit_status(judged: Sequence[Verdict], check: bool) -> int:
    """1 when a goal is missed and that matters."""
    return int(check and not all(one.met for one in judged))


def asked(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, of the command line unless given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="resources")
    parser.add_argument("--interval", type=int, default=30, help="of detectors and timers, in seconds")
    parser.add_argument("--seconds", type=float, default=900.0, help="how long the work is watched")
    parser.add_argument("--rest", type=float, default=60.0, help="how long each of the others is watched")
    parser.add_argument("--method", default="ZScore", help="of the detectors while they work")
    parser.add_argument(
        "--check", action=argparse.BooleanOptionalAction, default=True, help="end with 1 when a goal is not met"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Run everything, print the tables."""
    arguments = asked()
    from localcluster import Cluster, Options

    work, began = Path(tempfile.mkdtemp(prefix="opssight-soak-")), time.monotonic()
    try:
        with Cluster(work / "cluster", Options(scrape_interval="5s", history_days=0.25)) as cluster:
            cluster.start_shop()
            idle.install(cluster, arguments.count)
            print(f"{arguments.count} resources after {time.monotonic() - began:.0f} s", flush=True)
            found = opssight(cluster, arguments, work)
            timed = argparse.Namespace(interval=arguments.interval, count=arguments.count, seconds=arguments.rest)
            timers = idle.timers(cluster, timed, work, patches=False, leave=True)
    except BaseException:
        for log in work.glob("*.log"):
            print(f"--- the end of {log.name}", *log.read_text().splitlines()[-15:], sep="\n", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    judged = verdicts(found, timers, arguments)
    print(report(found, timers, judged))
    print(f"{(time.monotonic() - began) / 60:.0f} minutes in all")
    raise SystemExit(exit_status(judged, arguments.check))


if __name__ == "__main__":
    main()
