"""Parts of shared rule objects that are taken out as soon as their policy is deleted."""

from __future__ import annotations

import asyncio
import logging

from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.core.places import shared_objects
from opssight_operator.errors import OpsSightError
from opssight_operator.reconcile.ports import SharedRuleStore

from .kinds import Resource

log = logging.getLogger(__name__)


class Departures:
    """Work beside the schedule, which knows existing resources alone.

    Whatever fails here or is cut short by an end of the operator is done by the next run of any policy of the object.
    """

    def __init__(self, store: SharedRuleStore) -> None:
        self._store = store
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, resource: Resource) -> None:
        """``resource`` is gone; returns at once."""
        if not isinstance(resource, ThresholdPolicy):
            return
        for name in shared_objects(resource):
            task = asyncio.get_running_loop().create_task(self._leave(resource, name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _leave(self, policy: ThresholdPolicy, name: str) -> None:
        meta = policy.metadata
        try:
            await self._store.leave(meta.namespace, name, meta.uid)
        except OpsSightError as error:
            log.warning(
                "the part of a deleted policy is still in a shared PrometheusRule",
                extra={"policy": f"{meta.namespace}/{meta.name}", "object": name, "error": str(error)},
            )
