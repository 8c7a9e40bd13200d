"""Two shards on a real API server: each resource is served by one, and a standby takes over its shard alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

from localcluster import Cluster

from component.operator_process import NAMESPACE, OperatorProcess, View, detector, eventually, install
from opssight_operator.core.sharding import shard_of

SHARDS = 2
NAMES = [f"sharded-{number}" for number in range(8)]


def replica(cluster: Cluster, folder: Path, shard: int, name: str) -> OperatorProcess:
    return OperatorProcess(
        cluster,
        folder,
        name,
        OPSSIGHT_SHARD=str(shard),
        OPSSIGHT_SHARDS=str(SHARDS),
        OPSSIGHT_LEASE_NAME="shards",
    )


def served(operator: OperatorProcess) -> int:
    found = re.search(r'opssight_resources{kind="AnomalyDetector"} ([0-9.]+)', operator.metrics())
    return int(float(found[1])) if found else 0


def test_two_shards_share_the_resources_and_a_standby_takes_over_one(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    install(cluster)
    view = View(cluster, namespace)
    for name in NAMES:
        view.apply("AnomalyDetector", name, detector("x", sourceRef={"name": "nowhere"}))
    found = json.loads(cluster.kubectl("get", "adet", "--all-namespaces", "-o", "json"))["items"]
    shares = [sum(shard_of(one["metadata"]["uid"], SHARDS) == shard for one in found) for shard in range(SHARDS)]
    running = [replica(cluster, tmp_path, shard, f"shard-{shard}").start() for shard in range(SHARDS)]
    standby = replica(cluster, tmp_path, 0, "standby")
    try:
        for operator in running:
            eventually("each shard has a leader", operator.leads)
        for name in NAMES:
            view.reaches("adet", name, "SourceMissing")
        eventually("each has its share", lambda: [served(operator) for operator in running] == shares)
        leases = cluster.kubectl("get", "lease", "-n", NAMESPACE, "-o", "name")
        assert {f"lease.coordination.k8s.io/shards-{shard}" for shard in range(SHARDS)} <= set(leases.split())
        standby.start()
        running[0].kill()
        eventually("the standby of the shard leads", standby.leads)
        eventually("it has the whole share", lambda: served(standby) == shares[0])
        assert served(running[1]) == shares[1] and running[1].leads()
    finally:
        for operator in (*running, standby):
            operator.end()
