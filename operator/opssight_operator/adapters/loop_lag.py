"""How late the event loop wakes up, which is how long everything on it waits: probes, watches, the Lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE_SECONDS = 0.5  # each look wakes a process that has nothing else to do: five a second were a third of its rest


async def watch_loop(heard: Callable[[float], None], pause: float = PAUSE_SECONDS) -> None:
    """Sleep again and again, and tell ``heard`` how many seconds too long each sleep was; until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + pause
        await asyncio.sleep(pause)
        heard(max(0.0, loop.time() - due))
