"""The command line against the real servers: numbers straight from Prometheus, and kubectl's plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from localcluster import Cluster
from localcluster.build import program

from component.operator_process import View, install

STEP = 60.0


def opssight(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "opssight_operator.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def history(cluster: Cluster) -> str:
    """A day of two series; the second one had ten bad minutes four hours ago. The query for them."""
    end = time.time() // STEP * STEP - 120
    for name in ("a", "b"):
        values = [10.0 + row % 5 + (50 if name == "b" and 1200 <= row < 1210 else 0) for row in range(1440)]
        samples = [(end - (1439 - row) * STEP, value) for row, value in enumerate(values)]
        cluster.remote_write([({"__name__": "cli_history", "service": name}, samples)])
    return "cli_history"


def test_anomalies_come_straight_from_prometheus_with_their_series_and_times(cluster: Cluster, history: str) -> None:
    source = ("--prometheus", cluster.prometheus_url, "--query", history, "--last", "1d")
    said = opssight("detect", *source, "--method", "RobustZScore", "-o", "json", "--exit-code")
    assert said.returncode == 1, said.stderr
    series = json.loads(said.stdout)["series"]
    assert {name: len(found["anomalies"]) for name, found in series.items()} == {
        'cli_history{service="a"}': 0,
        'cli_history{service="b"}': 10,
    }
    told = opssight("explain", *source, "--method", "RobustZScore")
    assert 'cli_history{service="b"}' in told.stdout
    assert "is anomalous by RobustZScore" in told.stdout


def test_thresholds_and_a_backtest_come_from_prometheus_too(cluster: Cluster, history: str, tmp_path: Path) -> None:
    source = ("--prometheus", cluster.prometheus_url, "--last", "1d")
    learned = json.loads(opssight("thresholds", *source, "--query", history, "-o", "json").stdout)["thresholds"]
    assert {found["threshold"] for found in learned.values()} == {14}
    assert all("proposed" in found["simulation"] for found in learned.values())
    manifest = tmp_path / "detector.yaml"
    manifest.write_text(
        json.dumps(
            {
                "apiVersion": "opssight.dev/v1alpha1",
                "kind": "AnomalyDetector",
                "metadata": {"name": "mine"},
                "spec": {
                    "queries": [{"name": "level", "expr": f'{history}{{service="b"}}'}],
                    "method": {"type": "RobustZScore"},
                    "trainingWindow": "12h",
                },
            }
        )
    )
    tried = opssight("backtest", "-f", manifest, *source, "-o", "json")
    assert json.loads(tried.stdout)["episodes"] == 1, tried.stderr


def test_what_prometheus_refuses_or_limits_is_one_sentence(cluster: Cluster, history: str) -> None:
    source = ("detect", "--prometheus", cluster.prometheus_url, "--last", "1h")
    for options, says in (
        (("--query", f"rate({history})"), "--query"),
        (("--query", history, "--max-series", "1"), "more than 1 series"),
        (("--query", "no_such_metric"), "has no series in the last 1h"),
    ):
        said = opssight(*source, *options)
        assert (said.returncode, said.stdout) == (2, "")
        assert says in said.stderr
        assert said.stderr.count("\n") == 1


RULES = """\
groups:
- name: shop
  rules:
  - alert: Errors
    expr: errors / requests > 0.05  # by hand
    labels: {severity: warning}
"""


def test_a_diff_takes_a_policy_as_kubectl_prints_it(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    install(cluster)
    alert = {"name": "Errors", "labels": {"severity": "warning"}}
    view = View(cluster, namespace)
    for name in ("errors", "other"):
        view.apply("ThresholdPolicy", name, {"expr": "errors / requests", "alert": alert})
        status = {"thresholds": [{"current": "0.08", "reason": "Changed", "message": "first threshold"}]}
        body = json.dumps({"status": status})
        cluster.kubectl("patch", "tpol", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", body)
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "one.yaml").write_text(cluster.kubectl("get", "tpol", "errors", "-n", namespace, "-o", "yaml"))
    (tmp_path / "list.yaml").write_text(cluster.kubectl("get", "tpol", "-n", namespace, "-o", "yaml"))
    of_list = ("--policy", tmp_path / "list.yaml", "--name", "errors")
    for options in (("--policy", tmp_path / "one.yaml"), of_list):
        said = opssight("diff", tmp_path / "rules.yaml", *options)
        assert said.returncode == 1, said.stderr
        changed = [line for line in said.stdout.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
        assert changed == [
            "-    expr: errors / requests > 0.05  # by hand",
            "+    expr: errors / requests > 0.08  # by hand",
        ]
    said = opssight("diff", tmp_path / "rules.yaml", "--policy", tmp_path / "list.yaml")
    assert said.returncode == 2 and "choose one with --name" in said.stderr


def test_kubectl_finds_its_plugin() -> None:
    script = Path(sys.executable).parent
    assert (script / "kubectl-opssight").exists()
    done = subprocess.run(
        [str(program("kubectl")), "opssight", "detect", "10", "12", "11", "50", "13", "12"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{script}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["3", "50", "1.12", "Low"]
