"""Argo CD without a node: its repository server and its controller beside the cluster, syncing local repositories."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import http, servers
from .build import program
from .controlplane import ControlPlane
from .ports import free_ports

NAMESPACE = "argocd"
GROUP = "/apis/argoproj.io/v1alpha1"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PART_OF = {"app.kubernetes.io/part-of": "argocd"}
CONFIG_MAPS = ("argocd-cm", "argocd-rbac-cm", "argocd-tls-certs-cm", "argocd-ssh-known-hosts-cm", "argocd-gpg-keys-cm")
SERVERS = ("argocd-redis", "argocd-repo-server", "argocd-application-controller")


@dataclass(frozen=True)
class AppState:
    """What Argo CD says of an Application; empty strings before it has looked."""

    sync: str
    health: str
    message: str
    revision: str
    resources: tuple[Mapping[str, Any], ...]
    syncs: int
    """How many syncs came to their end."""


class ArgoCD:
    """The controller and what it needs; ``settings`` become the data of argocd-cm."""

    def __init__(self, control_plane: ControlPlane, settings: Mapping[str, str]) -> None:
        self._control_plane = control_plane
        self._api = control_plane.api
        self._settings = dict(settings)

    def start(self) -> None:
        """Install CRDs and configuration, start the servers, wait until they answer."""
        self._install()
        redis, repo, repo_metrics, metrics = free_ports(4)
        supervision, tools = self._control_plane.supervision, program("argocd").parent
        work = supervision.state / "argocd"
        for folder in ("tls", "ssh", "tmp"):
            (work / folder).mkdir(parents=True)
        environment = {
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_TLS_DATA_PATH": str(work / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(work / "ssh"),
            "TMPDIR": str(work / "tmp"),
            "PATH": os.pathsep.join([str(tools), str(program("helm").parent), os.environ.get("PATH", "")]),
        }
        host = servers.HOST
        supervision.spawn(SERVERS[0], [str(tools / SERVERS[0]), f"{host}:{redis}"])
        supervision.spawn(
            SERVERS[1],
            [
                *(str(tools / SERVERS[1]), "--redis", f"{host}:{redis}", "--address", host, "--port", str(repo)),
                *("--metrics-address", host, "--metrics-port", str(repo_metrics), "--disable-tls"),
            ],
            environment,
        )
        supervision.wait_for(
            "Argo CD's repository server", lambda: http.is_ok(f"http://{host}:{repo_metrics}/metrics"), SERVERS[:2]
        )
        supervision.spawn(
            SERVERS[2],
            [
                *(str(tools / SERVERS[2]), "--namespace", NAMESPACE, "--redis", f"{host}:{redis}"),
                *("--kubeconfig", str(self._control_plane.pki.kubeconfig("admin"))),
                *("--repo-server", f"{host}:{repo}", "--repo-server-plaintext", "--metrics-port", str(metrics)),
                *("--app-resync", "10", "--app-resync-jitter", "0"),
            ],
            environment,
        )
        supervision.wait_for(
            "Argo CD's controller", lambda: http.is_ok(f"http://{host}:{metrics}/healthz"), list(SERVERS)
        )

    def application(self, body: Mapping[str, Any], repository: Path) -> None:
        """Apply an Application that reads this folder and writes into this cluster; all else is as it says."""
        spec = body["spec"]
        local = {
            **spec,
            "source": {**spec["source"], "repoURL": f"file://{repository}"},
            "destination": {**spec["destination"], "server": self._control_plane.url},
        }
        self._control_plane.kubectl("apply", "--server-side", "-f", "-", input=json.dumps({**body, "spec": local}))

    def refresh(self, name: str, how: str = "normal") -> None:
        """Look at Git and at the cluster now: without it a commit may be seen minutes later. ``hard``: render anew."""
        annotation = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": how}}}
        self._api.call("PATCH", self._path(name), annotation, "application/merge-patch+json")

    def state(self, name: str) -> AppState:
        """What it says of an Application now."""
        status = self._api.call("GET", self._path(name)).get("status", {})
        problems = [condition.get("message", "") for condition in status.get("conditions", [])]
        return AppState(
            sync=status.get("sync", {}).get("status", ""),
            health=status.get("health", {}).get("status", ""),
            message="; ".join([*problems, status.get("operationState", {}).get("message", "")]),
            revision=status.get("sync", {}).get("revision", ""),
            resources=tuple(status.get("resources", [])),
            syncs=len(status.get("history", [])),
        )

    def remove(self, name: str) -> None:
        """Delete an Application; what it has synced stays."""
        with contextlib.suppress(http.HttpError):
            self._api.call("DELETE", self._path(name))

    @staticmethod
    def _path(name: str) -> str:
        return f"{GROUP}/namespaces/{NAMESPACE}/applications/{name}"

    def _install(self) -> None:
        for manifest in sorted((program("argocd").parent / "crds").glob("*-crd.yaml")):
            self._api.call("POST", CRD_PATH, manifest.read_text(), "application/yaml")
        self._control_plane.supervision.wait_for("Argo CD's CRDs", self._served, ["kube-apiserver"])
        self._api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for name in CONFIG_MAPS:
            self._create("configmaps", name, {"data": self._settings if name == "argocd-cm" else {}})
        self._create("secrets", "argocd-secret", {"stringData": {"server.secretkey": "local"}})
        self._create("secrets", "argocd-redis", {"stringData": {"auth": ""}})
        self._create("secrets", "local-cluster", self._cluster_secret())
        everything = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{"namespace": "*", "server": "*"}],
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            },
        }
        self._api.call("POST", f"{GROUP}/namespaces/{NAMESPACE}/appprojects", everything)

    def _served(self) -> bool:
        try:
            names = {resource["name"] for resource in self._api.call("GET", GROUP)["resources"]}
        except http.HttpError:
            return False
        return {"applications", "appprojects", "applicationsets"} <= names

    def _create(self, plural: str, name: str, body: Mapping[str, Any]) -> None:
        labels = {**PART_OF, **body.get("labels", {})}
        whole = {"metadata": {"name": name, "labels": labels}, **{k: v for k, v in body.items() if k != "labels"}}
        self._api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/{plural}", whole)

    def _cluster_secret(self) -> dict[str, Any]:
        pki = self._control_plane.pki
        files = {"caData": pki.ca, "certData": pki.certificate("admin"), "keyData": pki.key("admin")}
        tls = {name: base64.b64encode(path.read_bytes()).decode() for name, path in files.items()}
        return {
            "labels": {"argocd.argoproj.io/secret-type": "cluster"},
            "stringData": {
                "name": "local",
                "server": self._control_plane.url,
                "config": json.dumps({"tlsClientConfig": tls}),
            },
        }
