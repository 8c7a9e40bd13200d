"""Resources that do not parse, as the CRD of another version lets them through: that is said in their status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from opssight_operator.core.unreadable import problems_said, refusal
from opssight_operator.errors import OpsSightError
from opssight_operator.reconcile.ports import StatusStore

from .kinds import Key, owner_of

log = logging.getLogger(__name__)


class Unreadable:
    """Work beside the schedule, which knows parsed resources alone. What fails here is tried at the next event."""

    def __init__(self, store: StatusStore, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._wall_clock = wall_clock
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, key: Key, body: Mapping[str, Any], error: ValidationError) -> None:
        """``body`` does not parse; returns at once."""
        problem = problems_said(error)
        log.error("a resource does not parse", extra={"key": key, "error": problem})
        status, generation = body.get("status") or {}, body["metadata"].get("generation", 0)
        said = refusal(status, generation, problem, self._wall_clock())
        if said is not None:
            task = asyncio.get_running_loop().create_task(self._write(key, body["metadata"]["uid"], said))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Write nothing any more."""
        for task in self._tasks:
            task.cancel()

    async def _write(self, key: Key, uid: str, status: dict[str, Any]) -> None:
        try:
            await self._store.write(owner_of(key, uid), status)
        except OpsSightError as error:
            log.warning("a refusal could not be written", extra={"key": key, "error": str(error)})
