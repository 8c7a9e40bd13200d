"""One deadline heap for all resources.

Each entry runs at most once at a time; runs that come due meanwhile are one run. A new generation runs at once,
a deleted resource never again. Concurrency is bounded overall and per namespace.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from opssight_operator.core.scheduling import missed_runs, next_run

log = logging.getLogger(__name__)

Work = Callable[[Hashable], Awaitable[float | None]]
"""Runs one resource; answers with the seconds until it wants to run again, or None for its own grid."""


@dataclass(slots=True)
class _Entry:
    uid: str
    namespace: str
    interval: float
    due: float
    task: asyncio.Task[None] | None = None
    again: bool = False  # the spec changed while it ran


class Scheduler:
    """Deadlines by key; ``lagged(seconds)`` and ``coalesced(count)`` tell the metrics."""

    def __init__(
        self,
        work: Work,
        *,
        concurrency: int,
        per_namespace: int,
        lagged: Callable[[float], None] = lambda _: None,
        coalesced: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._all = asyncio.Semaphore(concurrency)
        self._each: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_namespace))
        self._entries: dict[Hashable, _Entry] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._ticket = 0
        self._changed = asyncio.Event()
        self._stopping = False
        self._lagged = lagged
        self._coalesced = coalesced
        self._clock = clock
        self.turned_at = clock()

    def put(self, key: Hashable, *, uid: str, namespace: str, interval: float, delay: float = 0.0) -> None:
        """Add or change an entry so that it is due in ``delay`` seconds; one that runs just now runs again after."""
        due = self._clock() + delay
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid:
            self.drop(key)
            entry = self._entries[key] = _Entry(uid, namespace, interval, due)
        entry.interval = interval
        if entry.task is not None:
            entry.again = True
            return
        self._push(key, entry, due)

    def poke(self, key: Hashable) -> None:
        """Make a known entry due now."""
        entry = self._entries.get(key)
        if entry is not None:
            self.put(key, uid=entry.uid, namespace=entry.namespace, interval=entry.interval)

    def drop(self, key: Hashable) -> None:
        """Forget an entry; a run of it that is under way is cancelled."""
        entry = self._entries.pop(key, None)
        if entry is not None and entry.task is not None:
            entry.task.cancel()

    def __len__(self) -> int:
        return len(self._entries)

    async def run(self) -> None:
        """Start what is due, until ``stop``."""
        while not self._stopping:
            self.turned_at = self._clock()
            self._start_due()
            wait = self._heap[0][0] - self._clock() if self._heap else 60.0
            self._changed.clear()
            try:
                async with asyncio.timeout(min(max(wait, 0.0), 60.0)):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def stop(self, seconds: float) -> None:
        """Start nothing any more; let what runs finish for ``seconds``, then cancel it."""
        self._stopping = True
        self._changed.set()
        running = {entry.task for entry in self._entries.values() if entry.task is not None}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)

    def _push(self, key: Hashable, entry: _Entry, due: float) -> None:
        entry.due = due
        self._ticket += 1
        heapq.heappush(self._heap, (due, self._ticket, key))
        if self._heap[0][1] == self._ticket:
            self._changed.set()

    def _start_due(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            if entry is None or entry.task is not None or entry.due != due:
                continue  # dropped, running, or moved to another time
            self._lagged(now - due)
            entry.task = asyncio.get_running_loop().create_task(self._one(key, entry), name=f"run {key}")

    async def _one(self, key: Hashable, entry: _Entry) -> None:
        wanted: float | None = None
        try:
            async with self._each[entry.namespace], self._all:
                wanted = await self._work(key)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a run ended with an error that nobody handled", extra={"key": str(key)})
        finally:
            if self._entries.get(key) is entry:
                entry.task = None
                self._reschedule(key, entry, wanted)

    def _reschedule(self, key: Hashable, entry: _Entry, wanted: float | None) -> None:
        now = self._clock()
        self._coalesced(missed_runs(entry.due, now, entry.interval))
        if entry.again:
            entry.again = False
            self._push(key, entry, now)
        elif wanted is not None:
            self._push(key, entry, now + wanted)
        else:
            self._push(key, entry, next_run(entry.uid, entry.interval, now))
