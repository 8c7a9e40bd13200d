from __future__ import annotations

import asyncio
import time

from opssight_operator.adapters.loop_lag import watch_loop
from virtual_time import in_virtual_time


async def heard_while(script: object, seconds: float) -> list[float]:
    lags: list[float] = []
    watching = asyncio.create_task(watch_loop(lags.append, pause=0.2))
    await asyncio.sleep(0.1)
    if callable(script):
        script()
    await asyncio.sleep(seconds)
    watching.cancel()
    return lags


def test_a_free_loop_is_never_late() -> None:
    lags = in_virtual_time(heard_while(None, 10.0))
    assert len(lags) == 50 and max(lags) < 1e-6


def test_a_loop_that_was_blocked_is_late_by_what_was_left_of_it() -> None:
    lags = asyncio.run(heard_while(lambda: time.sleep(0.4), 0.3))  # from 0.1 to 0.5, due at 0.2
    assert lags[0] >= 0.25
