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

AT_ONCE = 4  # objects that are written to
Place = tuple[str, str]
"""Namespace and name of a shared object."""


class Departures:
    """Work beside the schedule, which knows existing resources alone.

    What leaves an object while others are being taken out of it goes with the next pass, all at once. Whatever fails
    here or is cut short by an end of the operator is done by the next run of any policy of the object.
    """

    def __init__(self, store: SharedRuleStore) -> None:
        self._store = store
        self._room = asyncio.Semaphore(AT_ONCE)
        self._leaving: dict[Place, dict[str, str]] = {}
        self._passes: dict[Place, asyncio.Task[None]] = {}

    def start(self, resource: Resource) -> None:
        """``resource`` is gone; returns at once."""
        if not isinstance(resource, ThresholdPolicy):
            return
        meta = resource.metadata
        for name in shared_objects(resource):
            place = meta.namespace, name
            self._leaving.setdefault(place, {})[meta.uid] = meta.name
            if place not in self._passes:
                self._passes[place] = asyncio.get_running_loop().create_task(self._pass(place))

    def cancel(self) -> None:
        """Take out nothing any more."""
        for task in self._passes.values():
            task.cancel()

    async def _pass(self, place: Place) -> None:
        try:
            async with self._room:
                while leaving := self._leaving.pop(place, None):
                    await self._leave(place, leaving)
        finally:
            del self._passes[place]

    async def _leave(self, place: Place, leaving: dict[str, str]) -> None:
        namespace, name = place
        try:
            await self._store.leave(namespace, name, leaving.keys())
        except OpsSightError as error:
            log.warning(
                "the part of a deleted policy is still in a shared PrometheusRule",
                extra={"policies": sorted(leaving.values()), "object": f"{namespace}/{name}", "error": str(error)},
            )
