"""What the operator's ServiceAccount asked of the API server, by the server's own audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCOUNT = "system:serviceaccount:opssight-system:opssight-operator"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [ACCOUNT]}, {"level": "None"}],
}


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A verb on a resource, as a role grants it and as a request uses it."""

    verb: str
    resource: str  # with its group and, where there is one, its subresource


class AuditLog:
    """The log of one API server."""

    def __init__(self, folder: Path) -> None:
        self._policy, self._log = folder / "audit-policy.json", folder / "audit.log"
        self._policy.write_text(json.dumps(POLICY))

    @property
    def apiserver_flags(self) -> tuple[str, ...]:
        """What the API server is started with."""
        return f"--audit-policy-file={self._policy}", f"--audit-log-path={self._log}"

    @property
    def size(self) -> int:
        """Bytes until now; what is asked from here on stands behind them."""
        return self._log.stat().st_size if self._log.exists() else 0

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Requests for objects, in their order; discovery and health are none."""
        written = self._log.read_bytes()[since:].splitlines(keepends=True)
        events = [json.loads(line) for line in written if line.endswith(b"\n")]
        return [event for event in events if event.get("objectRef", {}).get("resource")]


def rights_of(request: dict[str, Any]) -> Iterator[Right]:
    """What a request was allowed by; an apply that made its object needed ``create`` beside ``patch``."""
    what = request["objectRef"]
    subresource = f"/{what['subresource']}" if "subresource" in what else ""
    resource = named(what.get("apiGroup", ""), what["resource"] + subresource)
    yield Right(request["verb"], resource)
    if request["verb"] == "patch" and request.get("responseStatus", {}).get("code") == 201:
        yield Right("create", resource)


def named(group: str, resource: str) -> str:
    """A resource with its group."""
    return f"{resource}.{group}" if group else resource
