"""What a replica does while it leads: watch with kopf, run what is due, sweep, and drain at the end."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import kopf
from pydantic import ValidationError

from .adapters.compute import ThreadCompute
from .adapters.kubernetes import KubeApi, PrometheusRules, Statuses
from .adapters.kubernetes.documents import ConfigMaps
from .adapters.kubernetes.lookout import Lookout
from .adapters.kubernetes.lookups import Lookups
from .adapters.kubernetes.no_rules import NoRules
from .adapters.kubernetes.patches import PatchTargets
from .adapters.kubernetes.shared_rules import SharedRules
from .adapters.pauses import pause
from .adapters.prometheus.sources import Sources
from .adapters.recorder import EventRecorder
from .adapters.telemetry import Telemetry
from .controllers.kinds import KINDS
from .controllers.registry import NoMemories, build_registry, kopf_settings, shard_selector
from .controllers.runtime import Runtime
from .core.conventions import EVENT_CONTROLLER
from .core.models import ModelMemory
from .core.unreadable import problems_said
from .errors import OpsSightError
from .reconcile.ports import Ports
from .settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")

AGAIN_SECONDS = 2.0  # between two tries of a first read


class Stopped(Exception):
    """We were told to stop before there was anything to stop."""


class Leading:
    """One term of leadership; ``stopping`` asks for its end."""

    def __init__(
        self, settings: Settings, api: KubeApi, telemetry: Telemetry, *, identity: str, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._stopping = stopping
        self._labels: dict[str, Mapping[str, str]] = {}
        self._lookups = Lookups(api, settings.operator_namespace)
        self._sources = Sources(
            threads=settings.fetch_threads,
            max_cells=settings.max_training_points,
            read_secret=self._lookups.secret,
            namespace_labels=lambda name: self._labels.get(name, {}),
            queried=telemetry.queried,
            cache_bytes=settings.cache_bytes,
            overlap_seconds=settings.late_sample_seconds,
        )
        self._compute = ThreadCompute(settings.compute_threads)
        recorder = EventRecorder(api, controller=EVENT_CONTROLLER, instance=identity, namespaces=settings.namespaces)
        ports = Ports(
            sources=self._sources,
            rules=PrometheusRules(api) if settings.write_rules else NoRules(),
            status=Statuses(api),
            recorder=recorder,
            telemetry=telemetry,
            compute=self._compute,
            targets=PatchTargets(api),
            documents=ConfigMaps(api),
            lookout=Lookout(api),
            shared_rules=SharedRules(api) if settings.write_rules else NoRules(),
            models=ModelMemory(settings.model_bytes),
        )
        self._runtime = Runtime(ports, self._sources, telemetry, settings)
        self._tasks: list[asyncio.Task[None]] = []

    def stalled(self) -> float:
        """Seconds since the scheduler has turned last; 0 before it turns and while it is drained."""
        if not self._tasks or self._stopping.is_set():
            return 0.0
        return time.monotonic() - self._runtime.scheduler.turned_at

    async def run(self, started: Callable[[], None]) -> bool:
        """Work until told to stop (True), or until kopf or the scheduler ends by itself (False).

        ``started`` is called once kopf has set itself up.
        """
        clusterwide = not self._settings.namespaces
        kopf_stops = asyncio.Event()
        try:
            await self._prepare(clusterwide)
            self._start_tasks(kopf_stops)
            self._telemetry.leads(True)
            while not await self._watch(clusterwide, kopf_stops, started):
                await pause(kopf_stops, AGAIN_SECONDS)
        except Stopped:
            pass
        finally:
            await self._end()
        return self._stopping.is_set()

    async def _end(self) -> None:
        """Leave nothing running: the Lease is given back after this, and another replica may write."""
        log.info("no more events are watched", extra={"asked": self._stopping.is_set()})
        self._telemetry.leads(False)
        for task in self._tasks:
            task.cancel()
        await self._runtime.stop(0.0)  # nothing is left of a graceful stop
        self._telemetry.clear_all()
        self._sources.close()
        self._compute.close()

    async def _watch(self, clusterwide: bool, kopf_stops: asyncio.Event, started: Callable[[], None]) -> bool:
        """True when kopf has ended as it was told; False when it gave up, for example on a watch that is too old."""
        try:
            await kopf.operator(
                registry=build_registry(
                    self._runtime,
                    self._labels,
                    clusterwide=clusterwide,
                    in_cluster=not os.environ.get("KUBECONFIG"),
                    started=started,
                ),
                settings=kopf_settings(self._settings),
                memories=NoMemories(),
                standalone=True,
                clusterwide=clusterwide,
                namespaces=self._settings.namespaces,
                stop_flag=kopf_stops,
            )
        except Exception as error:
            # What was seen stays known and keeps running; watching anew lists everything again.
            log.warning("watching starts anew", extra={"error": f"{type(error).__name__}: {error}"})
            return kopf_stops.is_set()
        if not kopf_stops.is_set():  # a signal came in the moment in which kopf had taken the signals
            self._stopping.set()
            await kopf_stops.wait()
        return True

    async def _prepare(self, clusterwide: bool) -> None:
        """What the first run needs to know, so that no detector is told that its source is missing."""
        if clusterwide:
            self._labels.update(await self._patiently(self._lookups.namespace_labels))
        for body in await self._patiently(self._lookups.sources):
            try:
                self._sources.update(KINDS["MetricsSource"].parse(body))  # type: ignore[arg-type]
            except ValidationError as error:  # the watch says so in its status
                name = body.get("metadata", {}).get("name")
                log.error("a MetricsSource does not parse", extra={"source": name, "error": problems_said(error)})

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """The answer of a first read, however long the API server takes to come back."""
        while not self._stopping.is_set():
            try:
                return await read()
            except OpsSightError as error:
                log.warning("cannot read the cluster yet", extra={"error": str(error)})
            await pause(self._stopping, AGAIN_SECONDS)
        raise Stopped

    def _start_tasks(self, kopf_stops: asyncio.Event) -> None:
        def scheduler_ended(turning: asyncio.Task[None]) -> None:
            if not turning.cancelled() and (error := turning.exception()) is not None:
                log.error("the scheduler failed by a defect", exc_info=error)
            if not self._stopping.is_set():  # a replica that runs nothing must not lead
                kopf_stops.set()

        scheduler = self._runtime.scheduler
        scheduler.turned_at = time.monotonic()
        self._telemetry.waiting(lambda: scheduler.waiting)
        turning = asyncio.create_task(scheduler.run(), name="scheduler")
        turning.add_done_callback(scheduler_ended)
        draining = asyncio.create_task(self._drain(kopf_stops), name="drain")
        self._tasks = [turning, draining, asyncio.create_task(self._sweep(), name="sweep")]

    async def _drain(self, kopf_stops: asyncio.Event) -> None:
        """On a stop: start nothing any more, let what runs finish, then let kopf go."""
        await self._stopping.wait()
        try:
            await self._runtime.stop(self._settings.shutdown_seconds * 0.5)
        finally:
            kopf_stops.set()

    async def _uids(self, kind: str) -> set[str]:
        return await self._lookups.uids(kind, self._settings.namespaces, shard_selector(kind, self._settings))

    async def _sweep(self) -> None:
        """Now and then, forget resources whose deletion no event told of."""
        while not self._stopping.is_set():
            await pause(self._stopping, self._settings.sweep_seconds)
            try:
                await self._runtime.sweep(self._uids)
            except OpsSightError as error:
                log.warning("deleted resources could not be looked for", extra={"error": str(error)})
            except Exception:
                log.exception("deleted resources could not be looked for by a defect")
