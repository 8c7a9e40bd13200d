"""Argo CD syncs the chart, our resources and a user's alert from Git, and nobody fights with anybody."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from localcluster.ports import free_port

from component.gitops import (
    CHART,
    MODES,
    World,
    alerting,
    chart_application,
    chart_values,
    consenting,
    opened,
    patching,
    rendering,
    resource,
    shop_application,
)
from component.operator_process import NAMESPACE, View, eventually
from opssight_operator.core.conventions import SHARED_MANAGER


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("argocd")) as running:
        yield running


class Synced(NamedTuple):
    """An Application in one of the two ways to sync, and what a user sees where it puts its objects."""

    world: World
    app: str
    mode: str
    view: View


def synced(application: Callable[[str], dict[str, Any]]) -> Any:
    """A fixture with each of the two ways, made by ``application``."""

    @pytest.fixture(scope="module", params=MODES)
    def fixture(world: World, request: pytest.FixtureRequest) -> Synced:
        body = application(request.param)
        app = body["metadata"]["name"]
        world.argocd.application(body, world.repository.folder)
        world.settled(app)
        return Synced(world, app, request.param, View(world.cluster, body["spec"]["destination"]["namespace"]))

    return fixture


chart = synced(chart_application)  # a release, whose objects have the name of the Application
shop = synced(shop_application)  # the folder of our resources and a user's alert


MONITORING = "/apis/monitoring.coreos.com/v1"
GROUPS = {"configmaps": "/api/v1", "serviceaccounts": "/api/v1", "deployments": "/apis/apps/v1"}
GROUPS |= {"prometheusrules": MONITORING, "servicemonitors": MONITORING}


def listed(view: View, kind: str) -> dict[str, dict[str, Any]]:
    """All objects of a kind in the namespace, by name."""
    items = view.cluster.api("GET", f"{GROUPS[kind]}/namespaces/{view.namespace}/{kind}")["items"]
    return {item["metadata"]["name"]: item for item in items}


def rules(view: View) -> dict[str, dict[str, Any]]:
    return listed(view, "prometheusrules")


def reports(view: View) -> dict[str, dict[str, Any]]:
    """What our reports keep."""
    return {name: found for name, found in listed(view, "configmaps").items() if name.startswith("opssight-prep-")}


def identities(objects: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: found["metadata"]["uid"] for name, found in objects.items()}


def looked_at(world: World, app: str, seconds: int = 12) -> set[tuple[str, str]]:
    """What Argo CD says of an Application in the next seconds, asked again and again."""
    seen = set()
    for look in range(seconds):
        world.argocd.refresh(app, "hard" if look % 4 == 0 else "normal")
        time.sleep(1)
        seen.add((world.argocd.state(app).sync, world.argocd.state(app).health))
    return seen


def test_one_application_brings_the_operator_then_the_source_then_what_uses_it_in_one_sync(world: World) -> None:
    world.settled(CHART)
    state = world.argocd.state(CHART)
    kinds = {row["kind"] for row in state.resources}
    assert {"Deployment", "CustomResourceDefinition", "MetricsSource", "AnomalyDetector", "ServiceMonitor"} <= kinds
    assert state.syncs == 1
    view = View(world.cluster, NAMESPACE)
    source, first = view.get("msrc", "loop"), view.get("adet", "first")
    assert source is not None
    assert first is not None
    account = listed(view, "serviceaccounts")[CHART]["metadata"]["creationTimestamp"]
    (answered,) = (c["lastTransitionTime"] for c in source["status"]["conditions"] if c["type"] == "Ready")
    assert account < source["metadata"]["creationTimestamp"] <= answered <= first["metadata"]["creationTimestamp"]


def test_what_is_changed_or_deleted_of_the_chart_is_healed(chart: Synced) -> None:
    world, name, _, view = chart
    role_name = name if view.namespace == NAMESPACE else f"{view.namespace}-{name}"  # one of each release

    def standing() -> tuple[Any, ...]:
        role = world.cluster.api("GET", f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role_name}")
        return listed(view, "deployments")[name]["spec"], role["rules"], set(listed(view, "servicemonitors"))

    before = standing()
    assert name in before[2]
    scaled = json.dumps({"spec": {"replicas": 3}})
    world.cluster.kubectl("patch", "deployment", name, "-n", view.namespace, "--type=merge", "-p", scaled)
    widened = [{"op": "add", "path": "/rules/-", "value": {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}}]
    world.cluster.kubectl("patch", "clusterrole", role_name, "--type=json", "-p", json.dumps(widened))
    world.cluster.kubectl("delete", "servicemonitor", name, "-n", view.namespace)
    eventually("all three are as in Git", lambda: standing() == before, 60)
    world.settled(name)


def test_what_is_turned_off_in_the_values_is_pruned_and_nothing_else(chart: Synced) -> None:
    world, name, mode, view = chart

    def dashboards() -> set[str]:
        return {found for found in listed(view, "configmaps") if found.startswith(f"{name}-dashboard-")}

    assert dashboards()
    before = identities(listed(view, "deployments")), identities(listed(view, "servicemonitors"))
    world.repository.commit(chart_values(mode, world.cluster.prometheus_url, dashboards=False))
    world.settled(name)
    eventually("the dashboards are gone", lambda: not dashboards(), 30)
    assert (identities(listed(view, "deployments")), identities(listed(view, "servicemonitors"))) == before


def test_it_stays_synced_while_the_operator_writes_rules_and_status(shop: Synced) -> None:
    world, app, _, view = shop
    for kind, name in (("adet", "watched"), ("tpol", "recorded"), ("tpol", "shares"), ("tpol", "shares-too")):
        view.reaches(kind, name, "Loaded", "RuleLoaded", seconds=60)
    view.reaches("prep", "reported", "Reconciled", seconds=60)
    before = identities(rules(view) | reports(view))
    assert set(rules(view)) == {"opssight-adet-watched", "opssight-tpol-recorded", "shared", "users-alert"}
    shared = world.cluster.kubectl("get", "prometheusrule", "shared", "-n", app, "-o", "json", "--show-managed-fields")
    managers = {entry["manager"] for entry in json.loads(shared)["metadata"]["managedFields"]}
    assert sum(manager.startswith(SHARED_MANAGER) for manager in managers) == 2, "each policy has one of its own"
    assert reports(view)
    assert looked_at(world, app) == {("Synced", "Healthy")}
    assert identities(rules(view) | reports(view)) == before, "nothing of ours is pruned"
    managed = {(row["kind"], row["name"]) for row in world.argocd.state(app).resources}
    assert {name for kind, name in managed if kind in ("PrometheusRule", "ConfigMap")} == {"users-alert"}


def test_a_commit_becomes_a_reconciled_resource(shop: Synced) -> None:
    world, app, _, view = shop
    changed = resource("AnomalyDetector", "watched", alerting(minTrainingSamples=50))
    world.repository.commit({f"{app}/detector.yaml": [changed]})
    world.settled(app)
    found = view.get("adet", "watched")
    assert found is not None
    assert found["spec"]["minTrainingSamples"] == 50
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


YOUNG = 'lever{case="gitops"} and on () (vector(time()) > BEGAN)'


@pytest.mark.parametrize(
    ("change", "health"),
    [
        ({"queries": [{"name": "lever", "expr": "sum(rate(lever"}]}, "Degraded"),
        ({"queries": [{"name": "lever", "expr": YOUNG}], "minTrainingSamples": 200}, "Progressing"),
        ({"suspend": True}, "Suspended"),
        ({}, "Healthy"),
    ],
    ids=[
        "a broken query is Degraded",
        "a young series is Progressing",
        "a suspended one is Suspended",
        "a mended one is Healthy again",
    ],
)
def test_health_is_what_the_conditions_say(shop: Synced, change: dict[str, Any], health: str) -> None:
    world, app, *_ = shop
    began = json.loads(json.dumps(change).replace("BEGAN", f"{time.time():.0f}"))
    world.repository.commit({f"{app}/detector.yaml": [resource("AnomalyDetector", "watched", alerting(**began))]})
    world.settled(app, health)


def test_self_heal_and_the_operator_each_restore_their_own(shop: Synced) -> None:
    world, app, _, view = shop
    edit = [{"op": "replace", "path": "/spec/interval", "value": "9s"}]
    world.cluster.kubectl("patch", "adet", "watched", "-n", app, "--type=json", "-p", json.dumps(edit))

    def healed() -> bool:
        return view.get("adet", "watched")["spec"]["interval"] == "2s"  # type: ignore[index]

    eventually("the spec is healed from Git", healed, 60)
    before = set(rules(view))
    world.cluster.kubectl("delete", "prometheusrules", "-n", app, "--all")
    eventually("all rules are back", lambda: set(rules(view)) == before, 60)
    world.settled(app)


def test_a_source_that_does_not_answer_is_progressing_until_it_does(shop: Synced) -> None:
    world, app, _, view = shop
    place, name = f"{app}/source.yaml", f"{app}-source"
    dead = resource("MetricsSource", name, {"url": f"http://127.0.0.1:{free_port()}"})
    world.repository.commit({place: [dead]})
    world.settled(app, "Progressing")
    view.reaches("msrc", name, "PrometheusUnreachable")
    assert looked_at(world, app, seconds=3) == {("Synced", "Progressing")}
    world.repository.commit({place: [resource("MetricsSource", name, {"url": world.cluster.prometheus_url})]})
    world.settled(app)


def test_what_leaves_git_is_pruned_with_what_it_owns(shop: Synced) -> None:
    world, app, _, view = shop
    gone = ("policies.yaml", "shared.yaml", "report.yaml", "source.yaml")
    world.repository.commit({f"{app}/{name}": None for name in gone})
    world.settled(app)
    assert view.get("tpol", "recorded") is None
    eventually("rules are collected", lambda: set(rules(view)) == {"opssight-adet-watched", "users-alert"}, 30)
    eventually("reports are collected", lambda: not reports(view), 30)
    world.settled(app)


def test_render_and_patch_leave_it_synced_and_patch_refuses_what_it_manages(shop: Synced) -> None:
    world, app, _, view = shop
    world.cluster.kubectl("apply", "-n", app, "-f", "-", input=json.dumps(consenting("by-hand")))
    modes = [
        resource("ThresholdPolicy", "rendered", rendering()),
        resource("ThresholdPolicy", "patches-by-hand", patching("by-hand")),
    ]
    refused = [resource("ThresholdPolicy", "patches-git", patching("in-git")), consenting("in-git")]
    world.repository.commit({f"{app}/modes.yaml": modes, f"{app}/refused.yaml": refused})
    world.settled(app, "Degraded")
    message = view.reaches("tpol", "patches-git", "ManagedElsewhere", "Applied", seconds=60)
    assert "Argo CD manages it (argocd.argoproj.io/tracking-id)" in message
    view.reaches("tpol", "rendered", "Loaded", "RuleLoaded", seconds=60)
    view.reaches("tpol", "patches-by-hand", "Patched", "Applied", seconds=60)
    view.reaches("tpol", "patches-by-hand", "Loaded", "RuleLoaded", seconds=60)

    def expr_of(name: str) -> str:
        return str(rules(view)[name]["spec"]["groups"][0]["rules"][0]["expr"])

    before = rules(view)
    assert set(before) == {"opssight-adet-watched", "users-alert", "by-hand", "in-git", "opssight-tpol-rendered"}
    assert expr_of("in-git") == 'lever{case="gitops"} > 12', "what Argo CD manages is as it is in Git"
    assert expr_of("by-hand") != 'lever{case="gitops"} > 12'
    assert {sync for sync, _ in looked_at(world, app)} == {"Synced"}
    assert identities(rules(view)) == identities(before), "nothing is pruned"
    assert {name: found["metadata"]["generation"] for name, found in rules(view).items()} == {
        name: found["metadata"]["generation"] for name, found in before.items()
    }, "nothing is written again"
    ours = {row["name"] for row in world.argocd.state(app).resources if row["kind"] == "PrometheusRule"}
    assert ours == {"users-alert", "in-git"}

    edit = [{"op": "replace", "path": "/spec/groups/0/rules/0/expr", "value": 'lever{case="gitops"} > 77'}]
    world.cluster.kubectl("patch", "prometheusrule", "in-git", "-n", app, "--type=json", "-p", json.dumps(edit))
    eventually("self-heal restores what is in Git", lambda: expr_of("in-git").endswith("> 12"), 60)
    world.cluster.kubectl("delete", "prometheusrule", "opssight-tpol-rendered", "-n", app)
    eventually("the rendered rule is back", lambda: "opssight-tpol-rendered" in rules(view), 60)

    patched = expr_of("by-hand")
    world.repository.commit({f"{app}/refused.yaml": None})
    world.settled(app)
    world.repository.commit({f"{app}/modes.yaml": None})
    world.settled(app)
    eventually(
        "with the policies their rule goes, and nothing else",
        lambda: set(rules(view)) == {"opssight-adet-watched", "users-alert", "by-hand"},
    )
    assert expr_of("by-hand") == patched, "whose alert it is decides on its number now"
    world.cluster.kubectl("delete", "prometheusrule", "by-hand", "-n", app)
