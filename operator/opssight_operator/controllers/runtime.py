"""The living state of a leading replica: parsed resources, the schedule, and what a run does."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from opssight_operator.api.conditions import Reason
from opssight_operator.api.metrics_source import MetricsSource
from opssight_operator.core.held import held_plan, pending_plan
from opssight_operator.core.plan import Plan
from opssight_operator.core.scheduling import backoff, phase
from opssight_operator.core.sharding import shard_of
from opssight_operator.errors import OpsSightError
from opssight_operator.reconcile.ports import Owner, Ports
from opssight_operator.settings import Settings

from .apply import apply
from .collaborators import Counters, SourceRegistry
from .departures import Departures
from .kinds import KINDS, Key, Resource, interval_of, key_of, lanes_of, owner_of, source_of
from .outcomes import failed, next_delay
from .packing import Packing
from .scheduler import Scheduler
from .unreadable import Unreadable

log = logging.getLogger(__name__)

SPREAD_SECONDS = 10.0  # over which known resources are run again after a restart
SPREAD_SHARE = 1 / 4  # of an interval at most: until then nobody knows a score


@dataclass(slots=True)
class _Held:
    """A resource between its runs, packed, with the status as it was last written by us or read at first sight."""

    uid: str
    generation: int
    source: str
    packed: bytes
    ours: bool = True
    """False for a MetricsSource of another shard, which is used here and reported there."""
    failures: int = 0


class Runtime:
    """Events come in by ``seen`` and ``gone``; the scheduler calls ``work``."""

    def __init__(
        self,
        ports: Ports,
        sources: SourceRegistry,
        counters: Counters,
        settings: Settings,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ports = ports
        self._sources = sources
        self._counters = counters
        self._settings = settings
        self._wall_clock = wall_clock
        self._clock = clock
        self._departures = Departures(ports.shared_rules)
        self._unreadable = Unreadable(ports.status, wall_clock)
        self._packing = Packing()
        self._held: dict[Key, _Held] = {}
        self._number: Counter[str] = Counter()
        self.scheduler = Scheduler(
            self.work,
            concurrency=settings.max_concurrent_reconciles,
            lane_limits={
                "namespace": settings.max_concurrent_per_namespace,
                "source": settings.max_concurrent_per_source,
            },
            lagged=counters.lagged,
            coalesced=counters.coalesced,
            clock=clock,
        )

    def seen(self, kind: str, body: Mapping[str, Any]) -> None:
        """A resource exists and looks like this; anything but a new spec changes no schedule."""
        key = key_of(kind, body)
        ours = shard_of(body["metadata"]["uid"], self._settings.shards) == self._settings.shard
        if not ours and kind != "MetricsSource":
            self._counters.foreign(kind)
            self._forget(key)  # if there was one of that name, it is gone
            return
        known = self._held.get(key)
        if known is not None and known.uid != body["metadata"]["uid"]:
            log.info("a resource was made anew and no event told of the end of the old one", extra={"key": key})
            self._forget(key)
            known = None
        if known is not None and known.generation == body["metadata"].get("generation", 0):
            return  # an echo of our own status, as a rule
        try:
            resource = KINDS[kind].parse(body)
        except ValidationError as error:
            self._unreadable_seen(key, body, error, ours=ours)
            return
        if known is not None:
            resource = resource.model_copy(update={"status": self._packing.unpack(kind, known.packed).status})
            delay = 0.0
        else:
            current = resource.status.observed_generation == resource.metadata.generation
            spread = min(SPREAD_SECONDS, SPREAD_SHARE * interval_of(resource, self._settings))
            delay = phase(resource.metadata.uid, spread) if current else 0.0
        self._number[kind] += ours - (known is not None and known.ours)
        meta, packed = resource.metadata, self._packing.pack(kind, resource)
        self._held[key] = _Held(meta.uid, meta.generation, source_of(resource), packed, ours)
        self._counters.watched(kind, self._number[kind])
        if isinstance(resource, MetricsSource):
            self._source_seen(resource)
        if not ours:
            self.scheduler.drop(key)
            return
        self.scheduler.put(
            key,
            uid=resource.metadata.uid,
            lanes=lanes_of(resource),
            interval=interval_of(resource, self._settings),
            delay=delay,
        )

    def _unreadable_seen(self, key: Key, body: Mapping[str, Any], error: ValidationError, *, ours: bool) -> None:
        """What runs by the spec of before would say that all is well; its rule and its thresholds stay."""
        uid = body["metadata"]["uid"]
        self.scheduler.drop(key)
        self._ports.telemetry.clear_gauges(owner_of(key, uid))
        if ours:
            self._counters.reconciled(key[0], str(Reason.INVALID_SPEC), 0.0)
            self._unreadable.start(key, body, error)

    def gone(self, kind: str, body: Mapping[str, Any]) -> None:
        """A resource was deleted; its rule goes by garbage collection, its gauges and its part of a shared rule now.

        The end of one that was made anew may be told after the beginning of its successor, which stays.
        """
        key = key_of(kind, body)
        known = self._held.get(key)
        if known is not None and known.uid == body["metadata"]["uid"]:
            self._forget(key)

    def _forget(self, key: Key) -> None:
        self.scheduler.drop(key)
        known = self._held.pop(key, None)
        if known is None:
            return
        self._number[key[0]] -= known.ours
        self._counters.watched(key[0], self._number[key[0]])
        self._ports.telemetry.clear_gauges(owner_of(key, known.uid))
        self._departures.start(self._packing.unpack(key[0], known.packed))
        self._ports.models.put(known.uid, {})
        self._ports.looks.forget(known.uid)
        if key[0] == "MetricsSource":
            self._sources.remove(known.source)
            self._run_dependants(known.source)

    async def stop(self, seconds: float) -> None:
        """Start nothing any more; let what runs finish for ``seconds``, then cancel it."""
        await self.scheduler.stop(seconds)
        self._departures.cancel()
        self._unreadable.cancel()

    async def sweep(self, uids_of: Callable[[str], Awaitable[set[str]]]) -> None:
        """Forget what is gone without a word: a watch that has to list anew never tells of deletions in between.

        ``uids_of(kind)`` lists what there is now, so that whatever was known before and is not in it is gone.
        """
        for kind in KINDS:
            known = {key: held for key, held in self._held.items() if key[0] == kind}
            uids = await uids_of(kind)
            for key, held in known.items():
                if held.uid not in uids and self._held.get(key) is held:
                    log.info("a resource is gone and no event told of it", extra={"key": key})
                    self._forget(key)

    def namespace_changed(self, namespace: str) -> None:
        """The labels of a namespace changed, so that a source may allow it or not any more."""
        for key in self._held:
            if key[1] == namespace:
                self.scheduler.poke(key)

    async def work(self, key: Hashable) -> float | None:
        """One run: reconcile, apply, count. Answers with the delay that the outcome asks for."""
        key = cast(Key, key)
        held = self._held.get(key)
        if held is None:
            return None
        began = self._clock()
        try:
            resource = self._packing.unpack(key[0], held.packed)
            plan = await self._run(key, held, resource)
            held.failures = held.failures + 1 if failed(plan) else 0
            self._count(key[0], plan, self._clock() - began)
            interval, longest = interval_of(resource, self._settings), self._settings.max_backoff_seconds
            return next_delay(plan, held.uid, held.failures, interval, longest)
        except Exception:  # nothing is known of the resource, but it must come again, and somebody must hear of it
            log.exception("a run failed by a defect", extra={"key": key})
            held.failures += 1
            self._counters.reconciled(key[0], str(Reason.INTERNAL_ERROR), self._clock() - began)
            return backoff(held.uid, held.failures, self._settings.backoff_seconds, self._settings.max_backoff_seconds)

    async def _run(self, key: Key, held: _Held, resource: Resource) -> Plan[Any]:
        """The plan as it came to pass, or the one that is held since it did not."""
        owner = owner_of(key, held.uid)
        try:
            resource = await self._announced(resource, owner)
            now = self._wall_clock()
            plan = await self._planned(key, resource, now)
            plan = await self._applied(key, plan, resource, owner, now)
        except OpsSightError as error:  # the status could not be written
            log.warning("a plan could not be applied", extra={"key": key, "error": str(error)})
            return held_plan(resource, error, self._wall_clock(), self._settings)
        if plan.status_changed:
            self._remember(key, owner.uid, plan)
        return plan

    async def _applied(self, key: Key, plan: Plan[Any], resource: Resource, owner: Owner, now: float) -> Plan[Any]:
        """The plan as it came to pass; a defect on the way is said in the status like one of the reconcile."""
        try:
            return await apply(plan, resource, owner, now, self._ports, self._settings)
        except OpsSightError:
            raise
        except Exception as error:
            log.exception("a plan was not applied by a defect", extra={"key": key})
            held = held_plan(resource, error, now, self._settings)
            return await apply(held, resource, owner, now, self._ports, self._settings)

    def _remember(self, key: Key, uid: str, plan: Plan[Any]) -> None:
        """Keep the status that now stands there, also when the spec has changed during the run."""
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            resource = self._packing.unpack(key[0], held.packed).model_copy(update={"status": plan.status})
            held.packed = self._packing.pack(key[0], resource)

    async def _announced(self, resource: Resource, owner: Owner) -> Resource:
        """A resource that is seen for the first time says so before the first, long fetch."""
        if resource.status.conditions:
            return resource
        plan = pending_plan(resource, self._wall_clock())
        await self._ports.status.write(owner, plan.status.dump())
        return resource.model_copy(update={"status": plan.status})

    async def _planned(self, key: Key, resource: Resource, now: float) -> Plan[Any]:
        try:
            return await KINDS[key[0]].reconcile(resource, now, self._ports, self._settings)
        except Exception as error:
            log.exception("a reconcile failed by a defect", extra={"key": key})
            return held_plan(resource, error, now, self._settings)

    def _count(self, kind: str, plan: Plan[Any], seconds: float) -> None:
        self._counters.reconciled(kind, plan.outcome, seconds)
        for threshold in getattr(plan.status, "thresholds", ()):
            if threshold.reason != "Changed":
                self._counters.held(threshold.reason)

    def _source_seen(self, source: MetricsSource) -> None:
        before = self._ports.sources.get(source.metadata.name)
        self._sources.update(source)
        if before is None or before.spec != source.spec:
            self._run_dependants(source.metadata.name)

    def _run_dependants(self, source: str) -> None:
        for key, held in self._held.items():
            if key[0] != "MetricsSource" and held.source == source:
                self.scheduler.poke(key)
