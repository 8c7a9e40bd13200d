"""Work off the event loop, on so many threads and no more."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from opssight_operator.adapters.compute import ThreadCompute


async def test_the_result_and_the_error_of_a_function_come_back() -> None:
    compute = ThreadCompute(1)
    assert await compute.run(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await compute.run(lambda: 1 // 0)
    compute.close()


async def test_no_more_run_at_once_than_there_are_threads_and_the_loop_goes_on() -> None:
    compute = ThreadCompute(2)
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    turns = 0
    tasks = asyncio.gather(*(compute.run(work) for _ in range(6)))
    while not tasks.done():
        turns += 1
        await asyncio.sleep(0.001)
    compute.close()
    assert most == 2
    assert turns > 5


async def test_closing_drops_what_waits_and_does_not_wait_for_what_runs() -> None:
    compute = ThreadCompute(1)
    go = threading.Event()
    running = asyncio.create_task(compute.run(go.wait))
    waiting = asyncio.create_task(compute.run(lambda: None))
    await asyncio.sleep(0.01)
    began = time.monotonic()
    compute.close()
    assert time.monotonic() - began < 0.5
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    assert await running
