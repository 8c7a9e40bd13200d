"""Argo CD syncs the chart, our resources and a user's alert from Git, and nobody fights with anybody."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster import Cluster, Options
from localcluster.argocd import ArgoCD

from component.lever import Lever
from component.operator_process import ROOT, OperatorProcess, View, detector, eventually, policy

APPLY = {"server-side": ("ServerSideApply=true",), "client-side": ()}
USERS_ALERT = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {"name": "users-alert"},
    "spec": {
        "groups": [
            {
                "name": "users",
                "rules": [
                    {
                        "alert": "LeverTooHigh",
                        "expr": 'lever{case="gitops"} > on() group_left() '
                        '(max(opssight:threshold{policy="recorded"}) or on() vector(50))',
                    }
                ],
            }
        ]
    },
}


def consenting(name: str) -> dict[str, Any]:
    """A user's alert that may be patched, if nobody else writes it."""
    rule = {"alert": "ByHand", "expr": 'lever{case="gitops"} > 12', "labels": {"object": name}}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": {"opssight.dev/patch": "allowed"}},
        "spec": {"groups": [{"name": name, "rules": [rule]}]},
    }


def rendering() -> dict[str, Any]:
    alert = {"name": "Rendered", "for": "1s"}
    return policy("gitops", alert=alert, delivery={"mode": "Render", "render": {"labels": {"severity": "page"}}})


def patching(target: str) -> dict[str, Any]:
    return policy("gitops", delivery={"mode": "Patch", "patch": {"target": {"name": target}, "alert": "ByHand"}})


@dataclass
class Repository:
    """A Git work tree that Argo CD reads."""

    folder: Path

    def git(self, *arguments: str) -> None:
        """One git command, without the user's configuration."""
        names = ["-c", "user.name=shop", "-c", "user.email=shop@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *names, *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self, files: dict[str, list[dict[str, Any]] | None]) -> None:
        """Write files (None removes one) and commit."""
        for name, documents in files.items():
            path = self.folder / name
            if documents is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump_all(documents))
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")


def resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """One of our resources, as it stands in Git."""
    return {"apiVersion": "opssight.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def alerting(**more: Any) -> dict[str, Any]:
    return detector("gitops", alert={"for": "1s"}, **more)


SHOP = {
    "detector.yaml": [resource("AnomalyDetector", "watched", alerting())],
    "policies.yaml": [
        resource("ThresholdPolicy", "recommended", policy("gitops", delivery={"mode": "Recommend"})),
        resource("ThresholdPolicy", "recorded", policy("gitops")),
    ],
    "alert.yaml": [USERS_ALERT],
}


@dataclass
class World:
    """A cluster with Argo CD, the chart synced, and the operator that the chart's account belongs to."""

    cluster: Cluster
    argocd: ArgoCD
    repository: Repository
    replica: OperatorProcess

    def settled(self, app: str, health: str = "Healthy", seconds: float = 120) -> None:
        """Wait until the newest commit is synced and of this health.

        A request that comes while an older one is answered is dropped with it, so that it is repeated.
        """
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.repository.folder, check=True, capture_output=True, text=True
        ).stdout.strip()
        self.argocd.refresh(app)
        asked = time.monotonic()

        def look() -> bool:
            nonlocal asked
            state = self.argocd.state(app)
            if state.revision != head and time.monotonic() - asked > 3:
                self.argocd.refresh(app)
                asked = time.monotonic()
            return (state.sync, state.health, state.revision) == ("Synced", health, head)

        try:
            eventually(f"{app} is Synced and {health}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.argocd.state(app)}") from None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    work = tmp_path_factory.mktemp("argocd")
    repository = Repository(work / "repository")
    shutil.copytree(ROOT / "charts" / "opssight-operator", repository.folder / "chart")  # follows the link to the CRDs
    repository.git("init", "-q")
    for way in APPLY:
        repository.commit({f"{way}/{name}": documents for name, documents in SHOP.items()})
    health = yaml.safe_load((ROOT / "deploy" / "argocd" / "argocd-cm.yaml").read_text())["data"]
    lever = Lever()
    lever.values["gitops"] = 10.0
    with Cluster(options=Options()) as cluster, cluster.pretended_pods():
        cluster.add_scrape_target("lever", f"127.0.0.1:{lever.port}", interval="1s")
        now, dice = time.time(), random.Random(5)
        labels = {"__name__": "lever", "case": "gitops", "job": "lever", "instance": "lever"}
        cluster.remote_write([(labels, [(now - 600 + 2 * i, 10 + dice.gauss(0, 0.2)) for i in range(300)])])
        argocd = cluster.start_argocd(health)
        source = {"create": True, "name": "loop", "spec": {"url": cluster.prometheus_url}}
        monitoring = {"prometheusRule": {"enabled": True}, "serviceMonitor": {"enabled": True}}
        argocd.application(
            "opssight-operator",
            repository.folder,
            "chart",
            "opssight-system",
            options=("CreateNamespace=true", "ServerSideApply=true"),
            helm_values=yaml.safe_dump({"metricsSource": source, "dashboards": {"enabled": True}, **monitoring}),
        )
        account = ("get", "serviceaccount", "opssight-operator", "-n", "opssight-system", "--ignore-not-found")
        try:
            eventually("the chart is synced", lambda: cluster.kubectl(*account), 60)
        except AssertionError as error:
            raise AssertionError(f"{error}: {argocd.state('opssight-operator')}") from None
        replica = OperatorProcess(cluster, work, OPSSIGHT_ALLOW_PATCH="true").start()
        cluster.add_scrape_target("opssight", f"127.0.0.1:{replica.metrics_port}", interval="1s", honor_labels=True)
        try:
            yield World(cluster, argocd, repository, replica)
        finally:
            replica.end()
            lever.close()


@pytest.fixture(scope="module", params=APPLY)
def shop(world: World, request: pytest.FixtureRequest) -> Iterator[tuple[World, str, View]]:
    """The folder of our resources and a user's alert, synced in one of the two ways."""
    name = request.param
    options = ("CreateNamespace=true", *APPLY[name])
    world.argocd.application(name, world.repository.folder, name, name, options=options)
    world.settled(name)
    yield world, name, View(world.cluster, name)


def rules(view: View) -> dict[str, dict[str, Any]]:
    """All PrometheusRules of the namespace, by name."""
    listed = json.loads(view.cluster.kubectl("get", "prometheusrules", "-n", view.namespace, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item for item in listed}


def test_the_chart_is_synced_and_healthy(world: World) -> None:
    world.settled("opssight-operator")
    kinds = {row["kind"] for row in world.argocd.state("opssight-operator").resources}
    assert {"Deployment", "CustomResourceDefinition", "MetricsSource", "ServiceMonitor"} <= kinds


def test_it_stays_synced_while_the_operator_writes_rules_and_status(shop: tuple[World, str, View]) -> None:
    world, app, view = shop
    for kind, name in (("adet", "watched"), ("tpol", "recorded")):
        view.reaches(kind, name, "Loaded", "RuleLoaded", seconds=60)
    rules = json.loads(world.cluster.kubectl("get", "prometheusrules", "-n", app, "-o", "json"))["items"]
    before = {item["metadata"]["name"]: item["metadata"]["uid"] for item in rules}
    assert len(before) == 3, "two of ours, and the user's"
    seen = set()
    for look in range(12):
        world.argocd.refresh(app, "hard" if look % 4 == 0 else "normal")
        time.sleep(1)
        seen.add((world.argocd.state(app).sync, world.argocd.state(app).health))
    assert seen == {("Synced", "Healthy")}
    rules = json.loads(world.cluster.kubectl("get", "prometheusrules", "-n", app, "-o", "json"))["items"]
    assert {item["metadata"]["name"]: item["metadata"]["uid"] for item in rules} == before, "nothing of ours is pruned"
    assert {row["name"] for row in world.argocd.state(app).resources if row["kind"] == "PrometheusRule"} == {
        "users-alert"
    }


def test_a_commit_becomes_a_reconciled_resource(shop: tuple[World, str, View]) -> None:
    world, app, view = shop
    changed = resource("AnomalyDetector", "watched", alerting(minTrainingSamples=50))
    world.repository.commit({f"{app}/detector.yaml": [changed]})
    world.settled(app)
    found = view.get("adet", "watched")
    assert found is not None
    assert found["spec"]["minTrainingSamples"] == 50
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


YOUNG = f'lever{{case="gitops"}} and on () (vector(time()) > {time.time():.0f})'


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
def test_health_is_what_the_conditions_say(shop: tuple[World, str, View], change: dict[str, Any], health: str) -> None:
    world, app, _ = shop
    world.repository.commit({f"{app}/detector.yaml": [resource("AnomalyDetector", "watched", alerting(**change))]})
    world.settled(app, health)


def test_self_heal_and_the_operator_each_restore_their_own(shop: tuple[World, str, View]) -> None:
    world, app, view = shop
    edit = [{"op": "replace", "path": "/spec/interval", "value": "9s"}]
    world.cluster.kubectl("patch", "adet", "watched", "-n", app, "--type=json", "-p", json.dumps(edit))

    def healed() -> bool:
        return view.get("adet", "watched")["spec"]["interval"] == "2s"  # type: ignore[index]

    eventually("the spec is healed from Git", healed, 60)
    world.cluster.kubectl("delete", "prometheusrules", "-n", app, "--all")
    listing = ("get", "prometheusrules", "-n", app, "-o", "name")
    eventually("all three rules are back", lambda: len(world.cluster.kubectl(*listing).split()) == 3, 60)
    world.settled(app)


def test_what_leaves_git_is_pruned_with_its_rule(shop: tuple[World, str, View]) -> None:
    world, app, view = shop
    world.repository.commit({f"{app}/policies.yaml": None})
    world.settled(app)
    assert view.get("tpol", "recorded") is None
    listing = ("get", "prometheusrules", "-n", app, "-o", "name")
    eventually("its rule is collected", lambda: len(world.cluster.kubectl(*listing).split()) == 2, 30)
    world.settled(app)


def test_render_and_patch_leave_it_synced_and_patch_refuses_what_it_manages(shop: tuple[World, str, View]) -> None:
    world, app, view = shop
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
    seen = set()
    for look in range(12):
        world.argocd.refresh(app, "hard" if look % 4 == 0 else "normal")
        time.sleep(1)
        seen.add(world.argocd.state(app).sync)
    assert seen == {"Synced"}
    assert {name: found["metadata"]["uid"] for name, found in rules(view).items()} == {
        name: found["metadata"]["uid"] for name, found in before.items()
    }, "nothing is pruned"
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
