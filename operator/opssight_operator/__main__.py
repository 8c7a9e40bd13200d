"""The composition root: settings, probes, our own rights, the lease, and the work while we lead."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys

from .adapters.kubernetes import KubeApi, connect
from .adapters.kubernetes.access import describe, missing_permissions
from .adapters.kubernetes.client import own_account
from .adapters.kubernetes.failures import ApiFailure
from .adapters.kubernetes.permissions import features_of
from .adapters.lease import Lease
from .adapters.logs import configure
from .adapters.loop_lag import watch_loop
from .adapters.memory import tune_allocator, tune_collector, tune_connections
from .adapters.pauses import pause
from .adapters.probes import Probes
from .adapters.telemetry import Telemetry
from .core.sharding import lease_of
from .errors import OpsSightError
from .leading import Leading
from .settings import Settings

log = logging.getLogger("opssight_operator")

STALLED_SECONDS = 120.0  # a scheduler that has not turned for so long is stuck
SWITCH_SECONDS = 0.0005  # after which a thread that judges or decodes leaves the interpreter to the event loop
ACCESS_SECONDS = 15.0  # how often missing rights are looked for again


class CannotStart(Exception):
    """What a person has to change before this can work, as a sentence."""


class Operator:
    """One replica, from its first request to its last."""

    def __init__(self, settings: Settings, api: KubeApi) -> None:
        self.settings = settings
        self.identity = settings.identity or f"{socket.gethostname()}-{secrets.token_hex(3)}"
        self.stopping = asyncio.Event()
        self.wrong = "starting"  # what a person has to know, or nothing
        self.role = "starting"
        self.leading: Leading | None = None
        self.api = api
        self.telemetry = Telemetry()
        self.telemetry.serves(settings.shard, settings.shards)
        self.probes = Probes(
            exposition=self.telemetry.exposition, alive=self.alive, ready=lambda: self.wrong, role=lambda: self.role
        )

    def alive(self) -> str:
        """Liveness: the scheduler turns, if there is one."""
        late = self.leading.stalled() if self.leading else 0.0
        return f"the scheduler has not turned for {late:.0f} s" if late > STALLED_SECONDS else ""

    def stop(self) -> None:
        """Ask for a graceful stop; may be called again."""
        if not self.stopping.is_set():
            log.info("stopping")
        self.wrong = "stopping"
        self.stopping.set()

    def listen_to_signals(self) -> None:
        """SIGTERM and SIGINT ask for a graceful stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    async def run(self) -> int:
        """0 after a graceful stop, 1 when kopf or the scheduler ended by itself; a lost lease ends the process."""
        lag = asyncio.create_task(watch_loop(self.telemetry.loop_lagged), name="loop lag")
        try:
            await self._listen()
            await self._wait_for_rights()
            return await self._lead()
        finally:
            lag.cancel()
            await self.probes.stop()
            await self.api.close()

    async def _listen(self) -> None:
        host, settings = self.settings.metrics_host, self.settings
        try:
            await self.probes.start((host, settings.metrics_port), (host, settings.health_port))
        except OSError as error:
            raise CannotStart(
                f"OPSSIGHT_METRICS_PORT {settings.metrics_port} and OPSSIGHT_HEALTH_PORT {settings.health_port} "
                f"must be free on {host}: {error.strerror or error}"
            ) from error

    async def _wait_for_rights(self) -> None:
        """Name every missing verb, and wait: GitOps may apply the role after the Deployment."""
        while not self.stopping.is_set():
            try:
                missing = await missing_permissions(
                    self.api,
                    namespaces=self.settings.namespaces,
                    operator_namespace=self.settings.operator_namespace,
                    features=features_of(self.settings),
                )
                why = describe(missing) if missing else ""
            except OpsSightError as error:
                why = str(error)
            if self.stopping.is_set():
                return
            self.wrong = why
            if not why:
                return
            log.error("cannot start yet", extra={"why": why})
            await pause(self.stopping, ACCESS_SECONDS)

    async def _lead(self) -> int:
        if not self.settings.leader_election:
            return await self._work()
        api = self.api.apart()
        try:
            return await self._lead_by(self._lease(api))
        finally:
            await api.close()

    def _lease(self, api: KubeApi) -> Lease:
        settings = self.settings
        return Lease(
            api,
            namespace=settings.operator_namespace,
            name=lease_of(settings.lease_name, settings.shard, settings.shards),
            identity=self.identity,
            seconds=settings.lease_seconds,
            renew_seconds=settings.renew_seconds,
            owner=own_account(os.environ, settings.operator_namespace),
        )

    async def _lead_by(self, lease: Lease) -> int:
        self.role = "standby"
        log.info("waiting for the lease", extra={"identity": self.identity})
        if not await lease.acquire(self.stopping):
            return 0
        done = asyncio.Event()  # the lease is held until all work has ended
        holding = asyncio.create_task(_hold(lease, done), name="lease")
        try:
            return await self._work()
        finally:
            done.set()
            await holding
            await lease.release()

    async def _work(self) -> int:
        self.role = "leading"
        log.info("leading", extra={"identity": self.identity})
        self.leading = Leading(self.settings, self.api, self.telemetry, identity=self.identity, stopping=self.stopping)
        # kopf takes the signals when it starts, and would stop before our runs have ended.
        return 0 if await self.leading.run(started=self.listen_to_signals) else 1


async def _hold(lease: Lease, done: asyncio.Event) -> None:
    try:
        await lease.hold(done)
    except Exception:
        log.exception("holding the lease failed by a defect")
    finally:
        if not done.is_set():
            # Another replica may write from now on; nothing of ours may.
            log.error("ending, because the lease is lost")
            os._exit(1)


async def start(settings: Settings) -> int:
    """Run one replica until SIGTERM or SIGINT; raises ``CannotStart``."""
    try:
        api = await connect(settings.api_timeout_seconds, os.environ)
    except ApiFailure as failure:
        raise CannotStart(str(failure.message)) from failure
    operator = Operator(settings, api)
    operator.listen_to_signals()
    return await operator.run()


def main() -> int:
    """``python -m opssight_operator``; settings come from ``OPSSIGHT_*``. 2 when a person has to change something."""
    try:
        settings = Settings.from_environment(os.environ)
        configure(settings.log_format, settings.log_level)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.setswitchinterval(SWITCH_SECONDS)
    tune_allocator()
    tune_connections()
    tune_collector()
    os.environ.setdefault("USER", "opssight")  # kopf asks for it, and a pod's uid has no passwd entry
    try:
        return asyncio.run(start(settings))
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
