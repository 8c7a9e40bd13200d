"""The clock of the node jumps ahead and back while the operator works."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from localcluster import Cluster

from component.lever import Lever
from component.operator_process import NAMESPACE, OperatorProcess, View, detector, eventually, install, policy

# Python reads this before anything else of the process: every way to ask for the wall clock is off by what a file says.
OFF_BY_A_FILE = """
import datetime, os, time
_true, _datetime = time.time, datetime.datetime

def _wall():
    try:
        return _true() + float(open(os.environ["CLOCK_OFFSET_FILE"]).read() or 0)
    except (OSError, ValueError):
        return _true()

class _Kind(type):
    def __instancecheck__(cls, one):
        return isinstance(one, _datetime)
    def __subclasscheck__(cls, one):
        return issubclass(one, _datetime)

class _Shifted(_datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz=None):
        return _datetime.fromtimestamp(_wall(), tz)

    @classmethod
    def utcnow(cls):
        return _datetime.fromtimestamp(_wall(), datetime.timezone.utc).replace(tzinfo=None)

time.time, time.time_ns, datetime.datetime = _wall, lambda: int(_wall() * 1e9), _Shifted
"""
HOUR, MINUTE = 3600.0, 60.0


def test_a_clock_that_jumps_costs_no_threshold_and_no_life(
    cluster: Cluster, lever: Lever, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(OFF_BY_A_FILE)
    offset = tmp_path / "offset"
    offset.write_text("0")
    lever.give_quiet(cluster, "clock")
    install(cluster)
    view = View(cluster, namespace)
    view.apply("MetricsSource", "loop", {"url": cluster.prometheus_url, "limits": {"timeout": "5s"}})
    view.apply("AnomalyDetector", "jumpy", detector("clock"))
    view.apply("ThresholdPolicy", "jumpy", policy("clock"))
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    replica = OperatorProcess(cluster, tmp_path, PYTHONPATH=path, CLOCK_OFFSET_FILE=str(offset)).start()

    def off(moment: str) -> float:
        return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()

    def lease_is_off() -> float:
        lease = cluster.api("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/opssight-operator")
        return off(lease["spec"]["renewTime"])

    def events_off() -> list[float]:
        items = cluster.api("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
        return [off(item["eventTime"]) for item in items if item.get("eventTime")]

    def current() -> str:
        found = view.get("tpol", "jumpy")
        assert found is not None
        return str(found["status"]["thresholds"][0]["current"])

    try:
        view.reaches("adet", "jumpy", "Reconciled", seconds=60)
        view.reaches("tpol", "jumpy", "Loaded", "RuleLoaded", seconds=60)
        learned = current()
        for jump in (HOUR, -HOUR, 0.0):
            offset.write_text(str(jump))
            before = replica.runs()
            eventually("the Lease has the other time", lambda jump=jump: abs(lease_is_off() - jump) < MINUTE, 30)
            eventually(f"it goes on at {jump:+.0f} s", lambda before=before: replica.runs() >= before + 6, 30)
            assert current() == learned, "an hour without samples teaches nothing"
            assert replica.get("/healthz")[0] == 200
        assert max(events_off()) > HOUR - 5 * MINUTE, "what Events tell of the jump is by the other clock too"
        # The true time again: everything is as it was.
        view.reaches("adet", "jumpy", "Reconciled", seconds=30)
        view.reaches("tpol", "jumpy", "Reconciled", seconds=30)
        assert "Traceback" not in replica.log, replica.log[-3000:]
    finally:
        replica.end()
    cluster.kubectl("delete", "adet,tpol", "jumpy", "-n", namespace)
