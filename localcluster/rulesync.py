"""Does what a kubelet and a volume do in a cluster: rule files from prometheus-operator's ConfigMaps into a folder.

The ConfigMaps are found by label, never by name: many rules are spread over ``-rulefiles-0``, ``-1`` and so on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import ClusterError
from .kube import KubeApi, tls_context

SELECTOR = "managed-by%3Dprometheus-operator%2Cprometheus-name%3Dk8s"
WATCH_SECONDS = 300
SCRATCH = ".new"


def path_of(namespace: str) -> str:
    """The list of the rule ConfigMaps."""
    return f"/api/v1/namespaces/{namespace}/configmaps?labelSelector={SELECTOR}"


def wanted_files(config_maps: Mapping[str, Any]) -> dict[str, str]:
    """File name -> content, over all ConfigMaps of a list."""
    return {
        name: text
        for item in config_maps.get("items", [])
        for name, text in (item.get("data") or {}).items()
        if "/" not in name and not name.startswith(".")
    }


def sync(files: Mapping[str, str], folder: Path) -> bool:
    """Make ``folder`` hold exactly these files, each written atomically; returns whether anything changed."""
    changed = False
    for name, text in files.items():
        path = folder / name
        if path.is_file() and path.read_text() == text:
            continue
        scratch = folder.with_name(folder.name + SCRATCH) / name
        scratch.parent.mkdir(exist_ok=True)
        scratch.write_text(text)
        scratch.replace(path)
        changed = True
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
            changed = True
    return changed


def follow(api: KubeApi, namespace: str, folder: Path) -> None:
    """List, write, wait for any change, list again: no event can be lost, because none is trusted."""
    path = path_of(namespace)
    while True:
        try:
            listed = api.call("GET", path)
            if sync(wanted_files(listed), folder):
                print(f"{len(list(folder.iterdir()))} rule files", flush=True)
            for _ in api.watch(path, listed["metadata"]["resourceVersion"], WATCH_SECONDS):
                break
        except (ClusterError, OSError, ValueError) as problem:
            print(f"waiting for the API server: {problem}", flush=True)
            time.sleep(0.5)


def main() -> int:
    """``python -m localcluster.rulesync URL PKI NAMESPACE FOLDER``."""
    url, pki, namespace, folder = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    os.umask(0o077)
    follow(KubeApi(url, tls_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")), namespace, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
