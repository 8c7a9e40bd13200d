"""What the process does with its lease. A process of its own ends here, because ending is what is looked at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opssight_operator.__main__ import _hold

Holding = Callable[[asyncio.Event], Awaitable[None]]
WENT_ON = 7


class Held:
    """A lease that is held as the test says."""

    def __init__(self, hold: Holding) -> None:
        self.hold = hold


async def lost(_: asyncio.Event) -> None:
    await asyncio.sleep(0)


async def broken(_: asyncio.Event) -> None:
    raise KeyError("metadata")


async def cancelled(_: asyncio.Event) -> None:
    raise asyncio.CancelledError


async def until_done(done: asyncio.Event) -> None:
    asyncio.get_running_loop().call_later(0.01, done.set)
    await done.wait()


def how_it_ended(hold: Holding) -> int:
    """The exit code of a process that holds the lease like this; ``WENT_ON`` when it was not ended."""
    child = os.fork()
    if child == 0:
        lease: Any = Held(hold)
        try:
            asyncio.run(_hold(lease, asyncio.Event()))
        finally:
            os._exit(WENT_ON)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("hold", [lost, broken, cancelled])
def test_whoever_does_not_hold_the_lease_any_more_ends_at_once(hold: Holding) -> None:
    assert how_it_ended(hold) == 1


def test_a_lease_that_was_held_until_all_work_was_done_ends_nothing() -> None:
    assert how_it_ended(until_done) == WENT_ON
