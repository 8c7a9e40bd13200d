"""The chart as Helm renders it, and the plain manifest that is made of that."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml
from localcluster.build import is_built, program
from localcluster.components import providing

CHART = Path(__file__).parent / "opssight-operator"
RELEASE, NAMESPACE = "opssight-operator", "opssight-system"


def helm_is_built() -> bool:
    """Whether there is a Helm to render with."""
    return is_built(providing("helm"))


def helm(*arguments: str) -> str:
    """What Helm prints; raises ``RuntimeError`` with what it said."""
    done = subprocess.run([str(program("helm")), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def template(*arguments: str) -> str:
    """The chart rendered under its usual names."""
    return helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *arguments)


def install(*arguments: str) -> str:
    """The manifest for ``kubectl apply --server-side -f``, without Helm's marks."""
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
    ]
    documents += [document for document in yaml.safe_load_all(template(*arguments)) if document]
    for document in documents:
        strip(document)
    order = {"Namespace": 0, "CustomResourceDefinition": 1, "ServiceAccount": 2}
    documents.sort(key=lambda document: order.get(document["kind"], 3))
    head = "# Generated from charts/opssight-operator by `make generate`: kubectl apply --server-side -f install.yaml\n"
    return head + yaml.safe_dump_all(documents, sort_keys=False, width=120)


def strip(node: Any) -> None:
    """Remove what only Helm understands; it would promise an ownership that nobody keeps."""
    if isinstance(node, list):
        for item in node:
            strip(item)
    if not isinstance(node, dict):
        return
    for field in ("labels", "annotations"):
        marks = node.get(field)
        if isinstance(marks, dict):
            for name in [*marks]:
                if name.startswith("helm.sh/") or (name, marks[name]) == ("app.kubernetes.io/managed-by", "Helm"):
                    del marks[name]
            if not marks:
                del node[field]
    for value in node.values():
        strip(value)
