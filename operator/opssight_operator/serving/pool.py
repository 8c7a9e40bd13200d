"""The processes that compute: a request has one to itself, and takes it down when it is not wanted any more.

Numpy and scikit-learn cannot be interrupted, so that a thread would go on for as long as it likes. A process can be
killed, gives all its memory back, and leaves the event loop alone with its work.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .worker import LENGTHS, OUT_OF_MEMORY, packed

START_SECONDS = 60.0
RETRY_SECONDS = 1.0
ENDED = "ended"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an answer or a problem as JSON, or a failure without one."""

    status: int
    body: bytes
    failure: str = ""  # "", "failed", "out-of-memory" or "ended"


class Worker:
    """One process. Requests must come one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process = process
        self.resident_bytes = 0
        self._to, self._from = process.stdin, process.stdout

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.returncode is None

    async def ask(self, head: dict[str, Any], body: bytes) -> Reply:
        """The answer; ``ConnectionError`` or ``EOFError`` when the process ends before it."""
        self._to.write(packed(head, body))
        self._to.write(body)
        await self._to.drain()
        said, answer = await self._frame()
        self.resident_bytes = said["resident_bytes"]
        return Reply(said["status"], answer, said["failure"])

    async def ready(self) -> None:
        """Wait until it has said so."""
        await self._frame()

    async def _frame(self) -> tuple[dict[str, Any], bytes]:
        head_length, body_length = LENGTHS.unpack(await self._from.readexactly(LENGTHS.size))
        head = json.loads(await self._from.readexactly(head_length))
        return head, await self._from.readexactly(body_length) if body_length else b""

    def kill(self) -> None:
        """At once; the kernel takes everything back."""
        if self.alive:
            self.process.kill()

    async def gone(self) -> None:
        """Wait for the end of the process."""
        self._to.close()
        await self.process.wait()


class Pool:
    """``size`` workers; ``ended`` is called with a reason for each that is taken down."""

    def __init__(
        self,
        size: int,
        *,
        memory_bytes: int = 0,
        recycle_bytes: int = 2**63,
        log_format: str = "json",
        log_level: str = "INFO",
        ended: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.size = size
        self._arguments = (str(memory_bytes), log_format, log_level)
        self._recycle_bytes = recycle_bytes
        self._ended = ended
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        self._workers: set[Worker] = set()
        self._busy: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def alive(self) -> int:
        """Workers that run."""
        return sum(worker.alive for worker in self._workers)

    @property
    def busy(self) -> int:
        """Workers that compute."""
        return len(self._busy)

    def start(self) -> None:
        """Start all workers; requests wait for the first of them."""
        for _ in range(self.size):
            self._later(self._add())

    async def run(self, head: dict[str, Any], body: bytes) -> Reply:
        """The answer to one request. Cancelled, it kills the worker and so frees the processor at once."""
        worker = await self._take()
        self._busy.add(worker)
        reason = "cancelled"
        try:
            reply = await worker.ask(head, body)
            large = worker.resident_bytes > self._recycle_bytes or reply.failure == OUT_OF_MEMORY
            reason = "large" if large else ""
            return reply
        except (ConnectionError, EOFError):  # IncompleteReadError is an EOFError
            reason = "crashed"
            return Reply(500, b"", ENDED)
        finally:
            self._busy.discard(worker)
            if reason:
                self._replace(worker, reason)
            else:
                self._idle.put_nowait(worker)

    async def close(self) -> None:
        """End all workers."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers:
            worker.kill()
        await asyncio.gather(*(worker.gone() for worker in self._workers), return_exceptions=True)

    async def _take(self) -> Worker:
        while True:
            worker = await self._idle.get()
            if worker in self._workers and worker.alive:
                return worker

    def _replace(self, worker: Worker, reason: str) -> None:
        self._ended(reason)
        if reason != "cancelled":
            log.warning("a worker is replaced", extra={"reason": reason, "exit": worker.process.returncode})
        worker.kill()
        self._workers.discard(worker)
        if not self._closing:
            self._later(self._add())
            self._later(worker.gone())

    async def _add(self) -> None:
        while True:
            worker: Worker | None = None
            try:
                worker = await self._spawn()
                async with asyncio.timeout(START_SECONDS):
                    await worker.ready()
            except (OSError, EOFError, TimeoutError) as error:
                log.error("a worker does not start", extra={"why": str(error) or type(error).__name__})
            except asyncio.CancelledError:
                if worker is not None:
                    worker.kill()
                raise
            else:
                self._workers.add(worker)
                self._idle.put_nowait(worker)
                self._later(self._watch(worker))
                return
            if worker is not None:
                worker.kill()
            await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self, worker: Worker) -> None:
        """Replace a worker that ends while nobody asks it."""
        await worker.process.wait()
        if worker in self._workers and worker not in self._busy:
            self._replace(worker, "crashed")

    async def _spawn(self) -> Worker:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        return Worker(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "opssight_operator.serving.worker",
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **one_thread},
                start_new_session=True,  # Ctrl-C is for the server alone
                limit=1 << 20,
            )
        )

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
