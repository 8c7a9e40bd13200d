"""CPU and memory of one operator with 1,000 detectors, beside one kopf timer per object, in one run on real servers.

    python benchmarks/idle.py [--count 1000] [--seconds 60] [--interval 30]

Starts the local cluster (kube-apiserver, etcd, Prometheus) and creates the detectors. Then, one after the other:

- OpsSight, all of them suspended;
- OpsSight, evaluated once an hour;
- OpsSight, evaluated every ``--interval`` seconds: one series each, an hour of training, real queries;
- a kopf operator with one timer per object, every ``--interval`` seconds, that does nothing;
- the same, and each tick patches the status.

The operator's metrics are scraped every 30 s, as in production; the kopf operator exports nothing, posts no Events
and logs only warnings, which is in its favour. CPU is user and system time of the process from ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.processes import Figure, measure, settle  # noqa: E402  by its path, too
from localcluster.child import process  # noqa: E402
from localcluster.ports import free_ports  # noqa: E402

GROUP, VERSION, PLURAL = "opssight.dev", "v1alpha1", "anomalydetectors"
ALL = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
OPERATOR_NAMESPACE = "opssight-system"
NAMESPACES = 10


def detector(number: int) -> dict[str, Any]:
    """One detector, suspended; no two have the same query, so that no cache answers for another."""
    expr = f'sum(rate(http_requests_total{{service="frontend"}}[5m])) * {number + 1}'
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "AnomalyDetector",
        "metadata": {"name": f"idle-{number}", "namespace": f"idle-{number % NAMESPACES}"},
        "spec": {
            "suspend": True,
            "queries": [{"name": "requests", "expr": expr}],
            "step": "1m",
            "trainingWindow": "1h",
            "interval": "1h",
        },
    }


def path_of(number: int, sub: str = "") -> str:
    """The path of a detector in the API."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/idle-{number % NAMESPACES}/{PLURAL}/idle-{number}{sub}"


def each(count: int, call: Callable[[int], object]) -> None:
    """Call for every number, a few at a time."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(count)))


def patch_all(cluster: Any, count: int, body: dict[str, Any]) -> None:
    """Merge ``body`` into every detector."""
    each(count, lambda n: cluster.api("PATCH", path_of(n), body, "application/merge-patch+json"))


def install(cluster: Any, count: int) -> None:
    """CRDs, the operator's rights, a source and the detectors."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for name in [OPERATOR_NAMESPACE, *(f"idle-{n}" for n in range(NAMESPACES))]:
        cluster.kubectl("create", "namespace", name)
    cluster.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac.yaml"))
    source = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "MetricsSource",
        "metadata": {"name": "default"},
        "spec": {"url": cluster.prometheus_url},
    }
    cluster.api("POST", f"/apis/{GROUP}/{VERSION}/metricssources", source)
    each(count, lambda n: cluster.api("POST", path_of(n).rpartition("/")[0], detector(n)))


def evaluations(port: int) -> float | None:
    """How many evaluations the operator has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    found = [float(line.split()[-1]) for line in lines if line.startswith("opssight_reconcile_duration_seconds_count")]
    return sum(found) if found else None


def opssight(cluster: Any, arguments: argparse.Namespace, work: Path) -> list[Figure]:
    """The operator with its production rights: suspended, hourly, and at the interval."""
    metrics, health = free_ports(2)
    kubeconfig = cluster.kubeconfig_for_service_account(OPERATOR_NAMESPACE, "opssight-operator", work / "kubeconfig")
    environment = os.environ | {
        "KUBECONFIG": str(kubeconfig),
        "OPSSIGHT_OPERATOR_NAMESPACE": OPERATOR_NAMESPACE,
        "OPSSIGHT_METRICS_HOST": "127.0.0.1",
        "OPSSIGHT_METRICS_PORT": str(metrics),
        "OPSSIGHT_HEALTH_PORT": str(health),
    }
    cluster.add_scrape_target("opssight", f"127.0.0.1:{metrics}", {}, interval="30s", honor_labels=True)

    def seen(generation: int, trained: bool) -> Callable[[], bool]:
        def ready() -> bool:
            statuses = [item.get("status", {}) for item in cluster.api("GET", ALL)["items"]]
            return all(
                status.get("observedGeneration") == generation and ("model" in status or not trained)
                for status in statuses
            )

        return ready

    figures = []
    with process([sys.executable, "-m", "opssight_operator"], work / "operator.log", environment) as child:

        def figure(name: str, ready: Callable[[], bool]) -> None:
            settle(child, ready, arguments.interval)
            figures.append(measure(name, child, arguments.seconds, lambda: evaluations(metrics)))

        figure("OpsSight, suspended", seen(1, trained=False))
        patch_all(cluster, arguments.count, {"spec": {"suspend": False}})
        figure("OpsSight, every hour", seen(2, trained=True))
        patch_all(cluster, arguments.count, {"spec": {"interval": f"{arguments.interval}s"}})
        figure(f"OpsSight, every {arguments.interval} s", seen(3, trained=True))
    cluster.remove_scrape_target("opssight")
    return figures


def timers(cluster: Any, arguments: argparse.Namespace, work: Path, *, patches: bool, leave: bool = False) -> Figure:
    """One kopf timer per object, as administrator; its finalizers are taken away unless it is to ``leave`` them."""
    ticks = work / "ticks"
    ticks.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--as-timers", str(ticks), "--interval", str(arguments.interval)]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}

    def all_held() -> bool:
        return all(item["metadata"].get("finalizers") for item in cluster.api("GET", ALL)["items"])

    def counted() -> float:
        return float(ticks.stat().st_size) if ticks.exists() else 0.0

    name = "kopf timers that " + ("patch the status" if patches else "do nothing")
    with process(command + ["--patches"] * patches, work / "timers.log", environment) as child:
        settle(child, lambda: counted() >= arguments.count and all_held(), arguments.interval)
        figure = measure(name, child, arguments.seconds, counted)
    if not leave:
        patch_all(cluster, arguments.count, {"metadata": {"finalizers": None}})
    return figure


def run_timers(ticks: Path, interval: float, patches: bool) -> None:
    """The other side: a kopf operator; writes one byte per tick, which costs nearly nothing, to be counted."""
    import asyncio
    import logging

    import kopf

    logging.basicConfig(level=logging.WARNING)
    out = ticks.open("wb", buffering=0)
    registry = kopf.OperatorRegistry()
    turn = 0

    @kopf.timer(GROUP, VERSION, PLURAL, interval=interval, registry=registry)
    async def tick(patch: kopf.Patch, **_: Any) -> None:
        nonlocal turn
        turn += 1
        out.write(b".")
        if patches:
            patch.status["observedGeneration"] = turn

    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    asyncio.run(kopf.operator(registry=registry, settings=settings, clusterwide=True, standalone=True))


def table(figures: list[Figure], base: Figure) -> str:
    """Markdown; the ratios are kopf's timers that do nothing over the row, so above 1 is in our favour."""
    lines = [
        f"| process | CPU, % of a core | RSS, MiB | runs | CPU of {base.name} / this | RSS, the same |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one in figures:
        cpu = base.cpu_percent / one.cpu_percent if one.cpu_percent else float("inf")
        rss = base.rss_mib / one.rss_mib
        lines.append(f"| {one.name} | {one.cpu_percent:.1f} | {one.rss_mib:.0f} | {one.runs} | {cpu:.2f} | {rss:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="resources")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each process is measured")
    parser.add_argument("--interval", type=int, default=30, help="of detectors and timers, in seconds")
    parser.add_argument("--as-timers", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--patches", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_timers:
        run_timers(arguments.as_timers, arguments.interval, arguments.patches)
        return

    from localcluster import Cluster, Options

    work = Path(tempfile.mkdtemp(prefix="opssight-idle-"))
    try:
        options = Options(scrape_interval="5s", history_days=0.25)
        with Cluster(work / "cluster", options) as cluster:
            cluster.start_shop()
            install(cluster, arguments.count)
            print(f"{arguments.count} detectors; {arguments.seconds:.0f} s each", flush=True)
            figures = opssight(cluster, arguments, work)
            idle = timers(cluster, arguments, work, patches=False)
            figures += [idle, timers(cluster, arguments, work, patches=True)]
            print(table(figures, idle))
            cluster.kubectl("delete", PLURAL, "--all", "--all-namespaces", "--wait=false")
    except BaseException:
        for log in work.glob("*.log"):
            print(f"--- the end of {log.name}", *log.read_text().splitlines()[-15:], sep="\n", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
