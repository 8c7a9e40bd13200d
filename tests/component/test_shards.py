"""Two shards on a real API server: each resource is served by one, and a standby takes over its shard alone."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from localcluster import Cluster, Options

from component.operator_process import NAMESPACE, OperatorProcess, View, detector, eventually, install
from opssight_operator.core.sharding import selector_of, shard_of

SHARDS = 2
NAMES = [f"sharded-{number}" for number in range(8)]
DETECTORS = "/apis/opssight.dev/v1alpha1/anomalydetectors"


def replica(cluster: Cluster, folder: Path, shard: int, name: str) -> OperatorProcess:
    return OperatorProcess(
        cluster,
        folder,
        name,
        OPSSIGHT_SHARD=str(shard),
        OPSSIGHT_SHARDS=str(SHARDS),
        OPSSIGHT_LEASE_NAME="shards",
        OPSSIGHT_SWEEP_SECONDS="1",
    )


def number(text: str, metric: str) -> int:
    """The value of one line of an exposition; 0 without it."""
    found = re.search(rf"^{re.escape(metric)} ([0-9.e+]+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def served(operator: OperatorProcess) -> int:
    return number(operator.metrics(), 'opssight_resources{kind="AnomalyDetector"}')


def foreign(operator: OperatorProcess) -> int:
    """How many events of the other shard's detectors have reached it."""
    return number(operator.metrics(), 'opssight_foreign_events_total{kind="AnomalyDetector"}')


def uids(cluster: Cluster, selector: str = "") -> set[str]:
    query = f"?{urllib.parse.urlencode({'shardSelector': selector})}" if selector else ""
    return {item["metadata"]["uid"] for item in cluster.api("GET", DETECTORS + query)["items"]}


def shares(cluster: Cluster) -> list[int]:
    found = uids(cluster)
    return [sum(shard_of(uid, SHARDS) == shard for uid in found) for shard in range(SHARDS)]


def test_two_shards_share_the_resources_and_a_standby_takes_over_one(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    install(cluster)
    view = View(cluster, namespace)
    eventually("what earlier tests had is gone with their namespaces", lambda: not uids(cluster), 60)
    for name in NAMES:
        view.apply("AnomalyDetector", name, detector("x", sourceRef={"name": "nowhere"}))
    share = shares(cluster)
    running = [replica(cluster, tmp_path, shard, f"shard-{shard}").start() for shard in range(SHARDS)]
    standby = replica(cluster, tmp_path, 0, "standby")
    try:
        for operator in running:
            eventually("each shard has a leader", operator.leads)
        for name in NAMES:
            view.reaches("adet", name, "SourceMissing")
        eventually("each has its share", lambda: [served(operator) for operator in running] == share)
        # This API server ignores what it is offered.
        assert uids(cluster, selector_of(0, SHARDS)) == uids(cluster)
        assert all(foreign(operator) >= sum(share) - own for operator, own in zip(running, share, strict=True))
        leases = cluster.kubectl("get", "lease", "-n", NAMESPACE, "-o", "name")
        assert {f"lease.coordination.k8s.io/shards-{shard}" for shard in range(SHARDS)} <= set(leases.split())
        standby.start()
        running[0].kill()
        eventually("the standby of the shard leads", standby.leads)
        eventually("it has the whole share", lambda: served(standby) == share[0])
        assert served(running[1]) == share[1] and running[1].leads()
    finally:
        for operator in (*running, standby):
            operator.end()


@pytest.fixture(scope="module")
def selecting() -> Iterator[Cluster]:
    """An API server that sends a shard its own resources and no others."""
    with Cluster(options=Options(feature_gates={"ShardedListAndWatch": True})) as running:
        install(running)
        running.api("POST", "/api/v1/namespaces", {"metadata": {"name": "sharded"}})
        yield running


def test_an_api_server_that_knows_the_ranges_sends_each_shard_its_own_and_nothing_else(
    selecting: Cluster, tmp_path: Path
) -> None:
    view = View(selecting, "sharded")
    for name in NAMES:
        view.apply("AnomalyDetector", name, detector("x", sourceRef={"name": "nowhere"}))
    for shard in range(SHARDS):
        ours = {uid for uid in uids(selecting) if shard_of(uid, SHARDS) == shard}
        assert uids(selecting, selector_of(shard, SHARDS)) == ours
    running = [replica(selecting, tmp_path, shard, f"shard-{shard}").start() for shard in range(SHARDS)]
    try:
        for name in NAMES:
            view.reaches("adet", name, "SourceMissing")
        eventually("each has its share of the list", lambda: [served(one) for one in running] == shares(selecting))
        # From here on by the watch: what is made, changed and deleted while they run.
        later = [f"later-{number}" for number in range(8)]
        for name in later:
            view.apply("AnomalyDetector", name, detector("x", sourceRef={"name": "nowhere"}))
        for name in later:
            view.reaches("adet", name, "SourceMissing")
        for name in (*NAMES[:4], *later[:4]):
            view.apply("AnomalyDetector", name, detector("y", sourceRef={"name": "elsewhere"}))
            view.reaches("adet", name, "SourceMissing")
            selecting.kubectl("delete", "adet", name, "-n", "sharded")
        eventually("each has its share of the rest", lambda: [served(one) for one in running] == shares(selecting))
        assert sum(shares(selecting)) == 8
        assert [foreign(one) for one in running] == [0, 0]
        told = selecting.kubectl("get", "--raw", "/metrics")
        watches = 'apiserver_watch_shards_total{group="opssight.dev",resource="anomalydetectors"}'
        assert number(told, watches) == SHARDS
    finally:
        for operator in running:
            operator.end()
