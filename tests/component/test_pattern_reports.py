"""Reports on real servers: what happened is named with its hour, service and error, and nothing else is claimed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from localcluster import Cluster
from localcluster.build import program
from localcluster.errors import ClusterError

from component.conftest import fresh_namespace
from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, working
from opssight_detectors.patterns.schema import report_schema

HOUR, DAY, STEP = 3600.0, 86_400.0, 60.0
RULES = {  # what a person would have alerted on, and how bad it is
    "HighErrorRatio": (
        'sum by (service) (rate(http_requests_total{namespace="shop",code="500"}[5m]))'
        ' / sum by (service) (rate(http_requests_total{namespace="shop"}[5m])) > 0.06',
        "critical",
        "errors",
    ),
    "HighLatency": (
        'histogram_quantile(0.9, sum by (service, le) (rate(%s_bucket{namespace="shop"}[5m])))'
        ' > 2.5 * histogram_quantile(0.9, sum by (service, le) (rate(%s_bucket{namespace="shop"}[5m] offset 1d)))',
        "warning",
        "latency",
    ),
    "HighCpu": (
        'sum by (container) (rate(container_cpu_usage_seconds_total{namespace="shop"}[5m]))'
        ' - sum by (container) (rate(container_cpu_usage_seconds_total{namespace="shop"}[5m] offset 1d)) > 0.6',
        "warning",
        "cpu",
    ),
}
LATENCY = "http_request_duration_seconds"
QUIET_NAMES = ("CertificateSoon", "DiskSlow", "ReplicaLate", "QueueLong")


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    collect = {"OPSSIGHT_REPORT_COLLECT_SECONDS": "1", "OPSSIGHT_REPORT_MIN_INTERVAL_SECONDS": "30"}
    with working(cluster, tmp_path_factory.mktemp("operator"), **collect) as running:
        tenancy = {"enforcedMatchers": [{"label": "namespace", "value": "$(namespace)"}]}
        View(cluster, "").apply("MetricsSource", "default", {"url": cluster.prometheus_url, "tenancy": tenancy})
        yield running


@pytest.fixture
def view(cluster: Cluster, namespace: str) -> View:
    return View(cluster, namespace)


@pytest.fixture(scope="module", autouse=True)
def minutely(cluster: Cluster, operator: OperatorProcess) -> Iterator[View]:
    """A report by cron that has written down a Warning which is gone since; its minute passes during other tests."""
    with fresh_namespace(cluster) as namespace:
        view = View(cluster, namespace)
        view.apply("PatternReport", "minutely", {"schedule": {"cron": "* * * * *"}, "lookback": "1h", "history": "1h"})
        view.reaches("prep", "minutely", "Scheduled", seconds=20)
        warning(cluster, view.namespace, "cart-0", "FailedMount", "MountVolume.SetUp failed for volume secret-1", 1)

        def journal() -> str:
            return json.dumps(config_maps(cluster, view.namespace).get("opssight-prep-minutely-journal", {}))

        eventually("the Warning is written down", lambda: "FailedMount" in journal())
        cluster.kubectl("delete", "events", "--all", "-n", view.namespace)
        yield view


@pytest.fixture(scope="module", autouse=True)
def happening(cluster: Cluster, minutely: View, lever: Lever) -> Iterator[tuple[View, float]]:
    """An anomaly and a Warning that are there since a moment, whose minute passes during other tests too."""
    with fresh_namespace(cluster) as namespace:
        view, case, now, dice = View(cluster, namespace), f"report-{namespace}", time.time(), random.Random(3)
        samples = [(now - 600 + 2 * i, 10 + dice.gauss(0, 0.2)) for i in range(300)]
        cluster.remote_write([({"__name__": "lever", "case": case, "job": "lever", "instance": "lever"}, samples)])
        lever.values[case] = 10.0
        view.apply("AnomalyDetector", "gauge", detector(case))
        view.reaches("adet", "gauge", "Reconciled")
        lever.values[case] = 50.0
        eventually("the anomaly", lambda: (view.get("adet", "gauge") or {})["status"].get("anomalies"))
        note = "Back-off restarting failed container pay"
        warning(cluster, view.namespace, "checkout-7d9f8b6c5-x2x4z", "BackOff", note, 9)
        yield view, time.time()
        lever.values[case] = 10.0


def once(**spec: Any) -> dict[str, Any]:
    return {"schedule": {"type": "Once"}, **spec}


def alerts_series(name: str, namespace: str, severity: str, service: str, times: list[float]) -> Any:
    labels = {"__name__": "ALERTS", "alertname": name, "alertstate": "firing", "severity": severity}
    return {**labels, "service": service, "namespace": namespace}, [(at, 1.0) for at in times]


def fired_in_history(cluster: Cluster, namespace: str) -> list[Any]:
    """ALERTS as the rules would have left them: the queries are the real ones, over the shop's real two weeks."""
    end = time.time() // STEP * STEP
    found = []
    for name, (expression, severity, _) in RULES.items():
        query = expression.replace("%s", LATENCY)
        for day in range(13):
            begin = end - (13 - day) * DAY
            for series in cluster.prometheus.query_range(query, begin, begin + DAY - STEP, STEP):
                labels = series["metric"]
                times = [float(at) for at, _ in series["values"]]
                service = labels.get("service") or labels["container"]
                found.append(alerts_series(name, namespace, severity, service, times))
    return found


def background(namespace: str) -> list[Any]:
    """Alerts that come and go by chance, about three a day for two weeks."""
    dice, end = random.Random(7), time.time() // STEP * STEP
    series = []
    for name in QUIET_NAMES:
        at, times = end - 13 * DAY, []
        while (at := at + dice.expovariate(3 / 4 / DAY)) < end - HOUR:
            times += [at // STEP * STEP + STEP * i for i in range(dice.randint(3, 12))]
        series.append(alerts_series(name, namespace, "warning", dice.choice(["cart", "payment"]), sorted(set(times))))
    return series


def report_of(cluster: Cluster, view: View, name: str) -> dict[str, Any]:
    """The JSON of the newest report, from its ConfigMap."""
    found = view.get("prep", name)
    assert found is not None
    data = json.loads(
        cluster.kubectl("get", "configmap", found["status"]["lastReport"]["name"], "-n", view.namespace, "-o", "json")
    )["data"]
    made: dict[str, Any] = json.loads(data["report.json"])
    Draft202012Validator(report_schema()).validate(made)
    return made


def config_maps(cluster: Cluster, namespace: str) -> dict[str, Any]:
    items = cluster.api("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    return {item["metadata"]["name"]: item for item in items if item["metadata"]["name"].startswith("opssight-prep-")}


def test_the_incidents_of_the_shop_are_named_with_hour_service_and_kind_and_nothing_false_is_claimed(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    series = fired_in_history(cluster, view.namespace) + background(view.namespace)
    cluster.remote_write(series)
    view.apply("PatternReport", "week", once(lookback="6d", history="7d", inputs={"alerts": {}}))
    view.reaches("prep", "week", "Reconciled", seconds=60)
    made = report_of(cluster, view, "week")
    text = json.dumps(made["sections"])
    start, end = (datetime.fromisoformat(made[key]).timestamp() for key in ("windowStart", "windowEnd"))
    kinds = {kind: name for name, (_, _, kind) in RULES.items()}
    injected = [one for one in cluster.incidents if start + 900 < one.start and one.end < end]
    assert injected, "two weeks of the shop have three incidents a week"
    sentences = [f["sentence"] for section in made["sections"] for f in section["findings"]]
    rows = [row for s in made["sections"] for f in s["findings"] if f["table"] for row in f["table"]["rows"]]
    for one in injected:
        alert = kinds[one.kind]
        hour = datetime.fromtimestamp(one.start, UTC).strftime("%H")
        later = datetime.fromtimestamp(one.start + 600, UTC).strftime("%H")
        told = [t for t in [*sentences, *map(str, rows)] if alert in t and one.service in t]
        assert told, f"{alert} of {one.service} is not named: {text[:2000]}"
        assert any(f"{h}:" in t for h in (hour, later) for t in told), f"{hour}:00 is not named in {told}"
    claims = [f for s in made["sections"] for f in s["findings"] if f["pValue"] is not None]
    assert not [f["sentence"] for f in claims if any(name in f["sentence"] for name in QUIET_NAMES)]


def warning(cluster: Cluster, namespace: str, pod: str, reason: str, note: str, count: int) -> None:
    """An Event as the kubelet writes it."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{pod}.", "namespace": namespace},
        "involvedObject": {"kind": "Pod", "name": pod, "namespace": namespace},
        "reason": reason,
        "message": note,
        "type": "Warning",
        "count": count,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "source": {"component": "kubelet"},
    }
    cluster.api("POST", f"/api/v1/namespaces/{namespace}/events", event)


def test_config_maps_are_owned_pruned_and_go_with_the_report(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    def made_for(generation: int) -> bool:
        status = (view.get("prep", "kept") or {}).get("status", {})
        return status.get("lastReport", {}).get("generation") == generation

    for number in range(1, 4):
        spec = once(historyLimit=2, history="0s", lookback=f"{number}h", inputs={"events": {}})
        view.apply("PatternReport", "kept", spec)
        eventually("a report of this spec", lambda n=number: made_for(n))  # type: ignore[misc]
    found = view.get("prep", "kept")
    assert found is not None
    maps = config_maps(cluster, view.namespace)
    assert sorted(maps) == ["opssight-prep-kept-once-2", "opssight-prep-kept-once-3"]
    assert [one["name"] for one in found["status"]["history"]] == sorted(maps, reverse=True)
    for item in maps.values():
        (owner,) = item["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("PatternReport", "kept", found["metadata"]["uid"])
        assert {"report.md", "report.html", "report.json"} <= set(item["data"])
    cluster.kubectl("delete", "prep", "kept", "-n", view.namespace)
    eventually("the ConfigMaps are collected", lambda: not config_maps(cluster, view.namespace), seconds=60)


def test_a_tenant_sees_the_alerts_of_its_own_namespace_alone(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    now = time.time() // STEP * STEP
    times = [now - 1800 + STEP * i for i in range(10)]
    cluster.remote_write(
        [
            alerts_series("Mine", view.namespace, "warning", "cart", times),
            alerts_series("SecretOfOthers", "bank", "critical", "vault", times),
        ]
    )
    view.apply("PatternReport", "mine", once(lookback="1h", history="0s", inputs={"alerts": {}}))
    view.reaches("prep", "mine", "Reconciled")
    made = report_of(cluster, view, "mine")
    assert made["summary"]["incidents"] == 1
    assert "SecretOfOthers" not in json.dumps(made)
    reaching = {"alerts": {"matchers": ['namespace="bank"']}}
    view.apply("PatternReport", "theirs", once(lookback="1h", history="0s", inputs=reaching))
    assert "may only read" in view.reaches("prep", "theirs", "NotAllowed")


REFUSED = {
    "a zone that is none": ({"schedule": {"timeZone": "Europe/Atlantis"}}, "schedule.timeZone is Europe/Atlantis"),
    "a cron that never comes": (
        {"schedule": {"cron": "0 6 31 2,apr,6,4-4 *"}},
        "schedule.cron is 0 6 31 2,apr,6,4-4 *",
    ),
    "a pattern that is none": ({"inputs": {"alerts": {"matchers": ['team=~"("']}}}, "inputs.alerts.matchers[0]"),
}


def test_what_the_schema_cannot_refuse_is_said_by_the_condition(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    for number, (words, (spec, says)) in enumerate(REFUSED.items()):
        view.apply("PatternReport", f"bad-{number}", spec)
        assert says in view.reaches("prep", f"bad-{number}", "InvalidSpec"), words
    with pytest.raises(ClusterError, match="never comes"):
        view.apply("PatternReport", "bad", {"schedule": {"cron": "0 6 30 2 *"}})


def test_a_foreign_config_map_of_our_name_is_left_alone(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    cluster.kubectl(
        "create", "configmap", "opssight-prep-taken-once-1", "--from-literal=mine=yes", "-n", view.namespace
    )
    view.apply("PatternReport", "taken", once(history="0s", inputs={"events": {}}))
    assert "belongs to somebody else" in view.reaches("prep", "taken", "NameConflict")
    assert config_maps(cluster, view.namespace)["opssight-prep-taken-once-1"]["data"] == {"mine": "yes"}


def test_the_command_line_shows_what_the_cluster_keeps_and_makes_the_same_from_prometheus(
    cluster: Cluster, operator: OperatorProcess, view: View, tmp_path: Path
) -> None:
    now = time.time() // STEP * STEP
    times = [now - 1800 + STEP * i for i in range(10)]
    cluster.remote_write([alerts_series("SlowCart", view.namespace, "warning", "cart", times)])
    view.apply("PatternReport", "shown", once(lookback="1h", history="2h", inputs={"alerts": {}}))
    view.reaches("prep", "shown", "Reconciled")
    kept = report_of(cluster, view, "shown")

    def opssight(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "opssight_operator.cli", "report", *arguments],
            env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "SlowCart" in opssight("show", "shown", "-n", view.namespace)
    assert json.loads(opssight("show", "shown", "-n", view.namespace, "-f", "json")) == kept
    file = tmp_path / "report.html"
    opssight("show", "shown", "-n", view.namespace, "-f", "html", "--output-file", str(file))
    assert file.read_text().lstrip().lower().startswith("<!doctype html>")
    assert "opssight-prep-shown-once-1" in opssight("list", "-n", view.namespace)
    assert view.namespace in opssight("list", "-A")
    folder = Path(sys.executable).parent  # kubectl finds its plugin kubectl-opssight on the path
    path = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{folder}:{os.environ['PATH']}"}
    plugin = [str(program("kubectl")), "opssight", "report", "list", "-n", view.namespace]
    listed = subprocess.run(plugin, env=path, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "opssight-prep-shown-once-1" in listed
    span = ("--lookback", "1h", "--history", "2h", "--end", kept["windowEnd"])
    alone = ("--prometheus", cluster.prometheus_url, "-n", view.namespace)
    made = json.loads(opssight("run", *alone, *span, "-f", "json", "--title", kept["title"]))
    assert made == kept


def test_an_anomaly_and_a_warning_of_now_are_in_the_report_with_their_words(
    cluster: Cluster, operator: OperatorProcess, happening: tuple[View, float]
) -> None:
    view, since = happening
    time.sleep(max(0.0, since // 60 * 60 + 61 - time.time()))  # a report of type Once ends with the last full minute
    view.apply("PatternReport", "now", once(lookback="1h", history="0s"))
    view.reaches("prep", "now", "Reconciled")
    made = report_of(cluster, view, "now")
    words = json.dumps(made)
    for word in ("Anomaly gauge/lever", "observed", "BackOff", "Back-off restarting failed container pay", "checkout"):
        assert word in words, word
    assert "AnomalyStarted" not in words, "our own Events are about anomalies that are there already"
    assert made["summary"]["incidents"] == 2
    status = view.get("prep", "now")["status"]  # type: ignore[index]
    read = {one["name"]: one["incidents"] for one in status["inputs"]}
    assert read == {"Alerts": 0, "Detectors": 1, "Events": 1}
    assert any("2 incidents in 1h" in note for note in view.events("ReportMade"))
    exported = f'opssight_report_incidents{{namespace="{view.namespace}",report="now"}} 2.0'
    assert exported in operator.metrics()
    listed = cluster.kubectl("get", "prep", "-n", view.namespace)
    assert listed.splitlines()[0].split() == ["NAME", "READY", "REASON", "INCIDENTS", "LAST", "NEXT", "AGE"]


def test_a_cron_comes_and_what_was_written_down_in_between_is_in_it(
    cluster: Cluster, operator: OperatorProcess, minutely: View
) -> None:
    view = minutely

    def made() -> dict[str, Any] | None:
        last = (view.get("prep", "minutely") or {})["status"].get("lastReport")
        return last if last and last["incidents"] else None

    last = eventually("a report with the Warning", made, seconds=130)
    assert last["name"].startswith("opssight-prep-minutely-2")
    assert "MountVolume.SetUp failed" in json.dumps(report_of(cluster, view, "minutely"))
    due = view.get("prep", "minutely")["status"]["nextRunAt"]  # type: ignore[index]
    assert 0 < datetime.fromisoformat(due).timestamp() - time.time() <= 61


def test_prometheus_goes_and_the_report_is_made_when_it_is_back(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    cluster.stop_prometheus()
    try:
        view.apply("PatternReport", "late", once(lookback="1h", history="0s", inputs={"alerts": {}}))
        assert "Prometheus" in view.reaches("prep", "late", "PrometheusUnreachable")
    finally:
        cluster.start_prometheus()
    view.reaches("prep", "late", "Reconciled", seconds=30)
    assert np.isfinite(report_of(cluster, view, "late")["summary"]["incidents"])
