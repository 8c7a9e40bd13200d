"""What the servers around the operator do wrong, one after the other; afterwards everything is as it should be.

``OPSSIGHT_CHAOS_SECONDS`` is how long each fault lasts: a few seconds here, longer in ``make chaos``.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from localcluster import Cluster

from component.faulty_door import Fault, FaultyDoor, api_failure
from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, install, policy

SECONDS = float(os.environ.get("OPSSIGHT_CHAOS_SECONDS", "3"))


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
    lever: Lever
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
            OPSSIGHT_LEASE_SECONDS="15",
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
            yield World(cluster, kubernetes, prometheus, replica, lever, view)
        finally:
            kubernetes.fault = prometheus.fault = None
            kubelet.end()
            cluster.kubectl("delete", "namespace", "faults", "--wait=false")
            cluster.kubectl("delete", "msrc", "loop")
            cluster.remove_scrape_target("faults")
            lever.close()


def watches(method: str, path: str) -> bool:
    """A watch, as kopf asks for it."""
    return method == "GET" and "watch=" in path


def writes(method: str, path: str) -> bool:
    """Whatever changes something, the lease aside."""
    return method not in ("GET", "HEAD") and "/leases" not in path


def reads(method: str, path: str) -> bool:
    """Lists and single objects."""
    return method == "GET" and not watches(method, path)


TOO_OLD = {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "too old"}
GONE = Fault("refuse", 200, json.dumps({"type": "ERROR", "object": TOO_OLD}).encode() + b"\n", hits=watches)
KUBERNETES: dict[str, Fault] = {
    "429 for everything, with a time to come back": api_failure(429, "TooManyRequests", retry_after="1"),
    "500 for every write": api_failure(500, "InternalError", writes),
    "503 for everything": api_failure(503, "ServiceUnavailable"),
    "every watch is too old": GONE,
    "every watch is refused as too old": api_failure(410, "Expired", watches),
    "every connection is cut": Fault("cut"),
    "half of each answer": Fault("half", hits=reads),
    "a second and a half for each answer": Fault("slow", seconds=1.5),
    "writes that are never answered": Fault("hang", hits=writes),
    "HTML instead of JSON": Fault("refuse", 200, b"<html>sign in first</html>", hits=reads),
}


@pytest.mark.parametrize("fault", KUBERNETES.values(), ids=[name.replace(" ", "-") for name in KUBERNETES])
def test_after_the_api_server_misbehaved_all_is_done_and_nothing_is_lost(world: World, fault: Fault) -> None:
    before, name = world.recorded(), f"late-{abs(hash(fault.kind + str(fault.status) + str(fault.seconds))) % 10**6}"
    assert len(before) == 1
    world.kubernetes.seen.clear()
    world.kubernetes.fault = fault
    world.kubernetes.cut_all()  # watches that are open know nothing of the fault
    world.view.apply("ThresholdPolicy", name, policy("faults"))
    time.sleep(SECONDS)
    met = world.kubernetes.seen[fault.kind]
    world.kubernetes.fault = None
    assert met > 0, "the operator never met the fault"
    world.view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    world.view.reaches("tpol", "steady", "Reconciled", seconds=30)
    assert world.recorded() == before
    assert not world.defects()
    world.cluster.kubectl("delete", "tpol", name, "-n", world.view.namespace)


def test_watches_that_are_cut_again_and_again_miss_no_change(world: World) -> None:
    over = time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < over:
        world.kubernetes.cut_all()
        number += 1
        world.view.apply("ThresholdPolicy", "steady", policy("faults", guardrails={"cooldown": f"{number + 60}m"}))
        time.sleep(0.3)
    world.view.reaches("tpol", "steady", "Reconciled", seconds=30)
    world.view.apply("ThresholdPolicy", "steady", policy("faults", guardrails={"cooldown": "1h"}))
    world.view.reaches("tpol", "steady", "Reconciled", seconds=30)
    assert not world.defects()


PROMETHEUS_ERROR = json.dumps(
    {"status": "error", "errorType": "execution", "error": "query processing would load too many samples"}
)
PROMETHEUS: dict[str, tuple[Fault, str]] = {
    "nobody is there": (Fault("cut"), "PrometheusUnreachable"),
    "no answer in time": (Fault("hang"), "PrometheusUnreachable"),
    "half an answer": (Fault("half"), "PrometheusUnreachable"),
    "422, too many samples": (Fault("refuse", 422, PROMETHEUS_ERROR.encode()), "PrometheusOverloaded"),
    "503, timed out": (Fault("refuse", 503, PROMETHEUS_ERROR.encode()), "PrometheusOverloaded"),
    "500": (Fault("refuse", 500, b"oops"), "PrometheusUnreachable"),
    "a login page": (Fault("refuse", 200, b"<html>sign in</html>"), "PrometheusUnreachable"),
    "another kind of JSON": (Fault("refuse", 200, b'{"status":"success","data":[1,2]}'), "PrometheusUnreachable"),
}


@pytest.mark.parametrize(("fault", "reason"), PROMETHEUS.values(), ids=[n.replace(" ", "-") for n in PROMETHEUS])
def test_while_prometheus_misbehaves_the_reason_says_so_and_the_threshold_is_held(
    world: World, fault: Fault, reason: str
) -> None:
    before = world.recorded()
    world.prometheus.fault = fault
    try:
        said = world.view.reaches("tpol", "steady", reason, seconds=30)
        world.view.reaches("adet", "steady", reason, seconds=30)
        time.sleep(max(SECONDS - 3, 0))
        assert world.recorded() == before
        assert "<html>" not in said, "a foreign body never reaches the status"
    finally:
        world.prometheus.fault = None
    world.view.reaches("tpol", "steady", "Reconciled", seconds=20)
    world.view.reaches("adet", "steady", "Reconciled", seconds=20)
    assert world.recorded() == before
    assert not world.defects()


def _restart_etcd(cluster: Cluster) -> None:
    cluster.stop_etcd()
    time.sleep(max(SECONDS, 3))
    cluster.start_etcd()


def _restart_apiserver(cluster: Cluster) -> None:
    cluster.stop_apiserver()
    time.sleep(min(SECONDS, 10))
    cluster.start_apiserver()


@pytest.mark.parametrize("restart", [_restart_etcd, _restart_apiserver], ids=["etcd", "the-api-server"])
def test_after_a_server_of_the_control_plane_was_gone_all_is_done(
    world: World, restart: Callable[[Cluster], None]
) -> None:
    before = world.recorded()
    restart(world.cluster)
    name = restart.__name__.replace("_", "-").strip("-")
    eventually("the API takes writes again", lambda: _applied(world, name), 60, pause=1)
    world.view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    assert world.recorded() == before
    assert not world.defects()


def _applied(world: World, name: str) -> bool:
    from localcluster.errors import ClusterError

    try:
        world.view.apply("ThresholdPolicy", name, policy("faults"))
    except ClusterError:
        return False
    return True
