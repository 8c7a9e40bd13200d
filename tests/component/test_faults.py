"""What the servers around the operator do wrong, one after the other; afterwards everything is as it should be.

``OPSSIGHT_CHAOS_SECONDS`` is how long each fault lasts: a few seconds here, longer in ``make chaos``.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from localcluster import Cluster

from component.fault_cases import CONTROL_PLANE, KUBERNETES, PROMETHEUS, SLOW_IN_TIME, slug
from component.faulty_door import Fault, FaultyDoor
from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, install, policy

SECONDS = float(os.environ.get("OPSSIGHT_CHAOS_SECONDS", "3"))
LEASE_SECONDS = 45.0
SURVIVED = LEASE_SECONDS * 2 / 3 - 10  # an outage that is shorter costs no Lease; 10 are for renewals and their retries


class Kubelet:
    """Starts the replica again when it has ended by itself, as a node does."""

    def __init__(self, replica: OperatorProcess) -> None:
        self.replica = replica
        self.restarts = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            process = self.replica.process
            if process is not None and process.poll() is not None:
                self.restarts += 1
                self.replica.start()

    def end(self) -> None:
        """Watch no more, and end the replica."""
        self._over.set()
        self._thread.join()
        self.replica.end()


@dataclass
class World:
    """The servers, the doors in front of them, and the replica behind the doors."""

    cluster: Cluster
    kubernetes: FaultyDoor
    prometheus: FaultyDoor
    replica: OperatorProcess
    kubelet: Kubelet
    view: View

    def defects(self) -> list[str]:
        """Tracebacks of our own; kopf prints one when it gives up, and leaves tasks whose end asyncio complains of."""
        lines = [line for line in self.replica.log.splitlines() if "Traceback" in line]
        foreign = [line for line in lines if '"logger": "asyncio"' in line and "/opssight_operator/" not in line]
        return [line for line in lines if '"logger": "kopf' not in line and line not in foreign]

    def recorded(self) -> list[str]:
        """The threshold as Prometheus has it, asked directly."""
        query = f'opssight:threshold{{policy="steady",namespace="{self.view.namespace}"}}'
        return [row["value"][1] for row in self.cluster.prometheus.query(query)]


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    work = tmp_path_factory.mktemp("faults")
    lever = Lever()
    lever.values["faults"] = 10.0
    cluster.add_scrape_target("faults", f"127.0.0.1:{lever.port}", interval="1s")
    now, dice = time.time(), random.Random(3)
    labels = {"__name__": "lever", "case": "faults", "job": "faults", "instance": "faults"}
    cluster.remote_write([(labels, [(now - 600 + 2 * i, 10 + dice.gauss(0, 0.2)) for i in range(300)])])
    install(cluster)
    view = View(cluster, "faults")
    cluster.kubectl("create", "namespace", "faults")
    with (
        FaultyDoor(cluster.server_url, str(cluster.ca_file)) as kubernetes,
        FaultyDoor(cluster.prometheus_url) as prometheus,
    ):
        replica = OperatorProcess(
            cluster,
            work,
            "faulty",
            kubernetes.url,
            OPSSIGHT_LEASE_SECONDS=str(LEASE_SECONDS),
            OPSSIGHT_RENEW_SECONDS="2",
            OPSSIGHT_API_TIMEOUT_SECONDS="3",
        ).start()
        kubelet = Kubelet(replica)
        try:
            view.apply("MetricsSource", "loop", {"url": prometheus.url, "limits": {"timeout": "2s"}})
            view.apply("AnomalyDetector", "steady", detector("faults"))
            view.apply("ThresholdPolicy", "steady", policy("faults", guardrails={"cooldown": "1h"}))
            view.reaches("tpol", "steady", "Loaded", "RuleLoaded", seconds=60)
            view.reaches("adet", "steady", "Reconciled", seconds=60)
            world = World(cluster, kubernetes, prometheus, replica, kubelet, view)
            eventually("Prometheus evaluates the rule that it has loaded", world.recorded, 60)
            yield world
        finally:
            kubernetes.fault = prometheus.fault = None
            kubelet.end()
            cluster.kubectl("delete", "namespace", "faults", "--wait=false")
            cluster.kubectl("delete", "msrc", "loop")
            cluster.remove_scrape_target("faults")
            lever.close()


LEASE = "/apis/coordination.k8s.io/v1/namespaces/opssight-system/leases/opssight-operator"


def lives_lost(lasted: float, fault: Fault | None = None) -> int:
    """How often a replica may end: when it could not renew its Lease for too long, and never else."""
    lease_is_hit = fault is None or (fault.kind != "slow" and any(fault.hits(m, LEASE) for m in ("GET", "PUT")))
    return int(lease_is_hit and lasted > SURVIVED)


@pytest.mark.parametrize("name", KUBERNETES, ids=slug)
def test_after_the_api_server_misbehaved_all_is_done_and_nothing_is_lost(world: World, name: str) -> None:
    (fault, outcome), late = KUBERNETES[name], f"late-{slug(name)}"
    before, restarts = world.recorded(), world.kubelet.restarts
    assert len(before) == 1

    def ended_so() -> int:
        return world.replica.runs(f'outcome="{outcome}"')

    earlier, began = ended_so(), time.monotonic()
    world.kubernetes.seen.clear()
    world.kubernetes.fault = fault
    try:
        world.kubernetes.cut_all()  # watches that are open know nothing of the fault
        world.view.apply("ThresholdPolicy", late, policy("faults"))
        if outcome:
            eventually(f"a run ends with {outcome}", lambda: ended_so() > earlier, 25)
        time.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
        met = world.kubernetes.seen[fault.kind]
    finally:
        world.kubernetes.fault = None
    lasted = time.monotonic() - began
    assert met > 0, "the operator never met the fault"
    world.view.reaches("tpol", late, "Loaded", "RuleLoaded", seconds=60)
    world.view.reaches("tpol", "steady", "Reconciled", seconds=30)
    assert world.recorded() == before
    assert world.kubelet.restarts - restarts <= lives_lost(lasted, fault)
    assert not world.defects()
    world.cluster.kubectl("delete", "tpol", late, "-n", world.view.namespace)


def test_watches_that_are_cut_again_and_again_miss_no_change(world: World) -> None:
    over, restarts = time.monotonic() + SECONDS, world.kubelet.restarts
    number = 0
    while time.monotonic() < over:
        world.kubernetes.cut_all()
        number += 1
        world.view.apply("ThresholdPolicy", "steady", policy("faults", guardrails={"cooldown": f"{number + 60}m"}))
        time.sleep(0.3)
    world.view.reaches("tpol", "steady", "Reconciled", seconds=30)
    world.view.apply("ThresholdPolicy", "steady", policy("faults", guardrails={"cooldown": "1h"}))
    world.view.reaches("tpol", "steady", "Reconciled", seconds=30)
    assert world.kubelet.restarts == restarts
    assert not world.defects()


@pytest.mark.parametrize("name", PROMETHEUS, ids=slug)
def test_while_prometheus_misbehaves_the_reason_says_so_and_the_threshold_is_held(world: World, name: str) -> None:
    fault, reason = PROMETHEUS[name]
    before, restarts = world.recorded(), world.kubelet.restarts
    world.prometheus.fault = fault
    try:
        said = world.view.reaches("tpol", "steady", reason, seconds=30)
        world.view.reaches("adet", "steady", reason, seconds=30)
        assert {world.view.condition(kind, "steady")[0] for kind in ("tpol", "adet")} == {"Unknown"}
        time.sleep(max(SECONDS - 3, 0))
        assert world.recorded() == before
        assert "<html>" not in said, "a foreign body never reaches the status"
    finally:
        world.prometheus.fault = None
    world.view.reaches("tpol", "steady", "Reconciled", seconds=20)
    world.view.reaches("adet", "steady", "Reconciled", seconds=20)
    assert world.recorded() == before
    assert world.kubelet.restarts == restarts
    assert not world.defects()


def test_a_prometheus_whose_answers_come_just_in_time_is_slow_and_no_more(world: World) -> None:
    before, restarts = world.recorded(), world.kubelet.restarts

    def judged(kind: str) -> int:
        return world.replica.runs(f'kind="{kind}"', 'outcome="Reconciled"')

    began = {kind: judged(kind) for kind in ("AnomalyDetector", "ThresholdPolicy")}
    world.prometheus.seen.clear()
    world.prometheus.fault = SLOW_IN_TIME
    try:
        for kind, runs in began.items():  # of two runs, one has seen nothing but slow answers
            eventually(f"{kind} goes on", lambda kind=kind, runs=runs: judged(kind) >= runs + 2, 40)  # type: ignore[misc]
        time.sleep(max(SECONDS - 3, 0))
        assert world.prometheus.seen["slow"] >= 4
        for kind in ("adet", "tpol"):
            world.view.reaches(kind, "steady", "Reconciled", seconds=10)
    finally:
        world.prometheus.fault = None
    assert world.recorded() == before
    assert world.kubelet.restarts == restarts
    assert not world.defects()


def _etcd(world: World) -> None:
    said = len(world.replica.log)
    world.cluster.stop_etcd()
    try:
        time.sleep(max(SECONDS, 3))
        eventually(
            "writes fail or stay without an answer",
            lambda: world.kubernetes.seen["failed"] or "no answer" in world.replica.log[said:],
            15,
        )
    finally:
        world.cluster.start_etcd()


def _api_server(world: World) -> None:
    world.cluster.stop_apiserver()
    try:
        time.sleep(min(SECONDS, 10))
        assert world.kubernetes.seen["gone"] > 0, "the operator never met an API server that is gone"
    finally:
        world.cluster.start_apiserver()


def _port(world: World) -> None:
    said = len(world.replica.log)
    world.kubernetes.close()
    try:
        time.sleep(min(SECONDS, 10))
        eventually("connections are refused", lambda: "ClientConnectorError" in world.replica.log[said:], 10)
    finally:
        world.kubernetes.open()


OUTAGES: dict[str, Callable[[World], None]] = dict(zip(CONTROL_PLANE, (_etcd, _api_server, _port), strict=True))


@pytest.mark.parametrize("name", OUTAGES, ids=slug)
def test_after_the_api_server_was_out_of_reach_all_is_done(world: World, name: str) -> None:
    before, restarts, began = world.recorded(), world.kubelet.restarts, time.monotonic()
    world.kubernetes.seen.clear()
    OUTAGES[name](world)
    late = f"late-{slug(name)}"
    eventually("the API takes writes again", lambda: _applied(world, late), 60, pause=1)
    lasted = time.monotonic() - began
    world.view.reaches("tpol", late, "Loaded", "RuleLoaded", seconds=60)
    assert world.recorded() == before
    assert world.kubelet.restarts - restarts <= lives_lost(lasted)
    assert not world.defects()


def _applied(world: World, name: str) -> bool:
    from localcluster.errors import ClusterError

    try:
        world.view.apply("ThresholdPolicy", name, policy("faults"))
    except ClusterError:
        return False
    return True
