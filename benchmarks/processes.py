"""A process that settles and is measured by ``/proc``."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
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
