"""``python -m opssight_operator.adapters.kubernetes.manifests [--check]``: the roles of deploy/ and of the chart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from opssight_operator.api import PLURALS

from .permissions import FEATURES, rules

NAME = "opssight-operator"
NAMESPACE = "opssight-system"
ROOT = Path(__file__).resolve().parents[4]
TARGET = ROOT / "deploy" / "rbac.yaml"
CHART_TARGET = ROOT / "charts" / "opssight-operator" / "files" / "permissions.yaml"
HEAD = "# Generated from operator/opssight_operator/adapters/kubernetes/permissions.py; `make generate` writes it.\n"


def rbac(namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """ServiceAccount, roles and bindings of a cluster-wide install."""
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    api = "rbac.authorization.k8s.io/v1"
    local = {"name": NAME, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": local},
        {"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": rules("cluster")},
        {
            "apiVersion": api,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [subject],
        },
        {"apiVersion": api, "kind": "Role", "metadata": local, "rules": rules("operator")},
        {
            "apiVersion": api,
            "kind": "RoleBinding",
            "metadata": local,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
            "subjects": [subject],
        },
    ]


def chart_permissions() -> dict[str, Any]:
    """What the chart's roles are made of: rules by ``rbac.scope`` and place, and the kinds that tenants own.

    The rules of a feature, which all belong where the watched resources are, stand beside those of every install.
    """
    clusterwide = {name: rules("cluster", only=name) for name in FEATURES}
    namespaced = {name: rules("each", namespaced=True, only=name) for name in FEATURES}
    return {
        "cluster": {
            "cluster": rules("cluster", features=()),
            "operator": rules("operator", features=()),
            "features": clusterwide,
        },
        "namespaced": {
            "cluster": rules("cluster", namespaced=True, features=()),
            "each": rules("each", namespaced=True, features=()),
            "operator": rules("operator", namespaced=True, features=()),
            "features": namespaced,
        },
        "tenantResources": [plural for kind, plural in PLURALS.items() if kind != "MetricsSource"],
    }


def texts() -> dict[Path, str]:
    """Every file as it must stand in the repository."""
    return {
        TARGET: HEAD + yaml.safe_dump_all(rbac(), sort_keys=False),
        CHART_TARGET: HEAD + yaml.safe_dump(chart_permissions(), sort_keys=False),
    }


def main() -> int:
    """Write the files, or with ``--check`` say which are out of date."""
    wrong = 0
    for path, text in texts().items():
        if path.exists() and path.read_text() == text:
            continue
        if "--check" in sys.argv[1:]:
            sys.stdout.write(f"{path.name} is out of date: run make generate\n")
            wrong = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
