"""Pods that look as if they ran, in a cluster without a node: rollouts end, and what waits for them goes on.

It tests wiring alone; no container starts.
"""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from . import http
from .kube import KubeApi

PAUSE = 0.3


class PretendedPods:
    """While this is entered, each new pod is said to be running and ready."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.wait(PAUSE):
            with contextlib.suppress(http.HttpError, OSError):
                for pod in self._api.call("GET", "/api/v1/pods?fieldSelector=status.phase=Pending")["items"]:
                    self._make_ready(pod)

    def _make_ready(self, pod: dict[str, Any]) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        types = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        status = {
            "phase": "Running",
            "startTime": now,
            "conditions": [{"type": name, "status": "True", "lastTransitionTime": now} for name in types],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": True,
                    "restartCount": 0,
                    "started": True,
                    "state": {"running": {"startedAt": now}},
                }
                for container in pod["spec"]["containers"]
            ],
        }
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status"
        self._api.call("PATCH", path, {"status": status}, "application/merge-patch+json")
