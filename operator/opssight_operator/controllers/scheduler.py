"""One deadline heap for all resources.

Each entry runs at most once at a time; runs that come due meanwhile are one run. A new generation runs at once,
a deleted resource never again. Concurrency is bounded overall and in each lane (see ``lanes``).
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial

from opssight_operator.core.scheduling import missed_runs, next_run

from .lanes import Lane, Lanes

log = logging.getLogger(__name__)

Work = Callable[[Hashable], Awaitable[float | None]]
"""Runs one resource; answers with the seconds until it wants to run again, or None for its own grid."""

LONGEST_SLEEP = 60.0  # after which the loop turns once, so that the liveness probe sees it turn
STRAGGLER_SECONDS = 1.0  # what a cancelled run may take to end


@dataclass(slots=True)
class _Entry:
    uid: str
    lanes: tuple[Lane, ...]
    interval: float
    due: float
    task: asyncio.Task[None] | None = None
    again: bool = False  # the spec changed while it ran


class Scheduler:
    """Deadlines by key. ``lagged(seconds)`` hears how late each run starts, ``coalesced(count)`` of missed runs."""

    def __init__(
        self,
        work: Work,
        *,
        concurrency: int,
        lane_limits: Mapping[str, int],
        lagged: Callable[[float], None] = lambda _: None,
        coalesced: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._lanes = Lanes(concurrency, lane_limits)
        self._entries: dict[Hashable, _Entry] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._ticket = 0
        self._changed = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._lagged = lagged
        self._coalesced = coalesced
        self._clock = clock
        self.turned_at = clock()

    def put(self, key: Hashable, *, uid: str, lanes: tuple[Lane, ...], interval: float, delay: float = 0.0) -> None:
        """Add or change an entry so that it is due in ``delay`` seconds; one that runs just now runs again after."""
        due = self._clock() + delay
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid:
            self.drop(key)
            entry = self._entries[key] = _Entry(uid, lanes, interval, due)
        entry.interval, entry.lanes = interval, lanes
        if entry.task is not None:
            entry.again = True
        elif key in self._lanes:
            self._lanes.add(key, lanes)
        else:
            self._push(key, entry, due)

    def poke(self, key: Hashable) -> None:
        """Make a known entry due now."""
        entry = self._entries.get(key)
        if entry is not None:
            self.put(key, uid=entry.uid, lanes=entry.lanes, interval=entry.interval)

    def drop(self, key: Hashable) -> None:
        """Forget an entry; a run of it that is under way is cancelled."""
        entry = self._entries.pop(key, None)
        self._lanes.discard(key)
        if entry is not None and entry.task is not None:
            entry.task.cancel()

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._entries)

    @property
    def waiting(self) -> int:
        """How many are due and wait for room."""
        return len(self._lanes)

    async def run(self) -> None:
        """Start what is due, until ``stop`` or until cancelled; nothing is started after either."""
        try:
            while not self._stopping:
                await self._turn()
        finally:
            self._stopping = True

    async def stop(self, seconds: float) -> None:
        """Start nothing any more; let what runs finish for ``seconds``, then cancel it."""
        self._stopping = True
        self._changed.set()
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=STRAGGLER_SECONDS)

    async def _turn(self) -> None:
        self.turned_at = self._clock()
        self._collect_due()
        self._start()
        wait = self._heap[0][0] - self._clock() if self._heap else LONGEST_SLEEP
        self._changed.clear()
        try:
            async with asyncio.timeout(min(max(wait, 0.0), LONGEST_SLEEP)):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _push(self, key: Hashable, entry: _Entry, due: float) -> None:
        entry.due = due
        self._ticket += 1
        heapq.heappush(self._heap, (due, self._ticket, key))
        if self._heap[0][1] == self._ticket:
            self._changed.set()

    def _collect_due(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            if entry is None or entry.task is not None or entry.due != due:
                continue  # dropped, running, or moved to another time
            self._lanes.add(key, entry.lanes)

    def _start(self) -> None:
        while not self._stopping and (taken := self._lanes.take()) is not None:
            key, lanes = taken
            entry = self._entries[key]
            self._lagged(self._clock() - entry.due)
            entry.task = asyncio.get_running_loop().create_task(self._one(key, entry), name=f"run {key}")
            self._running.add(entry.task)
            # Not in the run itself, because one that is cancelled before its first step never comes to its end.
            entry.task.add_done_callback(partial(self._ended, lanes))

    def _ended(self, lanes: tuple[Lane, ...], task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._lanes.free(lanes)
        self._start()

    async def _one(self, key: Hashable, entry: _Entry) -> None:
        wanted: float | None = None
        try:
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
        try:
            due = self._due_again(entry, wanted, now)
        except Exception:  # an entry that is in no queue would never run again
            log.exception("the next run has no time, and comes in a minute", extra={"key": str(key)})
            due = now + LONGEST_SLEEP
        self._push(key, entry, due)

    def _due_again(self, entry: _Entry, wanted: float | None, now: float) -> float:
        self._coalesced(missed_runs(entry.due, now, entry.interval))
        if entry.again:
            entry.again = False
            return now
        return now + wanted if wanted is not None else next_run(entry.uid, entry.interval, now)
