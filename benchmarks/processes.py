"""A process that is started, settles, is measured by ``/proc`` and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 420.0


@dataclass(frozen=True)
class Figure:
    """What one process needed; ``runs`` is how many evaluations or ticks it made meanwhile."""

    name: str
    cpu_percent: float
    rss_mib: float
    runs: str


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Resident memory now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measure(name: str, child: subprocess.Popen[bytes], seconds: float, counter: Callable[[], float | None]) -> Figure:
    """CPU over ``seconds``, the largest of the resident sizes seen meanwhile, and how far the counter went."""
    before, start, counted = cpu_seconds(child.pid), time.monotonic(), counter()
    sizes = []
    while time.monotonic() - start < seconds:
        time.sleep(min(2.0, seconds))
        sizes.append(rss_mib(child.pid))
    took, spent, after = time.monotonic() - start, cpu_seconds(child.pid) - before, counter()
    runs = "" if counted is None or after is None else f"{after - counted:.0f}"
    figure = Figure(name, 100 * spent / took, max(sizes), runs)
    print(f"{name}: {figure.cpu_percent:.1f} % of a core, {figure.rss_mib:.0f} MiB, runs {runs or '-'}", flush=True)
    return figure


def settle(
    child: subprocess.Popen[bytes], ready: Callable[[], bool], interval: float, patience: float = PATIENCE
) -> None:
    """Wait until everything has been seen once, and then for one interval more."""
    end = time.monotonic() + patience
    while not ready():
        if child.poll() is not None:
            raise SystemExit(f"the process ended with {child.returncode}")
        if time.monotonic() > end:
            raise SystemExit(f"not settled after {patience:.0f} s")
        time.sleep(3.0)
    time.sleep(interval)


@contextlib.contextmanager
def process(arguments: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is ended by SIGTERM, and by SIGKILL when it does not listen."""
    with log.open("wb") as out:
        child = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT, env=environment)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
