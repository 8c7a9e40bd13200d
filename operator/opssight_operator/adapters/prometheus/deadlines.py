"""Moments at which a request is over, whatever its socket is doing.

A socket's own time-out counts the silence between two bytes, so that a server that sends a byte now and then is never
too slow. One thread looks after all requests: one for each would cost more than many an answer takes to read.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time

_current = threading.local()


class Deadline:
    """``seconds`` from now on; after that, or after ``cut``, the sockets that it watches are dead.

    As a context it watches the connections that this thread uses inside.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self.at = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        _watch.add(self)

    def watch(self, connection: socket.socket) -> None:
        """Shut this socket down when the time is over."""
        with self._lock:
            self._sockets.append(connection)
            late = self.expired
        if late:
            _shut(connection)

    def cut(self) -> None:
        """End now."""
        with self._lock:
            self.expired = True
            connections, self._sockets = self._sockets, []
        for connection in connections:
            _shut(connection)

    def done(self) -> None:
        """The request is over; its connection may be used again."""
        _watch.discard(self)
        with self._lock:
            self._sockets = []

    def __enter__(self) -> Deadline:
        _current.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.deadline = None


def current() -> Deadline | None:
    """The deadline inside of which this thread is."""
    return getattr(_current, "deadline", None)


class _Watch:
    """Cuts each deadline at its moment, in a thread that starts with the first one and sleeps until the earliest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: set[Deadline] = set()
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        """Cut it when its time has come."""
        with self._changed:
            self._waiting.add(deadline)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif deadline.at < self._wakes_at:
                self._changed.notify()

    def discard(self, deadline: Deadline) -> None:
        """Leave it alone."""
        with self._changed:
            self._waiting.discard(deadline)

    def _run(self) -> None:
        while True:
            for deadline in self._late():
                deadline.cut()

    def _late(self) -> list[Deadline]:
        """Those whose time is over; waits for the next one first."""
        with self._changed:
            now = time.monotonic()
            self._wakes_at = min((deadline.at for deadline in self._waiting), default=math.inf)
            if self._wakes_at > now:
                self._changed.wait(min(self._wakes_at - now, threading.TIMEOUT_MAX))
                now = time.monotonic()
            late = [deadline for deadline in self._waiting if deadline.at <= now]
            self._waiting.difference_update(late)
            return late


_watch = _Watch()
os.register_at_fork(after_in_child=_watch.__init__)  # type: ignore[misc]  # without the thread, and with a free lock


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        # not the method of a TLS socket, which would take the state away from the thread that reads
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
