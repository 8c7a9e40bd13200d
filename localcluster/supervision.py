"""The other end of ``supervisor``: start one, find one again, and give it orders."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from .errors import ClusterError
from .processes import Identity, kill_all, tail
from .supervisor import KEPT_LOGS, NOTE, address, remove_state

SOURCE_ROOT = Path(__file__).resolve().parent.parent


class Supervision:
    """Orders to the supervisor of one state directory."""

    def __init__(self, state: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self.state = state
        self._process = process

    @classmethod
    def start(cls, state: Path, within: Sequence[str] = ()) -> Self:
        """A new supervisor, which dies with this process until ``detach``. Removes what a crash left in ``state``.

        ``within`` is a command that runs the command after it somewhere else, such as in namespaces of its own. One
        that does so has to remove the state directory at the end, when nothing is mounted in it any more.
        """
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        if cls(state).reachable():
            raise ClusterError(f"a cluster with the state directory {state} runs already")
        clean_up(state)
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(state.iterdir()):
            raise ClusterError(f"the state directory {state} holds something else than a cluster; choose an empty one")
        log = state / KEPT_LOGS / "supervisor.log"
        log.parent.mkdir(exist_ok=True)
        environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT)}
        with log.open("ab") as errors:
            process = subprocess.Popen(
                [
                    *within,
                    sys.executable,
                    "-m",
                    "localcluster.supervisor",
                    str(state),
                    *(["--leave"] if within else []),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,  # Ctrl-C in the terminal is for the starter, who then ends us in order
            )
        assert process.stdout is not None
        with process.stdout as said:
            word = said.readline().decode().strip()
        if word != "ready":
            process.kill()
            process.wait()
            raise ClusterError(word or f"the supervisor did not start:\n{tail(log)}")
        return cls(state, process)

    def _supervisor(self) -> Identity | None:
        """The supervisor by the pid that it has here: in a pid namespace of its own it knows itself by another."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            try:
                line.connect(address(self.state))
            except OSError:
                return None
            credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return Identity.of(struct.unpack("3i", credentials)[0])

    def reachable(self) -> bool:
        """Whether a supervisor of this state directory answers."""
        try:
            self.order("list")
        except ClusterError:
            return False
        return True

    def order(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give one order and return its answer; raises ``ClusterError`` when it was not carried out."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(90.0)
            try:
                line.connect(address(self.state))
                line.sendall(json.dumps({"do": do} | arguments).encode() + b"\n")
                with line.makefile("rb") as reader:
                    answer: dict[str, Any] = json.loads(reader.readline() or b"{}")
            except (OSError, ValueError) as problem:
                raise ClusterError(f"no cluster runs with the state directory {self.state} ({problem})") from None
        if "error" in answer:
            raise ClusterError(answer["error"])
        return answer

    def spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
        """Start a server and return its pid; its output goes to ``log(name)``."""
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.state)} | dict(env or {})
        answer = self.order("spawn", name=name, argv=list(argv), env=environment, log=str(self.log(name)))
        return int(answer["pid"])

    def run(self, name: str, argv: Sequence[str], seconds: float = 300.0) -> None:
        """Run a program to its end, as mortal as a server; raises ``ClusterError`` with its output when it fails."""
        self.spawn(name, argv)
        deadline = time.monotonic() + seconds
        while (returncode := self.servers()[name]["returncode"]) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.stop(name, grace=0)
        if returncode != 0:
            raise ClusterError(f"{name} ended ({returncode}). The last lines of its output:\n{tail(self.log(name))}")

    def stop(self, name: str, grace: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after ``grace`` seconds; with 0, SIGKILL at once."""
        self.order("stop", name=name, grace=grace)

    def servers(self) -> dict[str, dict[str, Any]]:
        """Name -> ``{"pid", "returncode"}``; the return code is None while the server runs."""
        servers: dict[str, dict[str, Any]] = self.order("list")["servers"]
        return servers

    def check_running(self, name: str) -> None:
        """Raise ``ClusterError`` with the last lines of its log when the server has ended."""
        returncode = self.servers().get(name, {"returncode": "never started"})["returncode"]
        if returncode is not None:
            raise ClusterError(f"{name} ended ({returncode}). The last lines of its log:\n{tail(self.log(name))}")

    def wait_for(self, what: str, ready: Callable[[], bool], names: Sequence[str], seconds: float = 60.0) -> None:
        """Wait until ``ready``; raises ``ClusterError`` with log lines when a named server ends or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            for name in names:
                self.check_running(name)
            if time.monotonic() > deadline:
                logs = "\n".join(f"The last lines of {name}:\n{tail(self.log(name))}" for name in names)
                raise ClusterError(f"waited {seconds:.0f} s in vain for {what}. {logs}")
            time.sleep(0.05)

    def log(self, name: str) -> Path:
        """Where the output of a server goes."""
        return self.state / KEPT_LOGS / f"{name}.log"

    def detach(self) -> None:
        """Let the servers outlive this process."""
        self.order("detach")
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.returncode = 0  # no longer ours to wait for
            self._process = None

    def end(self, keep_logs: bool = False) -> None:
        """End all servers and remove the state directory; returns when both are done."""
        try:
            own = self._supervisor()
            self.order("down", keep_logs=keep_logs)
        except ClusterError:
            own = None
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(30)
        deadline = time.monotonic() + 30
        while own is not None and own.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        clean_up(self.state, keep_logs)


def clean_up(state: Path, keep_logs: bool = False) -> int:
    """Kill what a crashed cluster left running and remove its directory; returns how many processes there were.

    A directory that holds anything but a cluster is left alone.
    """
    try:
        noted = [Identity(int(pid), int(started)) for pid, started in json.loads((state / NOTE).read_text())]
    except (OSError, ValueError):
        noted = []
    left = [process for process in noted if process.alive()]
    kill_all(left)
    present = {entry.name for entry in state.iterdir()} if state.is_dir() else set()
    if NOTE in present or present <= {KEPT_LOGS}:
        remove_state(state, keep_logs)
    return len(left)
