"""The clock of the node jumps ahead and back while the operator works."""

from __future__ import annotations

from pathlib import Path

from localcluster import Cluster

from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, install, policy

# Python reads this before anything else of the process: its wall clock is off by what a file says.
OFF_BY_A_FILE = """
import os, time
_true = time.time
def _wall():
    try:
        return _true() + float(open(os.environ["CLOCK_OFFSET_FILE"]).read() or 0)
    except (OSError, ValueError):
        return _true()
time.time = _wall
"""
HOUR = 3600.0


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
    replica = OperatorProcess(cluster, tmp_path, PYTHONPATH=str(tmp_path), CLOCK_OFFSET_FILE=str(offset)).start()

    def runs() -> int:
        samples = [line for line in replica.metrics().splitlines() if line.startswith("opssight_reconcile_total")]
        return int(sum(float(line.split()[-1]) for line in samples))

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
            before = runs()
            eventually(f"it goes on at {jump:+.0f} s", lambda before=before: runs() >= before + 6, 30)
            assert current() == learned, "an hour without samples teaches nothing"
            assert replica.get("/healthz")[0] == 200
        # The true time again: everything is as it was.
        view.reaches("adet", "jumpy", "Reconciled", seconds=30)
        view.reaches("tpol", "jumpy", "Reconciled", seconds=30)
        assert "Traceback" not in replica.log, replica.log[-3000:]
    finally:
        replica.end()
    cluster.kubectl("delete", "adet,tpol", "jumpy", "-n", namespace)
