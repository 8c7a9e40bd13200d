"""The whole product as at a user's: a node, the shipped image by the shipped chart, prometheus-operator and Prometheus.

The tests are one story and run in this order; each asks for what it needs, so that one of them can be run alone.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from charts.rendering import NAMESPACE as SYSTEM
from charts.rendering import RELEASE
from demo.sights import all_ready, firing_alert, open_anomaly, post, recorded_thresholds, started_event, wait_for
from node import images

from e2e.conftest import VALUES, detector
from e2e.place import PODS, Place
from e2e.platforms import API_SERVER_STOPS

SERVICE = "checkout"
LOAD = 60
INTERVAL = 10.0


def thresholds(place: Place) -> dict[str, float]:
    """What Prometheus scraped of the operator, by policy and series."""
    rows = place.query("opssight_threshold")
    hidden = {"__name__", "pod", "instance", "container", "endpoint", "job"}
    return {
        json.dumps({k: v for k, v in row["metric"].items() if k not in hidden}, sort_keys=True): float(row["value"][1])
        for row in rows
    }


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


def test_every_resource_of_the_examples_is_ready(place: Place, resources: int) -> None:
    assert resources >= 8


def test_thresholds_of_two_weeks_are_recorded_by_prometheus(place: Place, resources: int) -> None:
    rows = wait_for("recorded thresholds", recorded_thresholds(place), 120)  # type: ignore[arg-type]
    policies = {labels["policy"] for labels, _ in rows}
    assert "frontend-latency" in policies
    assert all(value > 0 for _, value in rows)


def test_scores_are_scraped_with_the_namespace_of_their_resource(place: Place, resources: int) -> None:
    question = 'opssight_anomaly_score{detector="latency", namespace="shop", service="checkout"}'
    (row, *_) = wait_for("the score", lambda: place.query(question) or None, 90)
    assert float(row["value"][1]) >= 0


def test_a_fault_of_the_shop_fires_the_alert(place: Place, shop: str, resources: int) -> None:
    began = time.monotonic()
    post(f"{shop}/fault?service={SERVICE}&kind=latency")
    try:
        name, anomaly = wait_for("an open anomaly", open_anomaly(place, SERVICE), 240)  # type: ignore[arg-type]
        opened = time.monotonic() - began
        assert name == "latency" and anomaly["labels"]["service"] == SERVICE
        wait_for("the Event", started_event(place), 30)  # type: ignore[arg-type]
        labels = wait_for("the alert", firing_alert(place, SERVICE), 300)  # type: ignore[arg-type]
    finally:
        post(f"{shop}/fault", "DELETE")
    assert labels["severity"] == "warning" and labels["namespace"] == "shop"
    print(f"anomaly after {opened:.0f} s, alert after {time.monotonic() - began:.0f} s")


def test_killed_pods_come_back_with_the_same_thresholds(place: Place, resources: int) -> None:
    before = wait_for("thresholds", lambda: thresholds(place) or None, 60)
    old = {pod["metadata"]["name"] for pod in place.pods()}
    place.kubectl("delete", "pods", *PODS, "--grace-period=0", "--force")
    began = time.monotonic()

    def back() -> str | None:
        leader = place.leader()
        return leader if leader and leader not in old else None

    def all_again() -> dict[str, float] | None:
        found = thresholds(place)
        return found if found.keys() >= before.keys() else None

    wait_for("a new leader", back, 120)
    after = wait_for("all thresholds again", all_again, 120)
    print(f"thresholds again after {time.monotonic() - began:.0f} s")
    assert {key: after[key] for key in before} == before
    wait_for("every resource Ready", all_ready(place), 120)  # type: ignore[arg-type]


@pytest.mark.needs(API_SERVER_STOPS)
def test_without_the_api_for_a_while_it_goes_on_afterwards(place: Place, resources: int) -> None:
    url = place.prometheus_url
    place.platform.stop_apiserver()
    time.sleep(40)  # longer than a Lease
    place.platform.start_apiserver()
    assert place.prometheus_url == url
    wait_for("one leader", lambda: place.leader() or None, 120)
    place.kubectl("apply", "-f", "-", input=detector("afterwards", "10s", "sum(rate(http_requests_total[5m]))"))
    wait_for("every resource Ready, the new one included", all_ready(place), 120)  # type: ignore[arg-type]
    question = 'opssight_anomaly_score{detector="afterwards"}'
    wait_for("the score of the new one", lambda: place.query(question) or None, 60)


def test_an_upgrade_under_load_leaves_no_gap_longer_than_two_intervals(place: Place, resources: int) -> None:
    names = [f"load-{number}" for number in range(LOAD)]
    codes = ("200", "400", "500")
    expr = 'sum by (service) (rate(http_requests_total{{code="{}"}}[5m]))'
    load = [detector(name, f"{INTERVAL:.0f}s", expr.format(codes[k % 3])) for k, name in enumerate(names)]
    place.kubectl("apply", "-f", "-", input="---\n".join(load))
    selector = 'opssight_anomaly_score{detector=~"load-.+"}'

    def all_scored() -> bool | None:
        return len(place.query(f"count by (detector) ({selector})")) == LOAD or None

    wait_for("the load", all_scored, 180)
    time.sleep(INTERVAL)
    began = time.time()
    place.release("upgrade", VALUES | {"image": {"tag": "next"}, "settings": {"allowPatch": True, "fetchThreads": 6}})
    took = time.time() - began

    def new_everywhere() -> bool | None:
        pods = place.pods()
        fresh = [pod["spec"]["containers"][0]["image"] == images.next_image() for pod in pods]
        rows = place.query("opssight_build_info and on (pod) opssight_leader == 1")
        leading = [row["metric"]["version"] for row in rows]
        return (len(pods) == 2 and all(fresh) and leading == [images.NEXT_VERSION]) or None

    wait_for("the new version alone, and leading", new_everywhere, 90)
    time.sleep(3 * INTERVAL)
    gaps = place.longest_gap(selector, "detector", began, time.time() - 4)
    worst = max(gaps, key=gaps.__getitem__)
    print(f"upgrade in {took:.0f} s, longest gap {gaps[worst]:.1f} s of {len(gaps)} detectors ({worst})")
    assert gaps.keys() == set(names)
    assert gaps[worst] <= 2 * INTERVAL, f"{worst}: no score for {gaps[worst]:.1f} s"
    place.kubectl("delete", "anomalydetectors", "-n", "shop", *names, "--timeout=60s")


def test_an_uninstall_keeps_the_resources_when_asked_to_and_else_leaves_nothing(
    place: Place, before: set[str], resources: int
) -> None:
    place.helm("uninstall", RELEASE, "--wait", "--timeout", "120s")
    kept = {item["metadata"]["name"] for item in place.objects("anomalydetectors", "-n", "shop")}
    assert "latency" in kept, "crds.keep is true"
    assert recorded_thresholds(place)(), "a threshold in force stays in force"  # type: ignore[arg-type]
    values: dict[str, Any] = VALUES | {"crds": {"keep": False}, "replicas": 1}
    place.release("install", values)
    wait_for("every resource Ready", all_ready(place), 120)  # type: ignore[arg-type]
    place.kubectl("delete", "prometheusrules", "shop-traffic", "shop-alerts", "-n", "shop")  # the user's own
    place.helm("uninstall", RELEASE, "--wait", "--timeout", "120s")

    def left() -> set[str]:
        return {name for name in place.everything() - before if not name.startswith(("Pod/monitoring", "Pod/shop"))}

    try:
        wait_for("nothing left", lambda: True if not left() else None, 90)
    except Exception:
        pytest.fail(f"left behind: {sorted(left())}")
