"""The whole product as at a user's: a node, the shipped image by the shipped chart, prometheus-operator and Prometheus.

The tests of this folder are one story and run in the order of ``conftest.STORY``; each asks for what it needs.
"""

from __future__ import annotations

import re
import time

import pytest
import yaml
from charts.rendering import CHART
from charts.rendering import NAMESPACE as SYSTEM
from demo.sights import (
    ask_for_report,
    firing_alert,
    open_anomaly,
    post,
    recorded_thresholds,
    report_on,
    started_event,
    wait_for,
)
from node import images

from e2e.place import Place

SERVICE = "checkout"


def test_the_operator_runs_as_a_restricted_pod(place: Place, release: None) -> None:
    pods = place.pods()
    assert len(pods) == 2
    for pod in pods:
        (status,) = pod["status"]["containerStatuses"]
        assert status["ready"] and status["restartCount"] == 0
        assert status["image"] == images.operator_image()
    name = pods[0]["metadata"]["name"]
    command = place.kubectl("exec", "-n", SYSTEM, name, "--", "cat", "/proc/1/cmdline").split("\0")
    assert command[:4] == ["/opt/opssight/bin/python", "-I", "-m", "opssight_operator"]
    environment = place.kubectl("exec", "-n", SYSTEM, name, "--", "cat", "/proc/1/environ").split("\0")
    assert "PLATFORM=as the chart was told" in environment
    look = (
        "import os, pathlib; status = pathlib.Path('/proc/1/status').read_text(); print(os.getuid(), status)\n"
        "try: pathlib.Path('/written').touch(); print('WRITTEN')\n"
        "except OSError as problem: print(problem.strerror)"
    )
    said = place.kubectl("exec", "-n", SYSTEM, name, "--", "/opt/opssight/bin/python", "-c", look)
    assert said.startswith("65532 ") and "Read-only file system" in said and "WRITTEN" not in said
    fields = dict(re.findall(r"^(\w+):\s+(\w+)$", said, re.MULTILINE))
    assert int(fields["CapEff"], 16) == 0 and fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"


def test_one_replica_leads_and_prometheus_scrapes_both_by_the_service_monitor(place: Place, release: None) -> None:
    names = {pod["metadata"]["name"] for pod in place.pods()}

    def scraped() -> set[str] | None:
        seen = {row["metric"]["pod"] for row in place.query("opssight_build_info")}
        return seen if seen >= names else None

    wait_for("both pods to be scraped", scraped, 90)
    wait_for("one leader", lambda: place.leader() or None, 60)


def test_the_alerts_of_the_release_are_loaded_by_prometheus_and_can_be_evaluated(place: Place, release: None) -> None:
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    wanted = {rule["alert"]: "ok" for group in file["groups"] for rule in group["rules"]}
    wait_for("every alert", lambda: (wanted.items() <= place.alert_rules().items()) or None, 90)


def test_every_resource_of_the_examples_and_the_source_of_the_release_is_ready(place: Place, resources: int) -> None:
    assert resources >= 9
    sources = {item["metadata"]["name"] for item in place.objects("metricssources")}
    assert sources == {"default", "platform"}


def test_thresholds_of_two_weeks_are_recorded_by_prometheus(place: Place, resources: int) -> None:
    rows = wait_for("recorded thresholds", recorded_thresholds(place), 120)  # type: ignore[arg-type]
    policies = {labels["policy"] for labels, _ in rows}
    assert "frontend-latency" in policies
    assert all(value > 0 for _, value in rows)


def test_scores_are_scraped_with_the_namespace_of_their_resource(place: Place, resources: int) -> None:
    question = 'opssight_anomaly_score{detector="latency", namespace="shop", service="checkout"}'
    (row, *_) = wait_for("the score", lambda: place.query(question) or None, 90)
    assert float(row["value"][1]) >= 0


@pytest.mark.usefixtures("image_told")  # which is looked into while this test waits
def test_a_fault_of_the_shop_fires_the_alert_and_stands_in_the_report(place: Place, shop: str, resources: int) -> None:
    began = time.monotonic()
    post(f"{shop}/fault?service={SERVICE}&kind=latency")
    try:
        seen = open_anomaly(place, SERVICE, "latency")  # type: ignore[arg-type]
        wait_for("an open anomaly", seen, 240)  # of service-health, too, which may see it first and alerts later
        opened = time.monotonic() - began
        wait_for("the Event", started_event(place), 30)  # type: ignore[arg-type]
        labels = wait_for("the alert", firing_alert(place, SERVICE), 300)  # type: ignore[arg-type]
        fired = time.monotonic() - began
        ask_for_report(place, "just-now", "1h")  # type: ignore[arg-type]
        wait_for("a report that names it", report_on(place, "just-now", SERVICE), 60)  # type: ignore[arg-type]
    finally:
        post(f"{shop}/fault", "DELETE")
    assert labels["severity"] == "warning" and labels["namespace"] == "shop"
    print(f"anomaly after {opened:.0f} s, alert after {fired:.0f} s, report after {time.monotonic() - began:.0f} s")
