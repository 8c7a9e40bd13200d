"""Fetched windows, shared by all who ask the same of the same source.

A tick then asks Prometheus for the newest moments alone. Who asks while the same is being fetched waits for it. The
windows that nobody asked for the longest are dropped first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from opssight_operator.core.observation import Frame
from opssight_operator.errors import DependencyError

from .grid import Grid
from .windows import Fetch, Window, is_whole, lengthened

Ask = Callable[[Callable[[Fetch], Window]], Awaitable[Window]]
"""Runs a function in a worker thread, with the fetch of a source as its argument."""

OVERLAP_SECONDS = 300.0
_LARGE = 1_000_000  # cells


class WindowCache:
    """At most ``max_bytes`` of windows. The last ``overlap_seconds`` of a window are fetched again with its new end.

    Only for expressions whose answer for a moment stays as it is (``core.promql.looks_back_only``).
    """

    def __init__(self, max_bytes: int, overlap_seconds: float = OVERLAP_SECONDS) -> None:
        self._max_bytes = max_bytes
        self._overlap = round(overlap_seconds * 1000)
        self._windows: OrderedDict[Hashable, Window] = OrderedDict()
        self._flights: dict[Hashable, asyncio.Task[Window]] = {}
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that are held now."""
        return self._bytes

    async def frame(self, key: Hashable, grid: Grid, ask: Ask) -> Frame:
        """What stands at ``grid``; ``key`` says of which expression and source. Raises what ``ask`` raises."""
        key = (key, grid.step, grid.start % grid.step)
        while True:
            window = self._windows.get(key)
            if window is not None and window.covers(grid):
                self._windows.move_to_end(key)
                return await _cut(window, grid)
            flight = self._flights.get(key)
            own = flight is None
            if flight is None:
                flight = self._flights[key] = asyncio.create_task(self._fly(key, window, grid, ask))
                flight.add_done_callback(_looked_at)
            try:
                window = await asyncio.shield(flight)
            except DependencyError:
                raise  # a server that is down is down for all who wait
            except Exception:
                if own:
                    raise
                continue  # it asked for more than we do
            if window.covers(grid):
                return await _cut(window, grid)

    def forget(self, belongs: Callable[[Hashable], bool]) -> None:
        """Drop every window whose key, as it was given, ``belongs`` to something that is gone."""
        for key in [key for key in self._windows if belongs(key[0])]:  # type: ignore[index]
            self._drop(key)

    async def _fly(self, key: Hashable, window: Window | None, grid: Grid, ask: Ask) -> Window:
        try:
            new = await ask(lambda fetch: lengthened(window, grid, fetch, self._overlap))
        finally:
            del self._flights[key]
        if is_whole(new.warnings):
            self._keep(key, new)
        return new

    def _keep(self, key: Hashable, window: Window) -> None:
        self._drop(key)
        self._windows[key] = window
        self._bytes += window.size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._windows)))

    def _drop(self, key: Hashable) -> None:
        window = self._windows.pop(key, None)
        if window is not None:
            self._bytes -= window.size


async def _cut(window: Window, grid: Grid) -> Frame:
    """The frame; off the loop where it may have to be copied and is large."""
    if grid.rows * len(window.labels) > _LARGE:
        return await asyncio.to_thread(window.cut, grid)
    return window.cut(grid)


def _looked_at(flight: asyncio.Task[Window]) -> None:
    """Whoever waited may be gone; the error of a flight is then nobody's, and no defect."""
    if not flight.cancelled():
        flight.exception()
