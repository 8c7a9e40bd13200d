"""What Flux makes of our kinds: kstatus itself judges them as they stand on the API server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from localcluster import Cluster
from localcluster.build import program
from localcluster.ports import free_port

from component.operator_process import OperatorProcess, View, detector, eventually, install, policy, working

FINALIZER = "tests.opssight.dev/hold"


def good(cluster: Cluster, case: str) -> dict[str, dict[str, Any]]:
    """A spec of each kind that can be done."""
    return {
        "MetricsSource": {"url": cluster.prometheus_url},
        "AnomalyDetector": detector(case),
        "ThresholdPolicy": policy(case),
        "PatternReport": {"sourceRef": {"name": "loop"}, "schedule": {"type": "Once"}},
    }


BAD = {
    "AnomalyDetector": {"queries": [{"name": "lever", "expr": "sum(rate(lever"}]},
    "ThresholdPolicy": {"expr": "sum(rate(lever"},
    "PatternReport": {"schedule": {"type": "Cron", "timeZone": "Nowhere/Here"}},
}  # what can be wrong with a MetricsSource is refused when it is written


def kstatus(view: View, kind: str, name: str) -> tuple[str, str]:
    """Status and message."""
    found = view.get(kind, name)
    assert found is not None
    done = subprocess.run([program("kstatus")], input=json.dumps(found), capture_output=True, text=True, check=True)
    status, message = done.stdout.rstrip("\n").split("\n", 1)
    return status, message


def becomes(view: View, kind: str, name: str, status: str) -> str:
    """Wait for a status; the message that comes with it."""

    def look() -> str | None:
        seen, message = kstatus(view, kind, name)
        return message if seen == status else None

    return eventually(f"{kind} {name} is {status} for kstatus", look, seconds=60)


@pytest.fixture
def view(cluster: Cluster, namespace: str) -> Iterator[View]:
    yield View(cluster, namespace)
    cluster.kubectl("delete", "msrc", namespace, "--ignore-not-found", "--wait=false")  # it has no namespace


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    with working(cluster, tmp_path_factory.mktemp("operator")) as running:
        yield running


def test_what_nobody_looks_at_is_in_progress_so_that_a_wait_is_no_wait_for_nothing(view: View) -> None:
    install(view.cluster)  # and no operator
    for kind, spec in good(view.cluster, "nobody").items():
        view.apply(kind, view.namespace, spec)
        status, message = kstatus(view, kind, view.namespace)
        assert (status, message) == ("InProgress", f"{kind} generation is 1, but latest observed generation is -1")


def test_what_is_ready_is_current_and_what_is_deleted_is_terminating(
    view: View, case: str, operator: OperatorProcess
) -> None:
    for kind, spec in good(view.cluster, case).items():
        view.apply(kind, view.namespace, spec, finalizers=[FINALIZER])
    for kind in good(view.cluster, case):
        assert becomes(view, kind, view.namespace, "Current") == "Resource is Ready"
        view.cluster.kubectl("delete", kind, view.namespace, "-n", view.namespace, "--wait=false")
        assert kstatus(view, kind, view.namespace)[0] == "Terminating"
        free = json.dumps({"metadata": {"finalizers": None}})
        view.cluster.kubectl("patch", kind, view.namespace, "-n", view.namespace, "--type=merge", "-p", free)


@pytest.mark.parametrize("kind", BAD)
def test_a_spec_that_cannot_be_is_failed_until_a_person_mends_it(
    view: View, case: str, operator: OperatorProcess, kind: str
) -> None:
    spec = good(view.cluster, case)[kind]
    view.apply(kind, "mended", {**spec, **BAD[kind]})
    message = becomes(view, kind, "mended", "Failed")
    _, reason, said = view.condition(kind, "mended", "Stalled")
    assert reason in ("InvalidQuery", "InvalidSpec")
    assert message == said != ""
    view.apply(kind, "mended", spec)
    becomes(view, kind, "mended", "Current")
    assert view.condition(kind, "mended", "Stalled") == ("", "", ""), "it is absent while all is well"


def test_what_may_come_by_itself_is_in_progress(view: View, case: str, operator: OperatorProcess) -> None:
    view.apply("MetricsSource", view.namespace, {"url": f"http://127.0.0.1:{free_port()}"})
    view.reaches("MetricsSource", view.namespace, "PrometheusUnreachable")
    view.apply("AnomalyDetector", "early", {**detector(case), "sourceRef": {"name": "not-yet-there"}})
    view.reaches("AnomalyDetector", "early", "SourceMissing")
    for kind, name in (("MetricsSource", view.namespace), ("AnomalyDetector", "early")):
        assert kstatus(view, kind, name)[0] == "InProgress"
