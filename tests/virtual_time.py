"""An event loop whose clock jumps to the next timer as soon as nothing is left to do: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    """A selector that does not wait: it moves the clock forward by what it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("the test waits for something that will never happen")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time is ``loop.time()``; threads and sockets have no place here."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since nothing in particular."""
        # A timer is due when time() + resolution reaches it; the extra keeps rounding from spinning in place.
        return self._jumping.now

    @property
    def _clock_resolution(self) -> float:
        return 1e-6

    @_clock_resolution.setter
    def _clock_resolution(self, _: float) -> None:
        pass


def in_virtual_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end; tasks that are left over are cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
