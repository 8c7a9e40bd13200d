"""How the servers of a local cluster are: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import http
from .controlplane import ControlPlane
from .options import Places
from .servers import HOST
from .supervision import Supervision


@dataclass(frozen=True)
class ServerStatus:
    """One row of ``status``."""

    name: str
    pid: int
    port: int | None
    health: str


def statuses(supervision: Supervision, control_plane: ControlPlane, places: Places, tls: bool) -> list[ServerStatus]:
    """Every server with its health now; without ``tls`` there are no certificates, and no API server to ask."""
    context = control_plane.api.tls if tls else None
    addresses = _addresses(control_plane, places)
    rows = []
    for name, found in supervision.servers().items():
        port, scheme, path = addresses.get(name, (None, "", ""))
        if found["returncode"] is not None:
            health = f"ended ({found['returncode']})"
        elif port is None:
            health = "running"
        else:
            ok = http.is_ok(f"{scheme}://{HOST}:{port}/{path}", context if scheme == "https" else None)
            health = "ok" if ok else "not ready"
        rows.append(ServerStatus(name, found["pid"], port, health))
    return rows


def _addresses(control_plane: ControlPlane, places: Places) -> Mapping[str, tuple[int | None, str, str]]:
    ports = control_plane.ports
    return {
        "etcd": (ports.etcd, "http", "health"),
        "kube-apiserver": (ports.apiserver, "https", "readyz"),
        "kube-controller-manager": (ports.controller_manager, "https", "healthz"),
        "prometheus": (places.prometheus, "http", "-/ready"),
        "prometheus-old": (places.prometheus_old, "http", "-/ready"),
        "prometheus-operator": (places.operator, "http", "metrics"),
        "config-reloader": (places.reloader, "http", "metrics"),
        "config-reloader-old": (places.reloader_old, "http", "metrics"),
    }
