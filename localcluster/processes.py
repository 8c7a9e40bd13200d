"""Processes that are ours, beyond doubt: a pid counts only together with the moment the process started."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    started: int
    """Clock ticks from boot to the start of the process."""

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this pid now; None when there is none, or only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        state, *rest = stat[stat.rindex(")") + 2 :].split()  # the name before may hold blanks and brackets
        return None if state in "ZX" else cls(pid, int(rest[18]))

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, unless the pid belongs to somebody else by now."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def kill_all(processes: Iterable[Identity], seconds: float = 10.0) -> None:
    """SIGKILL to each that is still the noted one, and wait until all are gone."""
    ours = list(processes)
    for process in ours:
        process.kill()
    deadline = time.monotonic() + seconds
    while any(process.alive() for process in ours) and time.monotonic() < deadline:
        time.sleep(0.02)


def die_with_parent(parent: int) -> Callable[[], None]:
    """For ``preexec_fn``: the kernel kills the child when the thread that started it ends, kill -9 included."""

    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call above
            os._exit(1)

    return prepare


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        with log.open("rb") as source:
            source.seek(max(0, source.seek(0, os.SEEK_END) - 64 * 1024))
            return "\n".join(source.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
