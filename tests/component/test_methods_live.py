"""A fault in the live shop is found by every method; the textbook's list has one answer by every way to ask."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from localcluster import Cluster

from component.operator_process import OperatorProcess, View, eventually, install
from opssight_detectors.engine import detect_anomalies
from opssight_detectors.registry import METHODS
from opssight_operator.api import API_VERSION
from opssight_operator.core.timing import rfc3339

TEXTBOOK = [10, 12, 11, 50, 13, 12]
QUERY = (
    'sum by (service) (rate(http_request_duration_seconds_sum{namespace="shop"}[2m])) '
    '/ sum by (service) (rate(http_request_duration_seconds_count{namespace="shop"}[2m]))'
)
# A value a minute is judged, each over two minutes, so that every method finds the fault within two minutes of its own.
LIVE_SECONDS, TRAINED_SECONDS, FOUND_SECONDS = 120.0, 120.0, 240.0


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


def live_samples(cluster: Cluster) -> float:
    """Of the last two minutes; history has one a minute."""
    found = cluster.prometheus.query('count_over_time(http_request_duration_seconds_count{service="checkout"}[2m])')
    return max((float(row["value"][1]) for row in found), default=0.0)


def anomalies_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands in the status of a detector."""
    return list(item.get("status", {}).get("anomalies", []))


def is_open_at_checkout(anomaly: dict[str, Any]) -> bool:
    """Whether it has not ended, and is of the service that the test breaks."""
    return "end" not in anomaly and anomaly["labels"].get("service") == "checkout"


@pytest.fixture(scope="module")
def replica(cluster: Cluster, shop_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    install(cluster)
    View(cluster, "").apply("MetricsSource", "live", {"url": cluster.prometheus_url})
    running = OperatorProcess(cluster, tmp_path_factory.mktemp("methods")).start()
    yield running
    running.end()
    with urllib.request.urlopen(urllib.request.Request(f"{shop_url}/fault", method="DELETE")):
        pass
    cluster.kubectl("delete", "msrc", "live")


def test_the_fifty_is_found_by_the_library_the_command_line_and_a_resource(
    cluster: Cluster, replica: OperatorProcess, namespace: str
) -> None:
    (found,) = detect_anomalies(TEXTBOOK).anomalies
    assert (found.index, found.value, found.severity.label) == (3, 50, "Low")

    command = [sys.executable, "-m", "opssight_operator.cli", "detect", *map(str, TEXTBOOK), "-o", "json"]
    (said,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["anomalies"]
    assert (said["index"], said["value"], said["severity"]) == (3, 50, "Low")
    assert said["score"] == pytest.approx(found.score, abs=1e-4)

    step = 600  # long enough that the test is over before the list moves on
    left = step - time.time() % step
    time.sleep(left if left < 60 else 0)
    first = time.time() // step * step - 7 * step
    place = f"floor(vector((time() - {first:.0f}) / {step}))"
    parts = " + ".join(f"{value} * ({place} == bool {index})" for index, value in enumerate(TEXTBOOK))
    view = View(cluster, namespace)
    view.apply(
        "AnomalyDetector",
        "textbook",
        {
            "sourceRef": {"name": "live"},
            "queries": [{"name": "list", "expr": f"({parts}) > 0"}],
            "step": f"{step // 60}m",
            "trainingWindow": f"{3 * step // 60}m",
            "minTrainingSamples": 3,
            "interval": "5s",
            "method": {"type": "ZScore", "zScore": {"sensitivity": "2"}},
        },
    )

    def anomalies() -> list[dict[str, Any]]:
        return anomalies_of(view.get("adet", "textbook") or {})

    (anomaly,) = eventually("the resource has found it", anomalies, 60)
    assert anomaly["start"] == rfc3339(first + 3 * step)
    assert (anomaly["peak"], anomaly["expected"]) == ("50", "11")
    assert anomaly["severity"] in ("Low", "Medium", "High", "Critical")


@pytest.mark.timeout(60 + LIVE_SECONDS + TRAINED_SECONDS + FOUND_SECONDS)
def test_every_method_finds_the_service_that_became_slow(
    cluster: Cluster, shop_url: str, replica: OperatorProcess, namespace: str
) -> None:
    view, found = View(cluster, namespace), dict[str, float]()

    def finders() -> set[str]:
        items = cluster.api("GET", f"/apis/{API_VERSION}/namespaces/{namespace}/anomalydetectors")["items"]
        return {item["spec"]["method"]["type"] for item in items if any(map(is_open_at_checkout, anomalies_of(item)))}

    def all_found() -> bool:
        for method in finders() - set(found):
            found[method] = round(time.monotonic() - began, 1)
        return len(found) == len(METHODS)

    eventually("the shop is scraped", lambda: live_samples(cluster) >= 15, LIVE_SECONDS, pause=1)
    for method in METHODS:
        view.apply("AnomalyDetector", method.lower(), watching(method))
    over = time.monotonic() + TRAINED_SECONDS
    for method in METHODS:
        view.reaches("adet", method.lower(), "Reconciled", seconds=over - time.monotonic())
    assert not finders(), "there is nothing to find yet"
    fault = f"{shop_url}/fault?service=checkout&kind=latency&strength=3"
    with urllib.request.urlopen(urllib.request.Request(fault, method="POST")):
        began = time.monotonic()
    try:
        eventually("every method has found it", all_found, FOUND_SECONDS, pause=2)
    except AssertionError:
        missing = sorted(set(METHODS) - set(found))
        raise AssertionError(f"not found by {missing}; by the others after seconds: {found}") from None
    assert "Traceback" not in replica.log, replica.log[-3000:]
