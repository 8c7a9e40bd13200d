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

from component.operator_process import ROOT, Lever, OperatorProcess, View, detector, eventually, policy

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

    def settled(self, app: str, health: str = "Healthy", seconds: float = 60) -> None:
        """Wait until the newest commit is synced and of this health."""
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.repository.folder, check=True, capture_output=True, text=True
        ).stdout.strip()
        self.argocd.refresh(app)

        def look() -> bool:
            state = self.argocd.state(app)
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
        replica = OperatorProcess(cluster, work).start()
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
    world.settled(name, seconds=90)
    yield world, name, View(world.cluster, name)


def test_the_chart_is_synced_and_healthy(world: World) -> None:
    world.settled("opssight-operator", seconds=90)
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


@pytest.mark.parametrize(
    ("change", "health"),
    [
        ({"queries": [{"name": "lever", "expr": "sum(rate(lever"}]}, "Degraded"),
        ({"suspend": True}, "Suspended"),
        ({}, "Healthy"),
    ],
    ids=["a broken query is Degraded", "a suspended one is Suspended", "a mended one is Healthy again"],
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
