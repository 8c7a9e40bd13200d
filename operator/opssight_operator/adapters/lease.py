"""Leader election by one ``coordination.k8s.io/v1`` Lease."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opssight_operator.core.leases import LeaseSeen, Move, next_move, observed, seconds_left
from opssight_operator.errors import OpsSightError

from .kubernetes.client import KubeApi
from .kubernetes.failures import ApiFailure, ours
from .pauses import pause

log = logging.getLogger(__name__)

RELEASE_SECONDS = 2.0  # what giving back may take; after that the lease expires by itself
SHARES = (1 / 6, 1 / 4)  # of the time that is left, for the first tries: a connection may be dead without a word
REST = 1 / 24  # of the time that was left at first, between two tries
FIRST_TRY = 1 / 3  # of the seconds of a lease, for one try to get it
STANDBY = 1 / 2  # of the pause between two renewals, between two looks of who waits: nobody works after a release


class Lease:
    """One replica's hold on a Lease. Every write carries the resourceVersion that was read, so that two never win.

    ``seconds`` is when others may take a lease that was not renewed, ``renew_seconds`` the pause between two renewals.
    ``owner`` is whose deletion takes the Lease along. A request never outlives our right to lead: a leader that hears
    nothing ends before another one may begin. ``api`` has connections of its own, so that after one that is silent,
    and is closed for it, the next try makes a fresh one.
    """

    def __init__(
        self,
        api: KubeApi,
        *,
        namespace: str,
        name: str,
        identity: str,
        seconds: float,
        renew_seconds: float,
        owner: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self.identity = identity
        self._seconds = seconds
        self._pause = renew_seconds
        self._owner = owner
        self._clock = clock
        self._seen: LeaseSeen | None = None
        self._body: dict[str, Any] | None = None
        self._renewed_at = float("-inf")
        self._jitter = random.Random()  # noqa: S311 - spreads the replicas, guards nothing

    @property
    def holder(self) -> str:
        """Who held the lease when it was last looked at; empty when nobody did."""
        return self._seen.holder if self._seen else ""

    async def acquire(self, stopping: asyncio.Event) -> bool:
        """Wait until we lead (True) or are told to stop (False)."""
        while not stopping.is_set():
            try:
                async with asyncio.timeout(self._seconds * FIRST_TRY):
                    await self._read()
                    move = next_move(self._seen, self.identity, self._clock())
                    if move is not Move.WAIT and await self._write(self.identity):
                        return True
            except (OpsSightError, TimeoutError) as error:
                log.warning("the lease cannot be read or written", extra={"error": str(error) or "no answer"})
            await pause(stopping, self._pause * STANDBY * (0.75 + 0.5 * self._jitter.random()))
        return False

    async def hold(self, stopping: asyncio.Event) -> None:
        """Renew until told to stop, or until the lease is lost; returns in both cases."""
        while not stopping.is_set():
            due = self._renewed_at + self._pause - self._clock()  # a slow renewal brings the next one no later
            await pause(stopping, min(max(due, 0.0), self._left()))
            if not stopping.is_set() and not await self._kept(stopping):
                return

    async def _kept(self, stopping: asyncio.Event) -> bool:
        """Renew; False when the lease is lost.

        The first tries are short, for a connection that is dead; the others have all that is left, for a slow server.
        """
        shares, rest = iter(SHARES), REST * self._left()
        while (left := self._left()) and not stopping.is_set():
            try:
                async with asyncio.timeout(next(shares, 1.0) * left):
                    if await self._renew():
                        return True
                log.error("the lease was taken over", extra={"holder": self.holder})
                return False
            except (OpsSightError, TimeoutError) as error:
                log.warning("the lease could not be renewed", extra={"error": str(error) or "no answer"})
            await pause(stopping, min(rest, self._left()))
        if left:
            return True
        log.error("the lease could not be renewed in time, so that another replica may lead")
        return False

    async def release(self) -> None:
        """Give the lease back, so that the next replica need not wait for it to expire."""
        if self._body is None or self.holder != self.identity:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._write("")
        except (OpsSightError, TimeoutError) as error:
            log.warning("the lease could not be released", extra={"error": str(error) or "no answer"})

    def _left(self) -> float:
        return seconds_left(self._renewed_at, self._clock(), self._seconds)

    async def _renew(self) -> bool:
        """False when another replica holds the lease.

        A write that is refused is no proof of that: the refused one may be the repetition of one that was done.
        """
        if self._body is not None and await self._write(self.identity):
            return True
        await self._read()
        if self._seen is not None and self.holder != self.identity:
            return False
        await self._write(self.identity)
        return True

    async def _read(self) -> None:
        try:
            self._remember(await self._api.request("GET", f"{self._collection}/{self._name}", what="read the lease"))
        except ApiFailure as failure:
            if failure.status != 404:
                raise ours(failure) from failure
            self._body, self._seen = None, None
        except Exception as error:
            raise ours(error) from error

    def _remember(self, body: dict[str, Any]) -> None:
        spec = body.get("spec", {})
        self._seen = observed(
            self._seen,
            spec.get("holderIdentity") or "",
            body["metadata"]["resourceVersion"],
            float(spec.get("leaseDurationSeconds") or self._seconds),
            self._clock(),
        )
        self._body = body  # not before it is known to be a Lease

    async def _write(self, holder: str) -> bool:
        """False when the lease is not any more as it was read."""
        asked_at = self._clock()
        path = self._collection if self._body is None else f"{self._collection}/{self._name}"
        method = "POST" if self._body is None else "PUT"
        try:
            self._remember(await self._api.request(method, path, body=self._wanted(holder), what="write the lease"))
        except ApiFailure as failure:
            self._body = None if failure.status == 404 else self._body
            if failure.status in (404, 409):
                return False
            if failure.status == 403 and self._owner is not None:  # some clusters let nobody name owners without delete
                log.warning("the lease gets no owner, so that an uninstall leaves it", extra={"error": str(failure)})
                self._owner = None
                return await self._write(holder)
            raise ours(failure) from failure
        except Exception as error:
            raise ours(error) from error
        self._renewed_at = asked_at
        return True

    def _wanted(self, holder: str) -> dict[str, Any]:
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
        if owners := [self._owner] if self._owner else (self._body or {}).get("metadata", {}).get("ownerReferences"):
            metadata["ownerReferences"] = owners
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
