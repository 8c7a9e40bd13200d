"""What a machine must have before a node can run on it; each thing that is missing has a name."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
CGROUPS = Path("/sys/fs/cgroup")
HIERARCHIES = ("cpu", "cpuset", "memory", "pids")
PACKAGES = {
    "buildah": "buildah",
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "runc": "runc",
    "unshare": "util-linux",
}
"""Program -> the Debian package that has it."""


@dataclass(frozen=True)
class Precondition:
    """One thing, and how to see whether it is there."""

    name: str
    cure: str
    holds: Callable[[], bool]


def cni_folder() -> Path | None:
    """Where the network plugins are; None when they are not all in one folder."""
    for folder in CNI_FOLDERS:
        if all((folder / plugin).exists() for plugin in CNI_PLUGINS):
            return folder
    return None


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _hierarchies() -> bool:
    return all((CGROUPS / name).is_dir() for name in HIERARCHIES)


PRECONDITIONS: tuple[Precondition, ...] = (
    Precondition("Linux", "run it on a Linux machine", lambda: sys.platform == "linux"),
    Precondition("root", "run it as root: containers need namespaces and mounts", lambda: os.geteuid() == 0),
    Precondition(
        "cgroup v1 hierarchies cpu, cpuset, memory, pids",
        "boot with systemd.unified_cgroup_hierarchy=0; cgroup v2 alone was never tried",
        _hierarchies,
    ),
    *(Precondition(name, f"apt-get install {package}", _program(name)) for name, package in PACKAGES.items()),
    Precondition(
        f"CNI plugins {', '.join(CNI_PLUGINS)}",
        "apt-get install containernetworking-plugins",
        lambda: cni_folder() is not None,
    ),
)


def missing() -> list[Precondition]:
    """What this machine lacks."""
    return [precondition for precondition in PRECONDITIONS if not precondition.holds()]
