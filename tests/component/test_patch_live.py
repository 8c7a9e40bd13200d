"""Mode Patch on the real servers where it is refused, where it is cut short, and where the object is not loaded."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localcluster import Cluster, ClusterError
from localcluster.build import program

from component.faulty_door import Fault, FaultyDoor
from component.operator_process import OperatorProcess, View, eventually, policy, working
from component.test_delivery import RULES, expr_of, patch_status, put, theirs

CRD = "prometheusrules.monitoring.coreos.com"


@pytest.fixture(scope="module")
def door(cluster: Cluster) -> Iterator[FaultyDoor]:
    """The way of the operator to the API server."""
    with FaultyDoor(cluster.server_url, str(cluster.ca_file)) as running:
        yield running


@pytest.fixture(scope="module")
def operator(cluster: Cluster, door: FaultyDoor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    with working(
        cluster, folder, api_url=door.url, OPSSIGHT_ALLOW_PATCH="true", OPSSIGHT_API_TIMEOUT_SECONDS="3"
    ) as running:
        yield running


@pytest.fixture
def view(cluster: Cluster, namespace: str, operator: OperatorProcess) -> View:
    return View(cluster, namespace)


def patching(case: str, *, literal: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A policy that patches the user's alert."""
    named = {"target": {"name": "theirs"}, "alert": f"Lever{case}", **({"literal": literal} if literal else {})}
    delivery = {"mode": "Patch", "patch": {**named, **more.pop("patch", {})}}
    return policy(case, interval="2s", delivery=delivery, **more)


def test_an_operator_that_dies_right_after_a_patch_knows_its_own_number(
    view: View, operator: OperatorProcess, door: FaultyDoor, case: str
) -> None:
    original = f'lever{{case="{case}"}} > 12 # by hand\n'
    put(view, theirs(case))
    steps = {"maxStep": "0.05", "deadBand": "0", "cooldown": "6s", "whileFiring": "Allow"}  # 11.4, then 10.83
    view.apply("ThresholdPolicy", "dies", patching(case, literal={"value": "12"}, guardrails=steps))
    first = eventually("the first step is remembered", lambda: patch_status(view, "dies").get("value"))
    door.fault = Fault("hang", hits=lambda method, path: method == "PATCH" and "/dies/status" in path)
    try:
        eventually("the second step stands there", lambda: f"> {first} #" not in expr_of(view), seconds=60)
        assert patch_status(view, "dies")["value"] == first
        operator.kill()
    finally:
        door.fault = None
    operator.start()
    known = eventually(
        "it remembers what it wrote", lambda: (p := patch_status(view, "dies"))["value"] != first and p, seconds=60
    )
    assert (known["original"], known.get("reverts", 0)) == (original, 0)
    assert view.condition("tpol", "dies", "Applied")[1] == "Patched"
    found = view.cluster.api("GET", RULES.format(view.namespace, "theirs"))
    noted = json.loads(found["metadata"]["annotations"]["opssight.dev/originals"])["dies"]
    assert noted["expr"] == original


def test_an_object_that_helm_installed_is_left_to_it(view: View, case: str, tmp_path: Path) -> None:
    helm = program("helm")
    chart = tmp_path / "theirs"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: theirs, version: 0.1.0}\n")
    (chart / "templates" / "rule.yaml").write_text(json.dumps(theirs(case)))
    home = {name: str(tmp_path) for name in ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    where = ("--namespace", view.namespace, "--kubeconfig", str(view.cluster.kubeconfig))
    argv = [str(helm), "install", "theirs", str(chart), *where]
    subprocess.run(argv, capture_output=True, check=True, env={**home, "PATH": "/usr/bin:/bin"})
    assert view.get("prometheusrule", "theirs")["metadata"]["labels"]["opssight.dev/patch"] == "allowed"  # type: ignore[index]
    view.apply("ThresholdPolicy", "yields", patching(case))
    assert "Helm manages it" in view.reaches("tpol", "yields", "ManagedElsewhere")
    assert view.condition("tpol", "yields", "Applied")[1] == "ManagedElsewhere"
    assert "> 12 #" in expr_of(view)


def test_an_alert_that_is_not_there_or_there_twice_is_told_by_what_there_is(view: View, case: str) -> None:
    body = theirs(case)
    rules = body["spec"]["groups"][0]["rules"]
    rules.append({**rules[0], "labels": {"severity": "critical"}})
    put(view, body)
    view.apply("ThresholdPolicy", "nobody", patching(case, patch={"alert": "Nobody"}))
    view.apply("ThresholdPolicy", "either", patching(case))
    message = view.reaches("tpol", "nobody", "TargetNotFound")
    assert message.endswith(f"PrometheusRule theirs has no alert Nobody; it has Lever{case}, Other{case}")
    message = view.reaches("tpol", "either", "AmbiguousTarget")
    for severity in ("warning", "critical"):
        assert f"group theirs-{case}: Lever{case}{{severity={severity}}}" in message
    assert [expr_of(view, rule=at) for at in range(3)] == [rule["expr"] for rule in rules]
    view.apply("ThresholdPolicy", "either", patching(case, patch={"labels": {"severity": "critical"}}))
    view.reaches("tpol", "either", "Patched", "Applied")
    assert "> 12 #" in expr_of(view)
    assert "> 12 #" not in expr_of(view, rule=2)


STATUS = {  # of the definition that prometheus-operator has from 0.87 on
    "type": "object",
    "properties": {
        "bindings": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["group", "resource", "name", "namespace"],
            "items": {
                "type": "object",
                "required": ["group", "resource", "name", "namespace"],
                "properties": {
                    **{name: {"type": "string"} for name in ("group", "resource", "name", "namespace")},
                    "conditions": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["type"],
                        "items": {
                            "type": "object",
                            "required": ["lastTransitionTime", "status", "type"],
                            "properties": {
                                "lastTransitionTime": {"type": "string", "format": "date-time"},
                                "observedGeneration": {"type": "integer", "format": "int64"},
                                **{name: {"type": "string"} for name in ("type", "status", "reason", "message")},
                            },
                        },
                    },
                },
            },
        }
    },
}


@pytest.fixture
def newer_definition(cluster: Cluster) -> Iterator[None]:
    """PrometheusRule with the status of a newer prometheus-operator than the one that runs here."""
    places = {"/spec/versions/0/subresources": {"status": {}}}
    places["/spec/versions/0/schema/openAPIV3Schema/properties/status"] = STATUS
    added = [{"op": "add", "path": path, "value": value} for path, value in places.items()]
    cluster.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps(added))
    yield
    removed = [{"op": "remove", "path": path} for path in places]
    cluster.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps(removed))


def dropped(view: View, name: str) -> bool:
    """Write what a newer prometheus-operator says of what it drops; False while the API server knows no status."""
    generation = view.cluster.api("GET", RULES.format(view.namespace, name))["metadata"]["generation"]
    said = {"type": "Accepted", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    said |= {"reason": "InvalidConfiguration", "message": "a rule is invalid"}
    server = {"group": "monitoring.coreos.com", "resource": "prometheuses", "name": "k8s", "namespace": "monitoring"}
    bindings = [{**server, "conditions": [{**said, "observedGeneration": generation}]}]
    body = json.dumps({"status": {"bindings": bindings}})
    try:
        view.cluster.kubectl(
            *("patch", "prometheusrule", name, "-n", view.namespace, "--subresource=status", "--type=merge", "-p", body)
        )
    except ClusterError:
        return False
    return bool(view.cluster.api("GET", RULES.format(view.namespace, name)).get("status"))


def test_an_object_that_is_dropped_says_why_by_the_words_of_prometheus_and_of_its_operator(
    view: View, newer_definition: None, case: str
) -> None:
    body = theirs(case)
    body["spec"]["groups"][0]["rules"][1]["expr"] = f'mad_over_time(lever{{case="{case}"}}[5m]) > 9'
    put(view, body)
    view.apply("ThresholdPolicy", "not-loaded", patching(case))
    view.reaches("tpol", "not-loaded", "Patched", "Applied")
    message = view.reaches("tpol", "not-loaded", "RuleRejected", "RuleLoaded")
    assert message.startswith(f"theirs is not loaded: the expression of Other{case}: ")
    assert 'function "mad_over_time" is not enabled' in message
    eventually("its status is written", lambda: dropped(view, "theirs"))
    words = (
        "prometheus-operator dropped theirs for prometheuses monitoring/k8s: InvalidConfiguration: a rule is invalid; "
    )
    eventually("both are said", lambda: view.condition("tpol", "not-loaded", "RuleLoaded")[2].startswith(words))
    put(view, theirs(case))  # a newer generation, of which nothing is said yet
    view.reaches("tpol", "not-loaded", "Loaded", "RuleLoaded", seconds=60)
