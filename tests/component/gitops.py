"""Argo CD, a Git repository and the operator, for the tests of GitOps."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from localcluster import Cluster, Options
from localcluster.argocd import ArgoCD

from component.lever import Lever
from component.operator_process import NAMESPACE, ROOT, OperatorProcess, detector, eventually, policy

DEPLOY = ROOT / "deploy" / "argocd"
CHART, SHOP = "opssight-operator", "shop"
MODES = ("server-side", "client-side")
"""How Argo CD applies: as our examples say, and as it does where nothing is said."""
WAVE = "argocd.argoproj.io/sync-wave"
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


def resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """One of our resources, as it stands in Git."""
    return {"apiVersion": "opssight.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def alerting(**more: Any) -> dict[str, Any]:
    return detector("gitops", alert={"for": "1s"}, **more)


def sharing() -> dict[str, Any]:
    """A policy whose rule stands in an object with those of others, each by a field manager of its own."""
    return policy("gitops", delivery={"mode": "Record", "record": {"sharedObject": "shared"}})


FOLDER = {
    "detector.yaml": [resource("AnomalyDetector", "watched", alerting())],
    "policies.yaml": [
        resource("ThresholdPolicy", "recommended", policy("gitops", delivery={"mode": "Recommend"})),
        resource("ThresholdPolicy", "recorded", policy("gitops")),
    ],
    "shared.yaml": [resource("ThresholdPolicy", name, sharing()) for name in ("shares", "shares-too")],
    "report.yaml": [
        resource("PatternReport", "reported", {"sourceRef": {"name": "loop"}, "schedule": {"type": "Once"}})
    ],
    "alert.yaml": [USERS_ALERT],
}
"""What a team keeps in its folder."""


def shop_application(mode: str) -> dict[str, Any]:
    """The example as it is; where nothing is said of the mode, a folder and a namespace of its own."""
    body: dict[str, Any] = yaml.safe_load((DEPLOY / "application-resources.yaml").read_text())
    if mode == "client-side":
        name = f"{SHOP}-{mode}"
        body["metadata"]["name"] = body["spec"]["source"]["path"] = body["spec"]["destination"]["namespace"] = name
        body["spec"]["syncPolicy"]["syncOptions"].remove("ServerSideApply=true")
    return body


def chart_application(mode: str) -> dict[str, Any]:
    """The example as it is; where nothing is said of the mode, a second release without the CRDs, which are there."""
    body: dict[str, Any] = yaml.safe_load((DEPLOY / "application-chart.yaml").read_text())
    if mode == "client-side":
        body["metadata"]["name"] = body["spec"]["destination"]["namespace"] = f"{CHART}-{mode}"
        body["spec"]["source"]["helm"]["valueFiles"] = [f"/{mode}/opssight-values.yaml"]
        body["spec"]["syncPolicy"]["syncOptions"].remove("ServerSideApply=true")
    return body


def chart_values(mode: str, prometheus_url: str, *, dashboards: bool = True) -> dict[str, list[dict[str, Any]]]:
    """The values of the chart at their place in Git.

    The first release is all in one Application: the operator, the source, and a detector that uses it.
    """
    first = resource("AnomalyDetector", "first", detector("gitops"))
    first["metadata"] |= {"namespace": NAMESPACE, "annotations": {WAVE: "2"}}
    apart = {
        "server-side": {"extraObjects": [first]},
        "client-side": {"fullnameOverride": f"{CHART}-{mode}", "crds": {"enabled": False}},
    }
    values = {
        "metricsSource": {
            "create": True,
            "name": "loop" if mode == "server-side" else "second",
            "spec": {"url": prometheus_url},
        },
        "dashboards": {"enabled": dashboards},
        "prometheusRule": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        **apart[mode],
    }
    (place,) = chart_application(mode)["spec"]["source"]["helm"]["valueFiles"]
    return {place.removeprefix("/"): [values]}


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


@contextmanager
def opened(work: Path) -> Iterator[World]:
    """Everything on an empty cluster: Argo CD brings the operator, and its process starts when its account is there."""
    repository = Repository(work / "repository")
    shutil.copytree(ROOT / "charts" / CHART, repository.folder / "charts" / CHART)  # follows the link to the CRDs
    repository.git("init", "-q")
    for mode in MODES:
        folder = shop_application(mode)["spec"]["source"]["path"]
        repository.commit({f"{folder}/{name}": documents for name, documents in FOLDER.items()})
    health = yaml.safe_load((DEPLOY / "argocd-cm.yaml").read_text())["data"]
    lever = Lever()
    lever.values["gitops"] = 10.0
    with Cluster(options=Options()) as cluster, cluster.pretended_pods():
        cluster.add_scrape_target("lever", f"127.0.0.1:{lever.port}", interval="1s")
        now, dice = time.time(), random.Random(5)
        labels = {"__name__": "lever", "case": "gitops", "job": "lever", "instance": "lever"}
        cluster.remote_write([(labels, [(now - 600 + 2 * i, 10 + dice.gauss(0, 0.2)) for i in range(300)])])
        argocd = cluster.start_argocd(health)
        for mode in MODES:
            repository.commit(chart_values(mode, cluster.prometheus_url))
        argocd.application(chart_application("server-side"), repository.folder)
        account = ("get", "serviceaccount", CHART, "-n", NAMESPACE, "--ignore-not-found")
        try:
            eventually("the operator is synced", lambda: cluster.kubectl(*account), 60)
        except AssertionError as error:
            raise AssertionError(f"{error}: {argocd.state(CHART)}") from None
        replica = OperatorProcess(cluster, work, OPSSIGHT_ALLOW_PATCH="true").start()
        try:
            yield World(cluster, argocd, repository, replica)
        finally:
            replica.end()
            lever.close()
