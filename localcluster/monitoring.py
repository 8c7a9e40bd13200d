"""prometheus-operator outside the cluster, and the way of a rule: object -> ConfigMap -> file -> reload."""

from __future__ import annotations

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import http, servers
from .build import program
from .controlplane import ControlPlane
from .supervision import SOURCE_ROOT

NAMESPACE = "monitoring"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PROMETHEUS: dict[str, Any] = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "Prometheus",
    "metadata": {"name": "k8s", "namespace": NAMESPACE},
    # Every PrometheusRule of every namespace. The version is the newest that this operator knows.
    "spec": {
        "version": "v3.5.0",
        "replicas": 1,
        "ruleSelector": {},
        "ruleNamespaceSelector": {},
        "serviceMonitorSelector": {},
        "serviceMonitorNamespaceSelector": {},
    },
}


def install_crds(control_plane: ControlPlane) -> None:
    """Create the CRDs of monitoring.coreos.com and wait until they are served."""
    api = control_plane.api
    folder = program("prometheus-operator").parent / "prometheus-operator-crd"
    manifests = sorted(folder.glob("*_*.yaml"))
    with ThreadPoolExecutor(4) as pool:
        created = list(
            pool.map(lambda path: api.call("POST", CRD_PATH, path.read_text(), "application/yaml"), manifests)
        )
    wanted = {
        (version["name"], item["spec"]["names"]["plural"]) for item in created for version in item["spec"]["versions"]
    }

    def established() -> bool:  # asked of discovery, because the CRDs themselves are megabytes
        served: set[tuple[str, str]] = set()
        for version in {version for version, _ in wanted}:
            with contextlib.suppress(http.HttpError):
                resources = api.call("GET", f"/apis/monitoring.coreos.com/{version}")["resources"]
                served |= {(version, resource["name"]) for resource in resources}
        return wanted <= served

    control_plane.supervision.wait_for("the CRDs to be established", established, ["kube-apiserver"])


def start_operator(control_plane: ControlPlane, port: int) -> None:
    """Start prometheus-operator with one Prometheus object that selects every rule, and wait for its ConfigMap."""
    install_crds(control_plane)
    api, supervision = control_plane.api, control_plane.supervision
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    name = "prometheus-operator"
    environment = control_plane.kubectl_environment()
    supervision.spawn(name, servers.prometheus_operator(program(name), port), environment)
    api.call("POST", f"/apis/monitoring.coreos.com/v1/namespaces/{NAMESPACE}/prometheuses", PROMETHEUS)
    rules = f"/api/v1/namespaces/{NAMESPACE}/configmaps/prometheus-k8s-rulefiles-0"
    supervision.wait_for("prometheus-operator to write its rules", lambda: api.exists(rules), [name])


def start_rule_path(control_plane: ControlPlane, rules: Path, prometheus_url: str, port: int, name: str) -> None:
    """Start the config reloader ``name`` of one Prometheus, and the sync of the rule files if it does not run yet."""
    supervision = control_plane.supervision
    if "rule-sync" not in supervision.servers():
        argv = [sys.executable, "-m", "localcluster.rulesync", control_plane.url, str(control_plane.pki.folder)]
        environment = {"PYTHONPATH": str(SOURCE_ROOT), "PYTHONUNBUFFERED": "1"}
        supervision.spawn("rule-sync", [*argv, NAMESPACE, str(rules)], environment)
    argv = servers.config_reloader(program("prometheus-config-reloader"), port, rules, prometheus_url)
    supervision.spawn(name, argv)
    url = f"http://{servers.HOST}:{port}/metrics"
    supervision.wait_for(f"{name} to watch", lambda: http.is_ok(url), [name, "rule-sync"])
