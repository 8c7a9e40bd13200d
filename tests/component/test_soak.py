"""A hundred detectors for a moment: what `make soak` asks of thousands for a quarter of an hour, with loose bounds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from benchmarks.soak import watch
from localcluster import Cluster

from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, install

COUNT, INTERVAL = 100, 4
REST_SECONDS, WORK_SECONDS = 5.0, 20.0
# On a machine that does other work too. Asking each of them every 4 s at rest would be above the first, a leak of 80 kB
# a run above the second, and a loop that waits for a query or a model above the third.
CPU_AT_REST, GROWTH, LATE = 10.0, 32.0, 500.0  # % of a core, MiB, ms


@pytest.mark.timeout(240)
def test_a_hundred_detectors_miss_no_run_and_cost_little_while_they_rest(
    cluster: Cluster, lever: Lever, namespace: str, tmp_path: Path
) -> None:
    path = f"/apis/opssight.dev/v1alpha1/namespaces/{namespace}/anomalydetectors"

    def body(number: int) -> dict[str, Any]:
        queries = [{"name": "lever", "expr": f'lever{{case="soak"}} * {number + 1}'}]  # no two share what is cached
        return {
            "apiVersion": "opssight.dev/v1alpha1",
            "kind": "AnomalyDetector",
            "metadata": {"name": f"soak-{number}"},
            "spec": detector("soak", suspend=True, interval=f"{INTERVAL}s", queries=queries),
        }

    lever.give_quiet(cluster, "soak")
    install(cluster)
    View(cluster, "").apply("MetricsSource", "loop", {"url": cluster.prometheus_url})
    for number in range(COUNT):
        cluster.api("POST", path, body(number))
    replica = OperatorProcess(cluster, tmp_path, OPSSIGHT_NAMESPACES=namespace).start()

    def seen(outcome: str, times: int) -> bool:
        return replica.runs('kind="AnomalyDetector"', f'outcome="{outcome}"') >= times * COUNT

    try:
        eventually("all are known to rest", lambda: seen("Suspended", 1), 60)
        assert replica.process is not None
        rest = watch(replica.process, REST_SECONDS, replica.health_port, replica.metrics_port)
        for number in range(COUNT):
            cluster.api("PATCH", f"{path}/soak-{number}", {"spec": {"suspend": False}}, "application/merge-patch+json")
        eventually("they have been judged, twice on average", lambda: seen("Reconciled", 2), 60)
        work = watch(replica.process, WORK_SECONDS, replica.health_port, replica.metrics_port)
        found = re.findall(r'reconcile_total{kind="AnomalyDetector",outcome="(\w+)"} (\S+)', replica.metrics())
        outcomes = {outcome for outcome, count in found if float(count)}
    finally:
        replica.end()
    assert outcomes == {"Suspended", "Reconciled"}
    assert rest.runs == 0
    assert rest.cpu_percent < CPU_AT_REST
    assert rest.lag < LATE
    assert work.missed == 0
    assert work.runs >= COUNT * (work.seconds // INTERVAL) * 0.95  # some are under way at both ends
    assert max(work.sizes) - work.sizes[0] < GROWTH
    assert work.lag < LATE
    assert "Traceback" not in replica.log, replica.log[-3000:]
