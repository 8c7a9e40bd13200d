"""A node is gone without a trace, also when the process that started it, or the one that keeps it, is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from localcluster.processes import Identity
from node import cgroups, config, dns, images, keeper
from node.config import KERNEL_SETTINGS

from e2e.platforms import OUR_OWN_NODE

ROOT = Path(__file__).resolve().parents[2]
STARTER = """
import sys, time
from pathlib import Path
from node import Node
node = Node([Path(word) for word in sys.argv[2:]], Path(sys.argv[1]))
node.start()
print("up", flush=True)
time.sleep(600)
"""


def traces(state: Path) -> dict[str, str]:
    """What a node could have changed on the machine."""
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    return {
        "kernel settings": str([Path("/proc/sys", name).read_text() for name in KERNEL_SETTINGS]),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "rules": "\n".join(line for line in rules.splitlines() if not line.startswith(("#", ":"))),
        "links": str(sorted(path.name for path in Path("/sys/class/net").iterdir())),
        "mounts": str(sorted(line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())),
        "cgroups": str([path for one in cgroups.hierarchies() for path in one.glob(cgroups.name_of(state))]),
        "folders": str([Path(name).exists() for name in ("/var/lib/kubelet", "/var/lib/cni", "/run/containerd")]),
        "state": str(state.exists()),
        "processes": str(processes_of(state)),
    }


def processes_of(state: Path) -> list[str]:
    """Every process whose command line speaks of the state directory, but for the starter of this test."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in line and "node.start()" not in line and Identity.of(int(folder.name)):
            found.append(line[:120])
    return found


@contextmanager
def started(state: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has started a node and waits."""
    small = [archive.path for archive in images.archives() if archive.image in (config.PAUSE, dns.IMAGE)]
    command = [sys.executable, "-c", STARTER, str(state), *map(str, small)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "up\n"
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def same_as(before: dict[str, str], state: Path, seconds: float) -> None:
    """Wait until nothing differs any more."""
    deadline = time.monotonic() + seconds
    while (after := traces(state)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert after == before


@pytest.mark.needs(OUR_OWN_NODE)
@pytest.mark.timeout(300)
def test_a_node_whose_starter_is_killed_leaves_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = traces(state)
    with started(state) as starter:
        assert processes_of(state), "or nothing would be proved"
        assert any((one / cgroups.name_of(state)).is_dir() for one in cgroups.hierarchies())
        starter.send_signal(signal.SIGKILL)
        same_as(before, state, 60)


@pytest.mark.needs(OUR_OWN_NODE)
@pytest.mark.timeout(300)
def test_what_is_left_of_a_node_whose_keeper_is_killed_is_removed_by_down(tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = traces(state)
    with started(state):
        running = keeper.keeper_of(state)
        assert running is not None
        running.kill()
        deadline = time.monotonic() + 20
        while processes_of(state) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not processes_of(state), "the kernel ends them"
        environment = os.environ | {"OPSSIGHT_NODE_STATE": str(state)}
        down = [sys.executable, "-m", "node", "down"]
        subprocess.run(down, cwd=ROOT, env=environment, check=True, capture_output=True)
        same_as(before, state, 30)
