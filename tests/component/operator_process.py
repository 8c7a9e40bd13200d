"""The operator as a process with the rights that it has in production, and what a user sees of its resources."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from localcluster import Cluster, ClusterError, HttpError
from localcluster.ports import free_ports

from opssight_operator.api import API_VERSION, PLURALS

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "opssight-system"
SHORT = {"msrc": "MetricsSource", "adet": "AnomalyDetector", "tpol": "ThresholdPolicy", "prep": "PatternReport"}
T = TypeVar("T")


def eventually(what: str, question: Callable[[], T | bool | None], seconds: float = 30.0, pause: float = 0.1) -> T:
    """The first answer that is true; fails with ``what`` and the last answer."""
    deadline = time.monotonic() + seconds
    answer: Any = None
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer  # type: ignore[no-any-return]
        time.sleep(pause)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last seen: {answer!r}")


def install(cluster: Cluster) -> None:
    """CRDs, the operator's namespace, its ServiceAccount and roles; may be called again."""
    namespace = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    files = ("-f", str(ROOT / "crds"), "-f", "-", "-f", str(ROOT / "deploy" / "rbac.yaml"))
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *files, input=namespace)
    eventually("our kinds are served", lambda: _served(cluster) >= set(PLURALS.values()))


def _served(cluster: Cluster) -> set[str]:
    """By discovery, as ``kubectl wait`` reads every CRD, which are megabytes."""
    try:
        return {resource["name"] for resource in cluster.api("GET", f"/apis/{API_VERSION}")["resources"]}
    except HttpError:
        return set()


class OperatorProcess:
    """One replica; ``log`` is what it said."""

    def __init__(
        self, cluster: Cluster, work: Path, name: str = "replica", api_url: str = "", **environment: str
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.metrics_port, self.health_port = free_ports(2)
        self.log_file = work / f"{name}.log"
        account = work / f"{name}.kubeconfig"
        cluster.kubeconfig_for_service_account(NAMESPACE, "opssight-operator", account)
        if api_url:  # another way to the same API server
            account.write_text(account.read_text().replace(cluster.server_url, api_url))
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(account),
            "OPSSIGHT_IDENTITY": name,
            "OPSSIGHT_OPERATOR_NAMESPACE": NAMESPACE,
            "OPSSIGHT_METRICS_HOST": "127.0.0.1",
            "OPSSIGHT_METRICS_PORT": str(self.metrics_port),
            "OPSSIGHT_HEALTH_PORT": str(self.health_port),
            "OPSSIGHT_LEASE_SECONDS": "6",
            "OPSSIGHT_RENEW_SECONDS": "1",
            "OPSSIGHT_BACKOFF_SECONDS": "1",
            "OPSSIGHT_RULE_CHECK_SECONDS": "1",
            "OPSSIGHT_SOURCE_INTERVAL_SECONDS": "5",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def identity(self) -> str:
        """Who it is in the Lease."""
        return self._environment["OPSSIGHT_IDENTITY"]

    def start(self, identity: str = "") -> OperatorProcess:
        """Start it; ``leads`` says when it works. With an ``identity`` it is another replica for the Lease."""
        if identity:
            self._environment["OPSSIGHT_IDENTITY"] = identity
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "opssight_operator"], stdout=out, stderr=subprocess.STDOUT, env=self._environment
            )
        return self

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """SIGTERM; the seconds until it was gone."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - began

    def end(self) -> None:
        """Gone, one way or another."""
        if self.process is not None and self.process.poll() is None:
            self.stop()

    @property
    def log(self) -> str:
        """Everything that it has logged."""
        return self.log_file.read_text(errors="replace")

    def get(self, path: str, port: int | None = None) -> tuple[int, str]:
        """Status and text of a GET; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.health_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> str:
        """The text of /metrics."""
        return self.get("/metrics", self.metrics_port)[1]

    def leads(self) -> bool:
        """Whether it says of itself that it leads."""
        return "opssight_leader 1.0" in self.metrics()

    def runs(self, *labels: str) -> int:
        """How many runs it has counted since it started, of those with ``labels`` such as ``outcome="Reconciled"``."""
        lines = [line for line in self.metrics().splitlines() if line.startswith("opssight_reconcile_total{")]
        return int(sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in labels)))


def place_of(kind: str, namespace: str) -> str:
    """The path of the objects of a kind, by its name or its short name."""
    if kind == "prometheusrule":
        return f"/apis/monitoring.coreos.com/v1/namespaces/{namespace}/prometheusrules"
    plural = PLURALS[SHORT.get(kind, kind)]
    return f"/apis/{API_VERSION}/" + (plural if plural == "metricssources" else f"namespaces/{namespace}/{plural}")


class View:
    """What a user sees of the resources of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def apply(self, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> None:
        """What ``kubectl apply --server-side`` asks for."""
        scoped = {} if kind == "MetricsSource" else {"namespace": self.namespace}
        body = {
            "apiVersion": "opssight.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, **scoped, **metadata},
            "spec": spec,
        }
        options = "fieldManager=kubectl&force=true&fieldValidation=Strict"
        place = f"{place_of(kind, self.namespace)}/{name}?{options}"
        self._asked("PATCH", place, json.dumps(body), "application/apply-patch+yaml")

    def _asked(self, method: str, place: str, *body: str) -> Any:
        """Without kubectl, whose start takes longer than the answer, a thousand times in all tests."""
        try:
            return self.cluster.api(method, place, *body)
        except OSError as error:
            raise ClusterError(f"{method} {place}: {error}") from None

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object, or None."""
        try:
            found: dict[str, Any] = self._asked("GET", f"{place_of(kind, self.namespace)}/{name}")
        except HttpError as error:
            if error.status == 404:
                return None
            raise
        found["metadata"].pop("managedFields", None)  # kubectl does not show them either
        return found

    def condition(self, kind: str, name: str, condition: str = "Ready") -> tuple[str, str, str]:
        """Status, reason and message of a condition that speaks of the present generation; empty before."""
        found = self.get(kind, name)
        for said in (found or {}).get("status", {}).get("conditions", []):
            if said["type"] == condition and said.get("observedGeneration") == found["metadata"]["generation"]:  # type: ignore[index]
                return said["status"], said["reason"], said.get("message", "")
        return "", "", ""

    def reaches(self, kind: str, name: str, reason: str, condition: str = "Ready", seconds: float = 30) -> str:
        """Wait for a reason; the message that comes with it."""
        seen: list[tuple[str, str, str]] = [("", "", "")]

        def look() -> str | None:
            seen[0] = self.condition(kind, name, condition)
            return (seen[0][2] or " ") if seen[0][1] == reason else None

        try:
            return eventually(f"{kind} {name} with {condition} {reason}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; condition: {seen[0]}") from None

    def events(self, reason: str) -> list[str]:
        """The notes of all Events of a reason."""
        items = self._asked("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")["items"]
        return [item["note"] for item in items if item["reason"] == reason]


@contextmanager
def working(
    cluster: Cluster, folder: Path, max_series: int = 500, api_url: str = "", **environment: str
) -> Iterator[OperatorProcess]:
    """A replica that leads, with a MetricsSource ``loop``; in the end no traceback was logged, no right missed."""
    install(cluster)
    limits = {"timeout": "5s", "maxSeries": max_series}
    View(cluster, "").apply("MetricsSource", "loop", {"url": cluster.prometheus_url, "limits": limits})
    running = OperatorProcess(cluster, folder, api_url=api_url, **environment).start()
    try:
        eventually("the operator leads", running.leads)
        yield running
    finally:
        running.end()
    assert "Traceback" not in running.log, running.log[-3000:]
    assert " 403 " not in running.log and "(403)" not in running.log, running.log[-3000:]


def detector(case: str, **more: Any) -> dict[str, Any]:
    """The spec of a fast detector on one lever."""
    spec: dict[str, Any] = {
        "sourceRef": {"name": "loop"},
        "queries": [{"name": "lever", "expr": f'lever{{case="{case}"}}', "minDeviation": {"absolute": "1"}}],
        "step": "2s",
        "interval": "2s",
        "trainingWindow": "10m",
        "method": {"type": "ZScore", "zScore": {"sensitivity": "3"}},
    }
    return {**spec, **more}


def policy(case: str, **more: Any) -> dict[str, Any]:
    """The spec of a fast policy on one lever that records its threshold."""
    spec: dict[str, Any] = {
        "sourceRef": {"name": "loop"},
        "expr": f'lever{{case="{case}"}}',
        "history": {"window": "10m", "step": "2s", "minDuration": "1m", "minCoverage": "0.5"},
        "interval": "2s",
        "delivery": {"mode": "Record"},
    }
    return {**spec, **more}
