"""A network of the node's own. It has no name and no address outside, and ends with the last process in it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

from localcluster.errors import ClusterError

from .addresses import NODE_NETWORK, SERVICE_NETWORK

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def leave_for_a_new_one() -> None:
    """Move the calling thread, and what it starts from now on, into a new network with a bridge for the node."""
    if _libc.unshare(CLONE_NEWNET) != 0:
        raise ClusterError(f"a network namespace cannot be made: {os.strerror(ctypes.get_errno())}")
    for command in (
        "link set lo up",
        "link add node0 type bridge",
        f"addr add {NODE_NETWORK} dev node0",
        "link set node0 up",
        f"route add {SERVICE_NETWORK} dev node0",  # any route will do: kube-proxy rewrites the address
    ):
        done = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ClusterError(f"ip {command}: {done.stderr.strip()}")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this namespace


def join(pid: int) -> None:
    """Move the calling thread into the network of a process."""
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if _libc.setns(handle, CLONE_NEWNET) != 0:
            raise ClusterError(f"the network of process {pid} cannot be entered: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)
