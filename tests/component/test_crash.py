"""Replicas that die, hand over, stop, or lack a right."""

from __future__ import annotations

import json
import os
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
from localcluster import Cluster

from component.faulty_door import Fault, FaultyDoor
from component.lever import Lever
from component.operator_process import NAMESPACE, OperatorProcess, View, detector, eventually, install, policy

KILLS = int(os.environ.get("OPSSIGHT_KILLS", "6"))  # 100 in `make chaos`
LEASE_SECONDS = 5.0  # of the replicas that are killed


@pytest.fixture
def installed(cluster: Cluster, lever: Lever) -> None:
    lever.give_quiet(cluster, "crash")
    install(cluster)
    View(cluster, "").apply("MetricsSource", "loop", {"url": cluster.prometheus_url, "limits": {"timeout": "5s"}})


def _rules(cluster: Cluster, namespace: str) -> dict[str, str]:
    items = cluster.api("GET", f"/apis/monitoring.coreos.com/v1/namespaces/{namespace}/prometheusrules")["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def _meaning(view: View) -> Any:
    """The statuses without the numbers that move by themselves."""
    adet, tpol = view.get("adet", "crash"), view.get("tpol", "crash")
    assert adet is not None and tpol is not None
    return (
        [(c["type"], c["status"], c["reason"]) for c in adet["status"]["conditions"]],
        adet["status"]["summary"],
        [(c["type"], c["status"], c["reason"]) for c in tpol["status"]["conditions"]],
        [(t.get("labels"), t["current"]) for t in tpol["status"]["thresholds"]],
    )


@pytest.mark.timeout(180 + 10 * KILLS)
def test_kills_at_any_moment_lose_nothing(cluster: Cluster, installed: None, namespace: str, tmp_path: Path) -> None:
    """Every second kill hits one that leads; half of those are new ones that waited for the Lease of a dead one."""
    view = View(cluster, namespace)
    view.apply("AnomalyDetector", "crash", detector("crash", alert={"for": "1s"}))
    frozen = {"cooldown": "1h"}  # the threshold may be decided once in this test, so that any other value is a loss
    view.apply("ThresholdPolicy", "crash", policy("crash", guardrails=frozen))
    replica = OperatorProcess(cluster, tmp_path, OPSSIGHT_LEASE_SECONDS=str(LEASE_SECONDS)).start()
    cluster.add_scrape_target("crash", f"127.0.0.1:{replica.metrics_port}", interval="1s", honor_labels=True)
    recorded = f'opssight:threshold{{policy="crash",namespace="{namespace}"}}'
    dice, leaders_hit, expiries = random.Random(7), 0, 0

    def in_force() -> list[str]:
        return [row["value"][1] for row in cluster.prometheus.query(recorded)]

    try:
        view.reaches("adet", "crash", "Loaded", "RuleLoaded", seconds=60)
        view.reaches("tpol", "crash", "Loaded", "RuleLoaded", seconds=60)
        before, objects = _meaning(view), _rules(cluster, namespace)
        assert len(objects) == 2
        value, began = eventually("Prometheus evaluates the rule that it has loaded", in_force, 30), time.time()
        assert len(value) == 1
        for number in range(KILLS):
            leaders_hit += replica.leads() and _holder(cluster) == replica.identity
            replica.kill()
            killed = time.monotonic()
            assert in_force() == value
            another = number % 4 == 3
            replica.start(f"replica-{number}" if another else "")
            if number % 2:
                eventually("the next one leads", replica.leads, 60)
                assert not another or time.monotonic() - killed > LEASE_SECONDS, "the Lease of the dead had not expired"
                expiries += another
                eventually("it works", lambda: replica.runs('kind="ThresholdPolicy"'), 60)
                time.sleep(dice.uniform(0, 2))  # the interval of both, so that any moment of a run may be met
            else:
                time.sleep(dice.uniform(0.2, 2.5))
            assert in_force() == value
        eventually("the replica leads again", replica.leads, 60)
        eventually("the status is as it was", lambda: _meaning(view) == before, 60)
        assert _rules(cluster, namespace) == objects
    finally:
        replica.end()
        cluster.remove_scrape_target("crash")
    assert 2 * leaders_hit >= KILLS, f"{leaders_hit} of {KILLS} kills hit one that led"
    assert expiries == KILLS // 4
    span = f"[{int(time.time() - began)}s"
    (samples,) = cluster.prometheus.query(f"{recorded}{span}]")
    assert {number for _, number in samples["values"]} == set(value)
    assert not cluster.prometheus.query(f"count_over_time(absent({recorded}){span}:1s])"), "it was gone for a moment"
    assert "Traceback" not in replica.log, replica.log[-3000:]


def _holder(cluster: Cluster) -> str:
    found = cluster.api("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/opssight-operator")
    return str(found["spec"].get("holderIdentity") or "")


def test_cooldown_and_dead_band_hold_over_restarts(
    cluster: Cluster, installed: None, lever: Lever, namespace: str, tmp_path: Path
) -> None:
    view = View(cluster, namespace)
    now = time.time()
    labels = {"__name__": "lever", "case": "restart", "job": "lever", "instance": "lever"}
    cluster.remote_write([(labels, [(now - 600 + 2 * i, 10.0) for i in range(300)])])
    lever.values["restart"] = 10.0
    short = {"history": {"window": "2m", "step": "2s", "minDuration": "1m", "minCoverage": "0.5"}}
    calm = {"whileFiring": "Allow", "maxStep": "1"}
    policies = {
        "cooldown": {**calm, "cooldown": "1h", "deadBand": "0.05"},
        "dead-band": {**calm, "cooldown": "0s", "deadBand": "0.5"},
        "neither": {**calm, "cooldown": "0s", "deadBand": "0.05"},
    }
    for name, guardrails in policies.items():
        view.apply("ThresholdPolicy", name, policy("restart", guardrails=guardrails, **short))
    replica = OperatorProcess(cluster, tmp_path).start()

    def decided(name: str) -> str:
        found = ((view.get("tpol", name) or {}).get("status", {}).get("thresholds") or [{}])[0]
        return str(found.get("current", ""))

    try:
        for name in policies:
            view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
            assert decided(name) == "10"
        for value in ("13", "14", "14.9"):
            lever.values["restart"] = float(value)
            eventually("the threshold follows where nothing holds it", lambda v=value: decided("neither") == v, 60)  # type: ignore[misc]
            for name in ("cooldown", "dead-band"):
                proposed = f'policy="{name}"[^}}]*}} {value}'
                eventually(f"{name} sees it", lambda p=proposed: re.search(p, replica.metrics()))  # type: ignore[misc]
                assert decided(name) == "10"
            replica.kill()
            replica.start()
        changes = {name: len(view.get("tpol", name)["status"]["history"]) for name in policies}  # type: ignore[index]
        assert changes == {"cooldown": 1, "dead-band": 1, "neither": 4}
    finally:
        replica.end()
        lever.values.pop("restart")


def test_garbage_collection_removes_the_rule_with_the_operator_dead(
    cluster: Cluster, installed: None, namespace: str, tmp_path: Path
) -> None:
    view = View(cluster, namespace)
    view.apply("ThresholdPolicy", "orphan", policy("crash"))
    replica = OperatorProcess(cluster, tmp_path).start()
    try:
        view.reaches("tpol", "orphan", "Loaded", "RuleLoaded", seconds=60)
    finally:
        replica.kill()
    assert _rules(cluster, namespace)
    cluster.kubectl("delete", "tpol", "orphan", "-n", namespace, "--timeout=10s")
    eventually("the rule is collected", lambda: not _rules(cluster, namespace))
    eventually(
        "Prometheus has dropped it",
        lambda: not [g for g in cluster.prometheus.rule_groups() if namespace in g["name"]],
    )


def test_of_two_replicas_one_works_and_the_other_takes_over(
    cluster: Cluster, installed: None, namespace: str, tmp_path: Path
) -> None:
    view = View(cluster, namespace)
    first = OperatorProcess(cluster, tmp_path, "first").start()
    eventually("the first leads", first.leads, 60)
    second = OperatorProcess(cluster, tmp_path, "second").start()
    try:
        eventually("the second is ready to take over", lambda: second.get("/readyz")[0] == 200, 30)
        time.sleep(2)
        assert first.leads() and not second.leads()
        first.kill()
        began = time.monotonic()
        view.apply("ThresholdPolicy", "late", policy("crash"))
        view.reaches("tpol", "late", "Reconciled", seconds=30)
        assert time.monotonic() - began < 30
        assert second.leads()
        took = second.stop()
        assert took < 10
        assert second.process is not None
        assert second.process.returncode == 0, second.log[-3000:]
        assert not _holder(cluster), "a graceful stop gives the lease back"
    finally:
        first.end()
        second.end()


def test_an_update_leaves_no_gap_in_the_scores_that_is_longer_than_two_intervals(
    cluster: Cluster, installed: None, namespace: str, tmp_path: Path
) -> None:
    """The new replica stands by before the old one is told to stop, as a Deployment does it."""
    interval = 4.0
    view = View(cluster, namespace)
    view.apply("AnomalyDetector", "seamless", detector("crash", interval=f"{interval:.0f}s"))
    replicas = [OperatorProcess(cluster, tmp_path, "old").start()]

    def exports(one: OperatorProcess) -> bool:
        return 'detector="seamless"' in one.metrics()

    def exported() -> bool:
        return any(map(exports, replicas))

    try:
        eventually("the old one exports the score", exported, 60)
        for name in ("new", "newest"):
            replicas.append(OperatorProcess(cluster, tmp_path, name).start())
            eventually("the next one stands by", lambda: replicas[-1].get("/readyz")[0] == 200, 30)
            last, longest, told = time.monotonic(), 0.0, False
            began, over = last, last + 20
            while time.monotonic() < over:
                if not told and time.monotonic() - began > 2:
                    assert replicas[-2].process is not None
                    replicas[-2].process.terminate()
                    told = True
                if told and over == began + 20 and exports(replicas[-1]):
                    over = time.monotonic() + interval
                if exported():
                    longest, last = max(longest, time.monotonic() - last), time.monotonic()
                time.sleep(0.1)
            longest = max(longest, time.monotonic() - last)
            assert longest <= 2 * interval, f"no score for {longest:.1f} s"
            assert replicas[-1].leads()
    finally:
        for one in replicas:
            one.end()
    cluster.kubectl("delete", "adet", "seamless", "-n", namespace)


def test_a_stop_in_the_middle_of_a_slow_query_is_quick(
    cluster: Cluster, installed: None, namespace: str, tmp_path: Path
) -> None:
    view = View(cluster, namespace)
    with FaultyDoor(cluster.prometheus_url) as door:
        door.fault = Fault("hang", hits=lambda method, path: "/query_range" in path)
        view.apply("MetricsSource", "hangs", {"url": door.url, "limits": {"timeout": "60s"}})
        view.apply("AnomalyDetector", "busy", detector("crash", sourceRef={"name": "hangs"}))
        replica = OperatorProcess(cluster, tmp_path).start()
        try:
            eventually("its query is under way", lambda: door.hanging, 60)
            assert replica.leads()
            assert replica.stop() < 10
            assert replica.process is not None
            assert replica.process.returncode == 0, replica.log[-3000:]
        finally:
            replica.end()
            cluster.kubectl("delete", "adet", "busy", "-n", namespace)
            cluster.kubectl("delete", "msrc", "hangs")


def test_a_missing_right_is_named_and_waited_for(cluster: Cluster, installed: None, tmp_path: Path) -> None:
    role = json.loads(cluster.kubectl("get", "clusterrole", "opssight-operator", "-o", "json"))
    (rule,) = (rule for rule in role["rules"] if rule["resources"] == ["prometheusrules"])
    rule["verbs"].remove("patch")
    cluster.kubectl("replace", "-f", "-", input=json.dumps(role))
    replica = OperatorProcess(cluster, tmp_path).start()
    try:
        code, said = eventually("readiness says what is missing", lambda: _refusal(replica), 30)
        assert code == 500
        assert re.search(r"patch prometheusrules\.monitoring\.coreos\.com", said), said
        assert "patch prometheusrules" in replica.log
        assert replica.get("/healthz")[0] == 200
        assert not replica.leads()
    finally:
        replica.end()
        install(cluster)


def _refusal(replica: OperatorProcess) -> tuple[int, str] | None:
    code, said = replica.get("/readyz")
    return (code, said) if code == 500 and "lacks" in said else None


def test_the_first_event_is_handled_at_once(cluster: Cluster, installed: None, namespace: str, tmp_path: Path) -> None:
    replica = OperatorProcess(cluster, tmp_path, OPSSIGHT_NAMESPACES=namespace).start()
    view = View(cluster, namespace)
    try:
        eventually("it leads", replica.leads, 30)
        began = time.monotonic()
        view.apply("ThresholdPolicy", "first", policy("crash"))
        view.reaches("tpol", "first", "Reconciled", seconds=15)
        assert time.monotonic() - began < 15
    finally:
        replica.end()
