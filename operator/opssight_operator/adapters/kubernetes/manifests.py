"""``python -m opssight_operator.adapters.kubernetes.manifests [--check]``: deploy/rbac.yaml from the permissions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from .permissions import rules

NAME = "opssight-operator"
NAMESPACE = "opssight-system"
TARGET = Path(__file__).resolve().parents[4] / "deploy" / "rbac.yaml"


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


def text() -> str:
    """The file as it must stand in the repository."""
    head = (
        "# Generated from operator/opssight_operator/adapters/kubernetes/permissions.py; `make generate` writes it.\n"
    )
    return head + yaml.safe_dump_all(rbac(), sort_keys=False)


def main() -> int:
    """Write the file, or with ``--check`` say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        same = TARGET.exists() and TARGET.read_text() == text()
        sys.stdout.write("" if same else f"{TARGET.name} is out of date: run make generate\n")
        return 0 if same else 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
