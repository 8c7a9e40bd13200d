"""Leader election by one ``coordination.k8s.io/v1`` Lease."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opssight_operator.core.leases import LeaseSeen, Move, next_move, observed, still_leading
from opssight_operator.errors import OpsSightError

from .kubernetes.client import KubeApi
from .kubernetes.failures import ApiFailure, ours

log = logging.getLogger(__name__)


class Lease:
    """One replica's hold on a Lease. Every write carries the resourceVersion that was read, so that two never win."""

    def __init__(
        self, api: KubeApi, *, namespace: str, name: str, identity: str, seconds: float, renew_seconds: float
    ) -> None:
        self._api = api
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self.identity = identity
        self._seconds = seconds
        self._pause = renew_seconds
        self._seen: LeaseSeen | None = None
        self._body: dict[str, Any] | None = None
        self._renewed_at = float("-inf")
        self._jitter = random.Random()  # noqa: S311 - spreads the replicas, guards nothing

    async def acquire(self, stopping: asyncio.Event, waiting: Callable[[str], None]) -> bool:
        """Wait until we lead (True) or are told to stop (False); ``waiting`` hears who holds it meanwhile."""
        while not stopping.is_set():
            try:
                if await self._step() is not Move.WAIT:
                    return True
            except OpsSightError as error:
                log.warning("the lease cannot be read or written", extra={"error": str(error)})
            waiting(self._seen.holder if self._seen else "")
            await _pause(stopping, self._pause * (0.75 + 0.5 * self._jitter.random()))
        return False

    async def hold(self, stopping: asyncio.Event) -> None:
        """Renew until told to stop, or until the lease is lost; returns in both cases."""
        while not stopping.is_set():
            await _pause(stopping, self._pause)
            try:
                if not stopping.is_set() and await self._step() is Move.WAIT:
                    log.error("the lease was taken over", extra={"holder": self._seen.holder if self._seen else ""})
                    return
            except OpsSightError as error:
                log.warning("the lease could not be renewed", extra={"error": str(error)})
            if not still_leading(self._renewed_at, time.monotonic(), self._seconds):
                log.error("the lease could not be renewed in time, so that another replica may lead")
                return

    async def release(self) -> None:
        """Give the lease back, so that the next replica need not wait for it to expire."""
        if self._body is None or self._seen is None or self._seen.holder != self.identity:
            return
        try:
            await self._write("")
        except OpsSightError as error:
            log.warning("the lease could not be released", extra={"error": str(error)})

    @property
    def leading(self) -> bool:
        """Whether we hold the lease and have renewed it in time."""
        mine = self._seen is not None and self._seen.holder == self.identity
        return mine and still_leading(self._renewed_at, time.monotonic(), self._seconds)

    async def _step(self) -> Move:
        await self._read()
        move = next_move(self._seen, self.identity, time.monotonic())
        if move is Move.WAIT:
            return move
        return move if await self._write(self.identity) else Move.WAIT

    async def _read(self) -> None:
        try:
            self._body = await self._api.request("GET", f"{self._collection}/{self._name}", what="read the lease")
        except ApiFailure as failure:
            if failure.status != 404:
                raise ours(failure) from failure
            self._body, self._seen = None, None
            return
        except Exception as error:
            raise ours(error) from error
        self._remember(self._body)

    def _remember(self, body: dict[str, Any]) -> None:
        spec = body.get("spec", {})
        self._seen = observed(
            self._seen,
            spec.get("holderIdentity") or "",
            body["metadata"]["resourceVersion"],
            float(spec.get("leaseDurationSeconds") or self._seconds),
            time.monotonic(),
        )

    async def _write(self, holder: str) -> bool:
        """False when another replica was faster."""
        asked_at = time.monotonic()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = (self._body or {}).get("spec", {})
        changed = old.get("holderIdentity") != holder
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(self._seconds)) if holder else 1,
            "renewTime": now,
            "acquireTime": now if changed else old.get("acquireTime", now),
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + int(changed and bool(holder)),
        }
        metadata: dict[str, Any] = {"name": self._name}
        if self._body is not None:
            metadata["resourceVersion"] = self._body["metadata"]["resourceVersion"]
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        create = self._body is None
        path = self._collection if create else f"{self._collection}/{self._name}"
        try:
            self._body = await self._api.request("POST" if create else "PUT", path, body=body, what="write the lease")
        except ApiFailure as failure:
            if failure.status == 409:
                return False
            raise ours(failure) from failure
        except Exception as error:
            raise ours(error) from error
        self._remember(self._body)
        self._renewed_at = asked_at
        return True


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass
