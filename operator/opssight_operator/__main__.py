"""The composition root: settings, adapters, the lease, and kopf while we lead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import kopf

from .adapters.compute import ThreadCompute
from .adapters.kubernetes import KubeApi, PrometheusRules, Statuses, connect
from .adapters.kubernetes.access import describe, missing_permissions
from .adapters.kubernetes.lookups import Lookups
from .adapters.lease import Lease
from .adapters.logs import configure
from .adapters.probes import Probes
from .adapters.prometheus.sources import Sources
from .adapters.recorder import EventRecorder
from .adapters.telemetry import Telemetry
from .controllers.kinds import KINDS
from .controllers.registry import build_registry, kopf_settings
from .controllers.runtime import Runtime
from .errors import OpsSightError
from .reconcile.ports import Ports
from .settings import Settings

log = logging.getLogger("opssight_operator")
T = TypeVar("T")

STALLED_SECONDS = 120.0  # a scheduler that has not turned for so long is stuck
ACCESS_SECONDS = 15.0  # how often missing rights are looked for again


class Operator:
    """One replica, from its first request to its last."""

    def __init__(self, settings: Settings, api: KubeApi) -> None:
        self.settings = settings
        self.identity = settings.identity or f"{socket.gethostname()}-{secrets.token_hex(3)}"
        self.stopping = asyncio.Event()
        self.lost = False
        self.wrong = "starting"  # what a person has to know, or nothing
        self.runtime: Runtime | None = None
        self.api = api
        self.telemetry = Telemetry()
        self.probes = Probes(exposition=self.telemetry.exposition, alive=self.alive, ready=lambda: self.wrong)

    def alive(self) -> str:
        """Liveness: the scheduler turns, if there is one."""
        if self.runtime is None:
            return ""
        late = time.monotonic() - self.runtime.scheduler.turned_at
        return f"the scheduler has not turned for {late:.0f} s" if late > STALLED_SECONDS else ""

    def listen_to_signals(self) -> None:
        """SIGTERM and SIGINT ask for a graceful stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)

    async def run(self) -> int:
        """0 after a graceful stop, 1 when the lease was lost or kopf ended by itself."""
        settings = self.settings
        await self.probes.start(
            (settings.metrics_host, settings.metrics_port), (settings.metrics_host, settings.health_port)
        )
        try:
            await self._wait_for_rights()
            return await self._lead()
        finally:
            await self.probes.stop()
            await self.api.close()

    async def _wait_for_rights(self) -> None:
        """Name every missing verb, and wait: GitOps may apply the role after the Deployment."""
        while not self.stopping.is_set():
            try:
                missing = await missing_permissions(
                    self.api,
                    namespaces=self.settings.namespaces,
                    operator_namespace=self.settings.operator_namespace,
                )
                self.wrong = describe(missing) if missing else ""
            except OpsSightError as error:
                self.wrong = str(error)
            if not self.wrong:
                return
            log.error("cannot start yet", extra={"why": self.wrong})
            await _sleep(self.stopping, ACCESS_SECONDS)

    async def _lead(self) -> int:
        settings = self.settings
        lease = Lease(
            self.api,
            namespace=settings.operator_namespace,
            name=settings.lease_name,
            identity=self.identity,
            seconds=settings.lease_seconds,
            renew_seconds=settings.renew_seconds,
        )
        if not settings.leader_election:
            return await self._work()
        log.info("waiting for the lease", extra={"identity": self.identity})
        if not await lease.acquire(self.stopping, lambda _: None):
            return 0
        log.info("leading", extra={"identity": self.identity})
        holding = asyncio.create_task(self._hold(lease), name="lease")
        try:
            return await self._work()
        finally:
            self.stopping.set()
            with contextlib.suppress(asyncio.CancelledError):
                await holding
            await lease.release()

    async def _hold(self, lease: Lease) -> None:
        await lease.hold(self.stopping)
        if not self.stopping.is_set():
            # Another replica may write from now on; nothing of ours may.
            self.lost = True
            log.error("ending, because the lease is lost")
            os._exit(1)

    async def _work(self) -> int:
        settings = self.settings
        labels: dict[str, Mapping[str, str]] = {}
        lookups = Lookups(self.api, settings.operator_namespace)
        sources = Sources(
            threads=settings.fetch_threads,
            max_cells=settings.max_training_points,
            read_secret=lookups.secret,
            namespace_labels=lambda name: labels.get(name, {}),
            queried=self.telemetry.queried,
            cache_bytes=settings.cache_bytes,
            overlap_seconds=settings.late_sample_seconds,
        )
        compute = ThreadCompute(settings.compute_threads)
        recorder = EventRecorder(self.api, controller="opssight.dev/operator", instance=self.identity)
        ports = Ports(sources, PrometheusRules(self.api), Statuses(self.api), recorder, self.telemetry, compute)
        self.runtime = runtime = Runtime(ports, sources, self.telemetry, settings)
        clusterwide = not settings.namespaces
        if clusterwide:
            labels.update(await self._patiently(lookups.namespace_labels))
        for body in await self._patiently(lookups.sources):
            sources.update(KINDS["MetricsSource"].parse(body))  # type: ignore[arg-type]
        turning = asyncio.create_task(runtime.scheduler.run(), name="scheduler")
        self.telemetry.leads(True)
        kopf_stops = asyncio.Event()
        draining = asyncio.create_task(self._drain(runtime, kopf_stops), name="drain")
        try:
            await kopf.operator(
                registry=build_registry(
                    runtime,
                    labels,
                    clusterwide=clusterwide,
                    in_cluster="KUBECONFIG" not in os.environ,
                    started=self.listen_to_signals,  # kopf has taken them, and would stop before our runs have ended
                ),
                settings=kopf_settings(settings),
                standalone=True,
                clusterwide=clusterwide,
                namespaces=settings.namespaces,
                stop_flag=kopf_stops,
            )
        finally:
            ended_by_itself = not self.stopping.is_set()
            log.info("no more events are watched", extra={"asked": not ended_by_itself})
            self.telemetry.leads(False)
            self.telemetry.clear_all()
            for task in (turning, draining):
                task.cancel()
            sources.close()
            compute.close()
        return 1 if ended_by_itself else 0

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """The answer of a first read, however long the API server takes to come back."""
        while True:
            try:
                return await read()
            except OpsSightError as error:
                log.warning("cannot read the cluster yet", extra={"error": str(error)})
            await _sleep(self.stopping, 2.0)
            if self.stopping.is_set():
                raise asyncio.CancelledError

    async def _drain(self, runtime: Runtime, kopf_stops: asyncio.Event) -> None:
        """On a stop: start nothing any more, let what runs finish, then let kopf go."""
        await self.stopping.wait()
        self.wrong = "stopping"
        log.info("stopping")
        await runtime.scheduler.stop(self.settings.shutdown_seconds * 0.5)
        kopf_stops.set()


async def _sleep(stopping: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


async def start(settings: Settings) -> int:
    """Run one replica until SIGTERM or SIGINT."""
    operator = Operator(settings, await connect(settings.api_timeout_seconds, os.environ))
    operator.listen_to_signals()
    return await operator.run()


def main() -> int:
    """``python -m opssight_operator``; settings come from ``OPSSIGHT_*``."""
    try:
        settings = Settings.from_environment(os.environ)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure(settings.log_format, settings.log_level)
    os.environ.setdefault("USER", "opssight")  # kopf asks for it, and a pod's uid has no passwd entry
    return asyncio.run(start(settings))


if __name__ == "__main__":
    sys.exit(main())
