"""The place where the product is installed, and what a person would do there: kubectl, Helm, and questions."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from charts.rendering import CHART, RELEASE
from charts.rendering import NAMESPACE as SYSTEM
from localcluster import http
from localcluster.build import program
from localcluster.errors import ClusterError

from e2e import platforms
from e2e.platforms import Platform

MANIFESTS = Path(__file__).parent / "manifests"
ROOT = Path(__file__).resolve().parents[2]
PODS = ("-n", SYSTEM, "-l", f"app.kubernetes.io/instance={RELEASE}")


@dataclass
class Place:
    """A cluster with one node; ``work`` is a folder for Helm's files."""

    platform: Platform
    work: Path

    # What the questions of the demo need

    @property
    def prometheus_url(self) -> str:
        """Where the tests reach it."""
        return self.platform.url_of("monitoring", "prometheus", 9090)

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.platform.kubeconfig

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        return self.platform.kubectl(*arguments, input=input)

    def has_image(self, name: str) -> None:
        """Wait until pods can run an image."""
        (path,) = (archive.path for archive in platforms.chosen().archives() if archive.image == name)
        self.platform.loaded(path)

    # Objects

    def apply(self, file: Path, **names: str) -> None:
        """Apply a manifest with its $NAMES filled in."""
        text = file.read_text()
        for name, value in names.items():
            text = text.replace(f"${name}", value)
        self.kubectl("apply", "--server-side", "-f", "-", input=text)

    def objects(self, kind: str, *where: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *where, "-o", "json"))["items"]
        return items

    def restricted_namespace(self, name: str) -> None:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(body))

    def everything(self) -> set[str]:
        """The name of every object of every kind, without what comes and goes by itself."""
        kinds: dict[bool, str] = {}
        for namespaced in (True, False):
            found = self.kubectl("api-resources", "--verbs=list", f"--namespaced={namespaced}".lower(), "-o", "name")
            kinds[namespaced] = ",".join(kind for kind in found.split() if not kind.startswith(("events", "leases")))
        leases = "leases.coordination.k8s.io"
        form = "jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{'\\n'}{end}"
        said = self.kubectl("get", f"{kinds[True]},{leases}", "-A", "-o", form, "--ignore-not-found")
        said += self.kubectl("get", kinds[False], "-o", form, "--ignore-not-found")
        fleeting = ("kube-node-lease/", "ControllerRevision/", "PodMetrics/", "NodeMetrics/", "APIService/")
        return {line for line in said.splitlines() if not any(word in line for word in fleeting)}

    def told(self) -> str:
        """What pods there are, and the ends of the logs of ours."""
        with contextlib.suppress(ClusterError, OSError):
            parts = [self.kubectl("get", "pods", "-A", "-o", "wide")]
            parts.append(self.kubectl("get", "events", "-A", "--field-selector", "type=Warning"))
            for pod in self.objects("pods", "-A"):
                meta = pod["metadata"]
                if meta["namespace"] == "kube-system":
                    continue
                where = ("-n", meta["namespace"], meta["name"], "--all-containers", "--prefix", "--tail=15")
                with contextlib.suppress(ClusterError):
                    parts.append(self.kubectl("logs", *where))
            return "\n".join(parts)[-12_000:]
        return "the API server does not answer"

    # The release

    def helm(self, *arguments: str) -> str:
        """Helm as administrator; raises ``ClusterError`` with what it said."""
        home = {f"HELM_{name}_HOME": str(self.work) for name in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [str(program("helm")), *arguments, "--kubeconfig", str(self.platform.kubeconfig), "--namespace", SYSTEM],
            env={**home, "HOME": str(self.work), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def release(self, command: str, values: dict[str, Any]) -> None:
        """``helm install`` or ``helm upgrade`` of the shipped chart, until its pods are ready."""
        file = self.work / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        self.helm(command, RELEASE, str(CHART), "--values", str(file), "--wait", "--timeout", "180s")

    def pods(self) -> list[dict[str, Any]]:
        """The operator's pods that are not on their way out."""
        found = json.loads(self.kubectl("get", "pods", *PODS, "-o", "json"))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def both_ready(self) -> set[str] | None:
        """The names of two pods that are ready; None while there are more, fewer, or others."""
        found = {pod["metadata"]["name"]: pod["status"].get("containerStatuses", []) for pod in self.pods()}
        ready = [name for name, containers in found.items() if any(one["ready"] for one in containers)]
        return set(ready) if len(ready) == len(found) == 2 else None

    def evict(self, pod: str) -> None:
        """What ``kubectl drain`` asks for each pod; raises ``ClusterError`` when a budget does not allow it."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": SYSTEM}}
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{pod}/eviction"
        self.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(body))

    def leader(self) -> str:
        """The pod that Prometheus saw leading a moment ago; empty when there is none."""
        rows = self.query("opssight_leader == 1")
        return rows[0]["metric"].get("pod", "") if len(rows) == 1 else ""

    # Prometheus

    def query(self, expr: str) -> list[dict[str, Any]]:
        question = urllib.parse.urlencode({"query": expr})
        answer = http.get_json(f"{self.prometheus_url}/api/v1/query?{question}")
        rows: list[dict[str, Any]] = answer["data"]["result"]
        return rows

    def alert_rules(self) -> dict[str, str]:
        """Every alert that is loaded, and whether it could be evaluated."""
        groups = http.get_json(f"{self.prometheus_url}/api/v1/rules?type=alert")["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def samples(self, selector: str, seconds: float) -> Iterator[tuple[dict[str, str], list[float]]]:
        """Labels and the moments of the raw samples of the last ``seconds``."""
        for row in self.query(f"{selector}[{seconds:.0f}s]"):
            yield row["metric"], [moment for moment, _ in row["values"]]

    def longest_gap(self, selector: str, by: str, began: float, ended: float) -> dict[str, float]:
        """Longest time without a sample from whatever pod, in seconds, for each value of the label ``by``."""
        moments: dict[str, list[float]] = {}
        for labels, found in self.samples(selector, time.time() - began):
            moments.setdefault(labels[by], []).extend(moment for moment in found if moment <= ended)
        edges = {name: [began, *sorted(found), ended] for name, found in moments.items()}
        return {name: max(b - a for a, b in itertools.pairwise(row)) for name, row in edges.items()}
