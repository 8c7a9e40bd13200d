"""``python -m node.keeper STATE COMMAND...``: runs the command in namespaces of its own, and cleans up after it.

It is outside of them, so that nothing is mounted any more when it removes the state directory. It outlives the process
that started the node; when the keeper itself is killed, the kernel kills everything in the namespaces.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from localcluster.processes import Identity, die_with_parent
from localcluster.supervisor import remove_state

from . import cgroups

NOTE = "keeper.json"
KEEP_LOGS = "keep-logs"
NAMESPACES = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")


def command(state: Path) -> list[str]:
    """What a command is put behind to run inside a node."""
    return [sys.executable, "-m", "node.keeper", str(state)]


def keeper_of(state: Path) -> Identity | None:
    """The keeper that was noted in a state directory; None when there is none."""
    try:
        pid, started = json.loads((state / NOTE).read_text())
    except (OSError, ValueError):
        return None
    return Identity(int(pid), int(started))


def clean_up(state: Path) -> None:
    """Remove the cgroups and the state directory of a node that has ended, by whatever death."""
    cgroups.remove(cgroups.name_of(state))
    remove_state(state, keep_logs=(state / KEEP_LOGS).exists())
    (state / KEEP_LOGS).unlink(missing_ok=True)


def main() -> int:
    """The exit status of the command."""
    state, inner = Path(sys.argv[1]), sys.argv[2:]
    own = Identity.of(os.getpid())
    assert own is not None
    (state / NOTE).write_text(json.dumps([own.pid, own.started]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends when its node has ended
    cgroups.make(cgroups.name_of(state))
    try:
        inside = [*NAMESPACES, sys.executable, "-m", "node.inside", str(state), *inner]
        return subprocess.run(inside, check=False, preexec_fn=die_with_parent(os.getpid())).returncode
    finally:
        clean_up(state)


if __name__ == "__main__":
    sys.exit(main())
