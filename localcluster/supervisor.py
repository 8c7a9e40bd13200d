"""The process that owns the servers of one cluster: it starts and stops them, and they never outlive it.

It ends everything when its lifeline (standard input) closes, that is when the process that started it has gone, by
whatever death. If the supervisor itself is killed, the kernel kills its children (``die_with_parent``). It has one
thread because that kernel promise holds for the *thread* that started a child.

Orders are one JSON object a line over an abstract Unix socket, named after the state directory; it leaves no file, and
two supervisors of one directory cannot exist.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .processes import Identity, die_with_parent

NOTE = "processes.json"
KEPT_LOGS = "logs"


def address(state: Path) -> str:
    """The abstract socket of the supervisor of a state directory."""
    return "\0opssight-localcluster-" + hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:32]


class Supervisor:
    """Children by name, and the orders about them."""

    def __init__(self, state: Path, ephemeral: bool) -> None:
        self.state = state
        self.ephemeral = ephemeral
        self.keep_logs = False
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.identities: dict[str, Identity] = {}
        self.ending = False

    def order(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order; what goes wrong is the answer's ``error``."""
        try:
            match message["do"]:
                case "spawn":
                    return self.spawn(message["name"], message["argv"], message["env"], Path(message["log"]))
                case "stop":
                    return self.stop(message["name"], float(message["grace"]))
                case "list":
                    return {"servers": self.listing()}
                case "down":
                    self.ending, self.keep_logs = True, bool(message["keep_logs"])
                    return {}
                case "detach":
                    self.ephemeral = False
                    return {}
                case other:
                    return {"error": f"unknown order {other!r}"}
        except (KeyError, OSError, ValueError) as problem:
            return {"error": f"{type(problem).__name__}: {problem}"}

    def spawn(self, name: str, argv: list[str], env: dict[str, str], log: Path) -> dict[str, Any]:
        """Start a server; its output is appended to ``log``."""
        running = self.children.get(name)
        if running is not None and running.poll() is None:
            return {"error": f"{name} runs already, as pid {running.pid}"}
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            child = subprocess.Popen(
                argv,
                env=env,
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - there is one thread
            )
        self.children[name] = child
        self.identities[name] = Identity.of(child.pid) or Identity(child.pid, 0)
        self.note()
        return {"pid": child.pid}

    def stop(self, name: str, grace: float) -> dict[str, Any]:
        """SIGTERM, and SIGKILL after ``grace`` seconds (at once when it is 0)."""
        child = self.children.pop(name, None)
        self.identities.pop(name, None)
        if child is None:
            return {"error": f"there is no server {name!r}"}
        if child.poll() is None and grace > 0:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace)
        if child.poll() is None:
            child.kill()
        returncode = child.wait()
        self.note()
        return {"returncode": returncode}

    def listing(self) -> dict[str, Any]:
        """Every server: its pid, and its return code once it has ended by itself."""
        return {name: {"pid": child.pid, "returncode": child.poll()} for name, child in self.children.items()}

    def note(self) -> None:
        """Write down who is ours, for the one who finds the directory after a crash."""
        own = Identity.of(os.getpid())
        everyone = ([own] if own else []) + list(self.identities.values())
        scratch = self.state / (NOTE + ".new")
        scratch.write_text(json.dumps([[process.pid, process.started] for process in everyone]))
        scratch.replace(self.state / NOTE)

    def end(self, remove: bool) -> None:
        """Kill all children. They get no time to flush: nothing that they hold outlives them."""
        for child in self.children.values():
            if child.poll() is None:
                child.kill()
        for child in self.children.values():
            child.wait()
        if remove:
            remove_state(self.state, self.keep_logs)
        else:
            (self.state / NOTE).unlink(missing_ok=True)

    def serve(self, door: socket.socket) -> None:
        """Answer orders until told to end, or until the lifeline closes."""
        wake, signalled = os.pipe()
        os.set_blocking(signalled, False)
        signal.set_wakeup_fd(signalled)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ending", True))
        with selectors.DefaultSelector() as events:
            for source in (door, sys.stdin.buffer, wake):
                events.register(source, selectors.EVENT_READ)
            while not self.ending:
                for key, _ in events.select():
                    if key.fileobj is door:
                        self.answer(door)
                    elif key.fileobj == wake:
                        os.read(wake, 4096)
                        for child in self.children.values():
                            child.poll()  # no zombies
                    elif not os.read(sys.stdin.fileno(), 4096):
                        events.unregister(sys.stdin.buffer)
                        self.ending = self.ephemeral

    def answer(self, door: socket.socket) -> None:
        """One connection, one order, one answer; only for the user that the supervisor runs as."""
        connection, _ = door.accept()
        with connection:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            if struct.unpack("3i", credentials)[1] != os.getuid():
                return
            connection.settimeout(5.0)
            try:
                with connection.makefile("rwb") as line:
                    line.write(json.dumps(self.order(json.loads(line.readline()))).encode() + b"\n")
            except (OSError, ValueError):
                return


def remove_state(state: Path, keep_logs: bool) -> None:
    """Delete a state directory; the logs stay when asked for."""
    for entry in list(state.iterdir()) if state.is_dir() else []:
        if entry.name == KEPT_LOGS and keep_logs:
            continue
        for _ in range(3):  # a child killed this instant may still have finished a last file
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
            if not entry.exists():
                break
            time.sleep(0.1)
    if not keep_logs:
        shutil.rmtree(state, ignore_errors=True)


def main() -> int:
    """``python -m localcluster.supervisor STATE [--leave]``: prints a line when ready for orders.

    With ``--leave`` somebody else removes the state directory.
    """
    state = Path(sys.argv[1])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        try:
            door.bind(address(state))
        except OSError:
            print(f"a cluster with the state directory {state} runs already", flush=True)
            return 1
        door.listen()
        supervisor = Supervisor(state, ephemeral=True)
        supervisor.note()
        print("ready", flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the starter waits for no more than the line above
        try:
            supervisor.serve(door)
        finally:
            supervisor.end(remove="--leave" not in sys.argv[2:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
