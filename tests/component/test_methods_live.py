"""A fault in the live shop is found by every method, each in a detector of its own."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localcluster import Cluster

from component.operator_process import OperatorProcess, View, eventually, install
from opssight_detectors.registry import METHODS

QUERY = (
    'sum by (service) (rate(http_request_duration_seconds_sum{namespace="shop"}[1m])) '
    '/ sum by (service) (rate(http_request_duration_seconds_count{namespace="shop"}[1m]))'
)


def watching(method: str) -> dict[str, Any]:
    """A detector as a user would write it: slower than usual, and by half at least."""
    return {
        "sourceRef": {"name": "live"},
        "queries": [{"name": "latency", "expr": QUERY, "direction": "Above", "minDeviation": {"relative": "0.5"}}],
        "step": "1m",
        "interval": "5s",
        "trainingWindow": "3d",
        "method": {"type": method},
    }


@pytest.fixture
def replica(cluster: Cluster, shop_url: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    install(cluster)
    View(cluster, "").apply("MetricsSource", "live", {"url": cluster.prometheus_url})
    running = OperatorProcess(cluster, tmp_path).start()
    yield running
    running.end()
    with urllib.request.urlopen(urllib.request.Request(f"{shop_url}/fault", method="DELETE")):
        pass
    cluster.kubectl("delete", "msrc", "live")


def test_every_method_finds_the_service_that_became_slow(
    cluster: Cluster, shop_url: str, replica: OperatorProcess, namespace: str
) -> None:
    view = View(cluster, namespace)
    time.sleep(100)  # of live samples, so that the rate over a minute stands
    for method in METHODS:
        view.apply("AnomalyDetector", method.lower(), watching(method))
    for method in METHODS:
        view.reaches("adet", method.lower(), "Reconciled", seconds=90)
    fault = f"{shop_url}/fault?service=checkout&kind=latency&strength=3"
    with urllib.request.urlopen(urllib.request.Request(fault, method="POST")):
        pass
    missing = set(METHODS)

    def all_found() -> bool:
        items = json.loads(cluster.kubectl("get", "adet", "-n", namespace, "-o", "json"))["items"]
        for item in items:
            open_ones = [a for a in item.get("status", {}).get("anomalies", []) if "end" not in a]
            if any(a["labels"].get("service") == "checkout" for a in open_ones):
                missing.discard(item["spec"]["method"]["type"])
        return not missing

    try:
        eventually("every method has found it", all_found, 240, pause=2)
    except AssertionError:
        raise AssertionError(f"not found by {sorted(missing)}") from None
    assert "Traceback" not in replica.log, replica.log[-3000:]
