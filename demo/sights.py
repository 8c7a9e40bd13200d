"""What a user would look at, each as a question to the real servers; None means "not seen yet"."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from localcluster import Cluster

T = TypeVar("T")
Question = Callable[[], T | None]


class NotSeen(Exception):
    """Something that the demo promises did not show in time."""


def wait_for(what: str, question: Question[T], seconds: float, pause: float = 1.0) -> T:
    """The first answer that is not None; raises ``NotSeen`` with what was looked for."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise NotSeen(f"not seen within {seconds:.0f} s: {what}")
        time.sleep(pause)


def get_json(url: str, **query: str) -> Any:
    """The JSON answer of a GET."""
    full = url + ("?" + urllib.parse.urlencode(query) if query else "")
    with urllib.request.urlopen(full, timeout=10) as answer:  # noqa: S310 - an address of this machine
        return json.load(answer)


def post(url: str, method: str = "POST") -> None:
    """A request without a body."""
    urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10).close()  # noqa: S310


def objects(cluster: Cluster, kind: str, namespace: str = "shop") -> list[dict[str, Any]]:
    """All objects of a kind."""
    scope = () if namespace == "" else ("-n", namespace)
    items: list[dict[str, Any]] = json.loads(cluster.kubectl("get", kind, *scope, "-o", "json"))["items"]
    return items


def ready(item: dict[str, Any]) -> bool:
    """Ready=True for the present generation."""
    return any(
        c["type"] == "Ready" and c["status"] == "True" and c.get("observedGeneration") == item["metadata"]["generation"]
        for c in item.get("status", {}).get("conditions", [])
    )


def all_ready(cluster: Cluster) -> Question[int]:
    """Every source, detector and policy is Ready."""

    def look() -> int | None:
        items = [
            *objects(cluster, "metricssources", ""),
            *objects(cluster, "anomalydetectors"),
            *objects(cluster, "thresholdpolicies"),
        ]
        return len(items) if items and all(ready(item) for item in items) else None

    return look


def all_loaded(cluster: Cluster) -> Question[int]:
    """Prometheus lists every rule that a detector or policy owns, and has evaluated the recording ones."""

    def look() -> int | None:
        rows = [
            c
            for kind in ("anomalydetectors", "thresholdpolicies")
            for item in objects(cluster, kind)
            for c in item.get("status", {}).get("conditions", [])
            if c["type"] == "RuleLoaded"
        ]
        return len(rows) if rows and all(c["reason"] in ("Loaded", "NoRule") for c in rows) else None

    return look


def recorded_thresholds(cluster: Cluster) -> Question[list[tuple[dict[str, str], float]]]:
    """The thresholds that Prometheus itself has recorded."""

    def look() -> list[tuple[dict[str, str], float]] | None:
        answer = get_json(f"{cluster.prometheus_url}/api/v1/query", query="opssight:threshold")
        rows = [(r["metric"], float(r["value"][1])) for r in answer["data"]["result"]]
        return rows or None

    return look


def open_anomaly(cluster: Cluster, service: str, detector: str = "") -> Question[tuple[str, dict[str, Any]]]:
    """An open episode of the service, as the status of a detector tells it; without ``detector`` of any."""

    def look() -> tuple[str, dict[str, Any]] | None:
        for item in objects(cluster, "anomalydetectors"):
            if detector not in ("", item["metadata"]["name"]):
                continue
            for anomaly in item.get("status", {}).get("anomalies", []):
                if anomaly.get("end") is None and anomaly["labels"].get("service") == service:
                    return item["metadata"]["name"], anomaly
        return None

    return look


def started_event(cluster: Cluster) -> Question[str]:
    """The Kubernetes Event of an anomaly that began."""

    def look() -> str | None:
        for event in objects(cluster, "events.events.k8s.io"):
            if event.get("reason") == "AnomalyStarted":
                return str(event["note"])
        return None

    return look


def firing_alert(cluster: Cluster, service: str) -> Question[dict[str, str]]:
    """The owned alert, firing in Prometheus."""

    def look() -> dict[str, str] | None:
        for alert in get_json(f"{cluster.prometheus_url}/api/v1/alerts")["data"]["alerts"]:
            labels: dict[str, str] = alert["labels"]
            if alert["state"] == "firing" and labels.get("service") == service and "detector" in labels:
                return labels
        return None

    return look


def ask_for_report(cluster: Cluster, name: str, lookback: str) -> None:
    """A PatternReport that is made once, now."""
    body = {
        "apiVersion": "opssight.dev/v1alpha1",
        "kind": "PatternReport",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"schedule": {"type": "Once"}, "lookback": lookback, "sections": ["Clusters", "ErrorPatterns"]},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(body))


def report_on(cluster: Cluster, name: str, service: str) -> Question[str]:
    """The report as the command line shows it, once it names the service."""

    def look() -> str | None:
        command = [sys.executable, "-m", "opssight_operator.cli", "report", "show", name, "-n", "shop"]
        environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout if done.returncode == 0 and service in done.stdout else None

    return look
