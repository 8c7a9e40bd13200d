"""The dashboards of the chart: as Grafana wants them, and answered by a Prometheus that scrapes a real operator."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.rendering import CHART
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from localcluster import Cluster

from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, install, policy
from opssight_operator.adapters.telemetry import Telemetry
from opssight_operator.core.conventions import FEWEST_GAUGE, MOST_GAUGE, OBSERVED_GAUGE, RESOURCE_GAUGES

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((CHART / "files" / "dashboards").glob("*.json"))
}
ALERTS = [
    rule["expr"]
    for group in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = {
    f"{board}: {panel['title']}, {query['refId']}": (panel, query["expr"])
    for board, content in BOARDS.items()
    for panel in content["panels"]
    for query in panel["targets"]
}
QUERIES = sorted({expr for _, expr in PANELS.values()} | set(ALERTS))
LATER = {OBSERVED_GAUGE: 7.0, FEWEST_GAUGE: 1.0, MOST_GAUGE: 6.0}
"""Exported once a threshold has been in force for a while, and what they say here: more alerts than were predicted."""


def filled(expr: str) -> str:
    """The query as Grafana sends it with all values chosen."""
    for name, value in {"$__rate_interval": "1m", "[1d:5m]": "[1m:1s]", "$job": ".*", "$namespace": ".*"}.items():
        expr = expr.replace(name, value)
    expr = re.sub(r"\$(detector|policy|report)\b", ".*", expr)
    assert "$" not in expr, expr
    return expr


def metrics_in(expr: str) -> set[str]:
    return set(re.findall(r"\b((?:opssight|process)_[a-z_]+)\b", expr))


def exported_names(text: str) -> set[str]:
    return {re.split(r"[{ ]", line, maxsplit=1)[0] for line in text.splitlines() if line and line[0] != "#"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_what_grafana_reads(name: str) -> None:
    board = BOARDS[name]
    assert re.fullmatch("[a-z-]{1,40}", board["uid"]) and board["title"].startswith("OpsSight: ")
    assert isinstance(board["schemaVersion"], int) and board["schemaVersion"] >= 36
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["type"] in ("timeseries", "stat", "table")
        assert panel["title"] and panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C", "D"][: len(panel["targets"])]
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None and [s["value"] for s in steps[1:]] == sorted(s["value"] for s in steps[1:])
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= set(variables), "a variable that the dashboard does not have"


def lost(given: Any, kept: Any, path: str = "") -> list[str]:
    """The paths in ``given`` that ``kept`` does not have or has otherwise."""
    if isinstance(given, dict):
        known = kept if isinstance(kept, dict) else {}
        return [p for key, value in given.items() for p in lost(value, known.get(key, "absent"), f"{path}/{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [p for i, (a, b) in enumerate(zip(given, kept, strict=True)) for p in lost(a, b, f"{path}/{i}")]
    return [] if given == kept else [path]


@pytest.mark.parametrize("name", BOARDS)
def test_every_field_of_a_dashboard_is_one_of_grafanas_schema(name: str) -> None:
    """Grafana's own types, which are generated from its schema, drop a field that they do not know."""
    register_default_plugins()
    read = Dashboard.from_json(BOARDS[name])
    assert lost(BOARDS[name], json.loads(JSONEncoder(sort_keys=True).encode(read))) == []
    misspelt = {**BOARDS[name], "refrehs": "1m"}
    again = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(misspelt)))
    assert lost(misspelt, again) == ["/refrehs"]


@pytest.mark.parametrize("name", BOARDS)
def test_no_two_panels_lie_over_each_other(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken
        taken |= cells


def test_the_dashboards_have_addresses_of_their_own() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 4


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """An operator with a detector and a policy on a live series, scraped as the ServiceMonitor says."""
    install(cluster)
    lever = Lever()
    lever.values["boards"] = 10.0
    cluster.add_scrape_target("lever", f"127.0.0.1:{lever.port}", interval="1s")
    now, dice = time.time(), random.Random(1)
    samples = [(now - 600 + 2 * i, 10 + dice.gauss(0, 0.2)) for i in range(300)]
    labels = {"__name__": "lever", "case": "boards", "job": "lever", "instance": "lever"}
    cluster.remote_write([(labels, samples)])
    cluster.api("POST", "/api/v1/namespaces", {"metadata": {"name": "boards"}})
    view = View(cluster, "boards")
    view.apply("MetricsSource", "loop", {"url": cluster.prometheus_url, "limits": {"timeout": "5s", "maxSeries": 500}})
    view.apply("AnomalyDetector", "boards", detector("boards"))
    view.apply("ThresholdPolicy", "boards", policy("boards"))
    source = {"name": "loop"}
    view.apply("PatternReport", "boards", {"sourceRef": source, "schedule": {"type": "Once"}})
    view.apply("PatternReport", "boards-daily", {"sourceRef": source})
    running = OperatorProcess(cluster, tmp_path_factory.mktemp("operator")).start()
    cluster.add_scrape_target("opssight", f"127.0.0.1:{running.metrics_port}", interval="1s", honor_labels=True)
    try:
        view.reaches("adet", "boards", "Reconciled")
        view.reaches("tpol", "boards", "Reconciled")
        view.reaches("prep", "boards", "Reconciled")
        cluster.prometheus.wait_until('count(opssight_threshold_simulated_episodes_per_week{namespace="boards"}) > 0')
        cluster.prometheus.wait_until("min(count_over_time(opssight_leader[1m])) >= 5")
        (threshold,) = cluster.prometheus.query('opssight_threshold{policy="boards"}')
        now = time.time()
        another = threshold["metric"] | {"policy": "another"}  # or the operator's own would follow after a moment
        cluster.remote_write([(another | {"__name__": name}, [(now, x)]) for name, x in LATER.items()])
        yield running
    finally:
        running.end()
        cluster.remove_scrape_target("opssight")
        cluster.remove_scrape_target("lever")
        lever.close()
        cluster.api("DELETE", "/api/v1/namespaces/boards")


def test_every_metric_that_is_asked_for_is_exported(operator: OperatorProcess) -> None:
    own = exported_names(operator.metrics())
    declared = {name for name, _ in RESOURCE_GAUGES} | exported_names(b"".join(Telemetry().exposition()[0]).decode())
    used = set().union(*(metrics_in(expr) for expr in QUERIES))
    awaited = LATER.keys() | {"opssight_thresholds_held_total"}
    missing = used - own - awaited
    assert not missing, f"no operator exports {missing}"
    assert awaited - {"opssight_thresholds_held_total"} <= declared
    assert {"opssight_anomaly_score", "opssight_threshold", "opssight_reconcile_total"} <= used & own


@pytest.mark.parametrize("expr", QUERIES)
def test_prometheus_answers_every_query(cluster: Cluster, operator: OperatorProcess, expr: str) -> None:
    assert cluster.prometheus.query(filled(expr)) is not None, "a query that it refuses raises"


SILENT = re.compile(r"increase\(opssight_missed|InternalError|thresholds_held|> 1$")
"""What should not be: empty in an operator that works."""


@pytest.mark.parametrize("name", [name for name, (_, expr) in PANELS.items() if not SILENT.search(expr)])
def test_no_panel_of_a_working_operator_is_empty(cluster: Cluster, operator: OperatorProcess, name: str) -> None:
    expr = filled(PANELS[name][1])
    assert eventually(f"samples of {expr}", lambda: cluster.prometheus.query(expr), seconds=20)


def test_a_folder_of_boards_is_what_the_release_carries() -> None:
    assert {Path(name).stem for name in BOARDS} == {"operator", "detectors", "thresholds", "reports"}
