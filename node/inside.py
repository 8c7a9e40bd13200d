"""``python -m node.inside STATE COMMAND...``: the first process of the node's namespaces.

It hides from the rest of the machine what kubelet and containerd write to fixed places, runs the command, and is the
parent of every orphan; when it ends, the kernel ends everything else inside.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .config import KERNEL_SETTINGS
from .preconditions import CGROUPS

PRIVATE = ("/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni")
"""Folders that are empty inside, and whose contents end with the namespace."""


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def prepare(state: Path) -> None:
    """Mounts of this namespace alone."""
    if os.path.ismount(CGROUPS / "unified"):
        subprocess.run(["umount", str(CGROUPS / "unified")], check=True)  # kubelet would take it for cgroup v2
    _mount("--make-rshared", "/")
    _mount("-t", "tmpfs", "none", "/run")
    for folder in PRIVATE[1:]:
        if Path(folder).is_dir():
            _mount("-t", "tmpfs", "none", folder)
        else:
            stand_in = _overlay(state, Path(folder))
            _mount("-t", "tmpfs", "none", str(stand_in))
    # cAdvisor asks containerd there and nowhere else; without it container metrics have no labels of pods
    Path("/run/containerd").mkdir()
    Path("/run/containerd/containerd.sock").symlink_to(state / "containerd" / "sock")
    for name, value in KERNEL_SETTINGS.items():
        # kubelet would write these machine-wide; it finds the wanted value, and writes nothing
        file = state / "kernel" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        _mount("--bind", str(file), f"/proc/sys/{name}")


def _overlay(state: Path, folder: Path) -> Path:
    """Make a missing folder appear inside alone: its parent becomes an overlay."""
    parent = folder.parent
    upper, work = (state / "overlay" / parent.name / part for part in ("upper", "work"))
    if not os.path.ismount(parent):
        upper.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        _mount("-t", "overlay", "-o", f"lowerdir={parent},upperdir={upper},workdir={work}", "none", str(parent))
    folder.mkdir()
    return folder


def main() -> int:
    """The exit status of the command."""
    state, command = Path(sys.argv[1]), sys.argv[2:]
    prepare(state)
    child = subprocess.Popen(command)
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(max(0, main()))
