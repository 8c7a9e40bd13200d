"""The local cluster keeps its promises: real servers, gone without a trace afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from localcluster import Cluster, ClusterError, HttpError, Options, Prometheus
from localcluster.http import request
from localcluster.processes import Identity

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS_ALONE = Options(control_plane=False)


def eventually(question: Callable[[], object], seconds: float = 15.0) -> float:
    """Wait until the answer is true; returns how long it took."""
    began = time.monotonic()
    while not question():
        assert time.monotonic() - began < seconds, f"not true within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


def processes_of(state: Path) -> list[int]:
    """Every process started for a state directory: it is the home of the servers, and an argument of the supervisor."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0") + (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if {f"HOME={state}".encode(), str(state).encode()} & set(words) and Identity.of(int(folder.name)):
            found.append(int(folder.name))
    return found


def localcluster(state_root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m localcluster``."""
    environment = os.environ | {"OPSSIGHT_LOCALCLUSTER_STATE": str(state_root)}
    command = [sys.executable, "-m", "localcluster", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def rule(name: str, namespace: str, expr: str) -> str:
    """A PrometheusRule with one recording rule."""
    groups = [{"name": name, "interval": "1s", "rules": [{"record": "test:" + name, "expr": expr}]}]
    kind = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule"}
    return json.dumps(kind | {"metadata": {"name": name, "namespace": namespace}, "spec": {"groups": groups}})


def test_a_second_cluster_from_the_command_line_runs_beside_the_first_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    state = tmp_path / "second"
    started = localcluster(tmp_path, "up", "--name", "second", "--history", "0", "--no-shop")
    assert started.returncode == 0, started.stderr
    try:
        shown = localcluster(tmp_path, "status", "--name", "second")
        assert shown.returncode == 0, shown.stdout
        kubeconfig = Path(localcluster(tmp_path, "kubeconfig", "--name", "second").stdout.strip())
        second = Cluster.attach(state)
        assert second.server_url != cluster.server_url
        second.kubectl("create", "namespace", "only-here", kubeconfig=kubeconfig)
        assert "only-here" not in cluster.kubectl("get", "namespaces")
        assert "only-here" in second.kubectl("get", "namespaces")
        again = localcluster(tmp_path, "up", "--name", "second", "--history", "0", "--no-shop")
        assert again.returncode == 1
        assert "runs already" in again.stderr
        assert len(processes_of(state)) >= 8
    finally:
        ended = localcluster(tmp_path, "down", "--name", "second")
    assert ended.returncode == 0, ended.stderr
    assert processes_of(state) == []
    assert not state.exists()
    assert all(row.health in ("ok", "running") for row in cluster.status())


STARTER = """
import sys, time
from pathlib import Path
from localcluster import Cluster, Options
cluster = Cluster(Path(sys.argv[1]), Options(control_plane=False))
cluster.start()
print("up", flush=True)
time.sleep(600)
"""


def test_nothing_outlives_a_starter_that_is_killed(tmp_path: Path) -> None:
    state = tmp_path / "orphan"
    with subprocess.Popen([sys.executable, "-c", STARTER, str(state)], cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        assert len(processes_of(state)) >= 2
        starter.kill()
    eventually(lambda: not processes_of(state) and not state.exists())


def test_servers_die_with_their_supervisor_and_the_next_start_clears_what_it_left(tmp_path: Path) -> None:
    state = tmp_path / "crashed"
    first = Cluster(state, PROMETHEUS_ALONE)
    first.start()
    supervisor = json.loads((state / "processes.json").read_text())[0][0]
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not first.prometheus.ready())
    assert state.exists()
    first.stop()
    assert processes_of(state) == []
    with Cluster(state, PROMETHEUS_ALONE) as second:
        assert second.prometheus.ready()
    assert not state.exists()


def test_a_directory_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ClusterError, match="holds something else than a cluster"), Cluster(tmp_path, PROMETHEUS_ALONE):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(
            Options(control_plane=False, prometheus_flags=("--no-such-flag",)),
            r"prometheus ended \(1\).*unknown long flag '--no-such-flag'",
            id="Prometheus refuses its command line",
        ),
        pytest.param(
            Options(apiserver_flags=("--no-such-flag",)),
            r"kube-apiserver ended \(\d\).*unknown flag: --no-such-flag",
            id="the API server refuses its command line",
        ),
    ],
)
def test_a_start_that_fails_shows_the_log_and_leaves_nothing(options: Options, said: str, tmp_path: Path) -> None:
    state = tmp_path / "failing"
    with pytest.raises(ClusterError, match=f"(?s){said}"), Cluster(state, options):
        pass
    assert processes_of(state) == []
    assert not state.exists()


def test_a_rule_travels_to_prometheus_and_back_out(cluster: Cluster, namespace: str) -> None:
    def names() -> set[str]:
        return {group["name"] for group in cluster.prometheus.rule_groups()}

    cluster.kubectl("apply", "-f", "-", input=rule("travels", namespace, "vector(42)"))
    eventually(lambda: "travels" in names())
    assert cluster.prometheus.wait_until("test:travels")[0]["value"][1] == "42"
    cluster.kubectl("delete", "prometheusrule", "travels", "-n", namespace)
    eventually(lambda: "travels" not in names())


def test_what_an_object_owns_is_collected_with_it(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = cluster.api("POST", path, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    cluster.api("POST", path, {"metadata": {"name": "owned", "ownerReferences": [reference]}})

    def left() -> set[str]:
        return {item["metadata"]["name"] for item in cluster.api("GET", path)["items"]}

    assert {"owned", "owner"} <= left()
    cluster.api("DELETE", f"{path}/owner")
    eventually(lambda: not {"owned", "owner"} & left())


def test_a_service_account_has_its_own_rights_alone(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.kubectl("create", "serviceaccount", "robot", "-n", namespace)
    kubeconfig = cluster.kubeconfig_for_service_account(namespace, "robot", tmp_path / "robot.kubeconfig")
    who = cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", kubeconfig=kubeconfig)
    assert who == f"system:serviceaccount:{namespace}:robot"
    with pytest.raises(ClusterError, match='cannot list resource "secrets"'):
        cluster.kubectl("get", "secrets", kubeconfig=kubeconfig)


def test_the_history_answers_over_two_weeks(cluster: Cluster) -> None:
    now = time.time()
    result = cluster.prometheus.query_range(
        "sum by (service) (rate(http_requests_total[5m]))", now - 13.9 * 86400, now - 300, 3600
    )
    assert {row["metric"]["service"] for row in result} == {"frontend", "checkout", "cart", "payment"}
    assert all(len(row["values"]) >= 330 for row in result)
    incident = next(one for one in cluster.incidents if one.kind == "errors")
    failed, requests = (
        f'sum(rate(http_requests_total{{service="{incident.service}"{code}}}[5m]))' for code in (',code="500"', "")
    )
    during, before = (
        float(cluster.prometheus.query(f"{failed} / {requests}", at=at)[0]["value"][1])
        for at in ((incident.start + incident.end) / 2, incident.start - 600)
    )
    assert during > 20 * before


def test_the_live_shop_goes_on_where_the_history_ends_and_can_be_broken(cluster: Cluster, shop_url: str) -> None:
    prometheus = cluster.prometheus
    prometheus.wait_until('timestamp(http_requests_total{job="shop",code="200",service="cart"}) > time() - 3')
    assert prometheus.query('count(http_requests_total{job="shop"})')[0]["value"][1] == "12"
    assert prometheus.query('max(resets(http_requests_total{job="shop"}[5m]))')[0]["value"][1] == "0"
    # a window of live samples alone, because the shop may have been started long after the history ended
    now, then = (f"sum by (service) (rate(http_requests_total{span}))" for span in ("[10s]", "[5m] offset 1h"))
    ratio = f"({now} / {then})"
    prometheus.wait_until(f"count({ratio} > 0.4 and {ratio} < 2.5) == 4", 40)
    buckets = 'rate(http_request_duration_seconds_bucket{service="cart"}[6s])'
    slow = f"histogram_quantile(0.99, sum by (le) ({buckets})) > 0.4"
    try:
        request("POST", f"{shop_url}/fault?service=cart&kind=latency", b"")
        prometheus.wait_until(slow, 25)
    finally:
        request("DELETE", f"{shop_url}/fault")
    with pytest.raises(HttpError, match="kind is 'fire'; it must be one of latency, errors, cpu"):
        request("POST", f"{shop_url}/fault?service=cart&kind=fire", b"")


def test_the_api_server_is_scraped_live(cluster: Cluster) -> None:
    assert cluster.prometheus.wait_until('up{job="apiserver"} == 1')
    assert cluster.prometheus.wait_until('count(apiserver_request_total{job="apiserver"}) > 10')


def test_a_restarted_prometheus_has_its_address_its_data_and_its_rules(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("apply", "-f", "-", input=rule("stays", namespace, "vector(1)"))
    cluster.prometheus.wait_until("test:stays")
    day_ago = time.time() - 86_400
    assert cluster.remote_write([({"__name__": "kept"}, [(day_ago, 7.0)])]) == 1
    cluster.stop_prometheus()
    assert not cluster.prometheus.ready()
    cluster.start_prometheus()
    assert cluster.prometheus.query("kept", at=day_ago)[0]["value"][1] == "7"
    assert any(group["name"] == "stays" for group in cluster.prometheus.rule_groups())


def test_a_restarted_api_server_has_its_objects(cluster: Cluster, namespace: str) -> None:
    cluster.stop_apiserver()
    with pytest.raises(OSError, match="refused"):
        cluster.api("GET", "/version")
    cluster.start_apiserver()
    assert cluster.api("GET", f"/api/v1/namespaces/{namespace}")["status"]["phase"] == "Active"
    cluster.kubectl("apply", "-f", "-", input=rule("afterwards", namespace, "vector(1)"))
    cluster.prometheus.wait_until("test:afterwards")


@pytest.mark.old_prometheus
def test_prometheus_2_closes_its_ranges_on_both_sides_and_prometheus_3_on_one(
    cluster: Cluster, prometheus_old: Prometheus
) -> None:
    end = time.time() // 60 * 60 - 3600
    samples = [(end - 600 + 10 * number, float(number)) for number in range(61)]
    answers = []
    for server, version in ((cluster.prometheus, "3.16"), (prometheus_old, "2.42")):
        build = json.loads(request("GET", f"{server.url}/api/v1/status/buildinfo"))["data"]
        assert build["version"].startswith(version)
        server.remote_write([({"__name__": "grid"}, samples)])
        answers.append(server.query("count_over_time(grid[60s])", at=end)[0]["value"][1])
    assert answers == ["6", "7"]
