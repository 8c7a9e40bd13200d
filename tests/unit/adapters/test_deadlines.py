"""A request is over at its moment, and all requests share one thread that looks after them."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time

from opssight_operator.adapters.prometheus.deadlines import Deadline


def seconds_until_dead(connection: socket.socket) -> float:
    """How long a read of a silent peer takes."""
    began = time.monotonic()
    assert connection.recv(1) == b""
    return time.monotonic() - began


def test_a_socket_ends_at_the_moment_of_its_deadline_though_another_one_is_much_later() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        later, sooner = Deadline(3600), Deadline(0.2)
        sooner.watch(ours)
        assert 0.1 < seconds_until_dead(ours) < 5
        assert (later.expired, sooner.expired) == (False, True)
        later.done()


def test_a_socket_that_is_watched_too_late_ends_at_once() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        deadline = Deadline(3600)
        deadline.cut()
        deadline.watch(ours)
        assert seconds_until_dead(ours) < 5


def test_the_connection_of_a_request_that_is_done_stays_open() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        deadline = Deadline(0.05)
        deadline.watch(ours)
        deadline.done()
        time.sleep(0.2)
        peer.sendall(b"x")
        assert ours.recv(1) == b"x"
        assert not deadline.expired


def test_a_hundred_requests_need_one_thread() -> None:
    deadlines = [Deadline(3600) for _ in range(100)]
    try:
        assert [thread.name for thread in threading.enumerate()].count("deadlines") == 1
    finally:
        for deadline in deadlines:
            deadline.done()


def _expires() -> None:
    deadline = Deadline(0.1)
    time.sleep(0.1)
    for _ in range(100):
        if deadline.expired:
            raise SystemExit(7)
        time.sleep(0.05)


def test_a_process_that_was_forked_off_has_deadlines_of_its_own() -> None:
    Deadline(0.01).done()  # the thread of this process
    child = multiprocessing.get_context("fork").Process(target=_expires, daemon=True)
    child.start()
    child.join(30)
    assert child.exitcode == 7
