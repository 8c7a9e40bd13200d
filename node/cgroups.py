"""The cgroups that the pods live in: one directory in each hierarchy, named after the state directory."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from .preconditions import CGROUPS


def name_of(state: Path) -> str:
    """The name of a node's cgroup; two nodes have two."""
    return "opssight-node-" + hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]


def hierarchies() -> Iterator[Path]:
    """Every mounted hierarchy of cgroup v1, the named one included."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup":
            yield Path(target)


def make(name: str) -> None:
    """Make the directories; a new cpuset is empty and takes no process before it has CPUs and memory."""
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
    cpuset = CGROUPS / "cpuset"
    for setting in ("cpuset.cpus", "cpuset.mems"):
        (cpuset / name / setting).write_text((cpuset / setting).read_text())


def remove(name: str, seconds: float = 10.0) -> None:
    """Remove them, once no process is left inside."""
    deadline = time.monotonic() + seconds
    for hierarchy in hierarchies():
        root = hierarchy / name
        while root.exists():
            for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                root.rmdir()
            if not root.exists() or time.monotonic() > deadline:
                break
            time.sleep(0.05)
