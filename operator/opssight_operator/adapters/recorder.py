"""Kubernetes Events: written on transitions, similar ones as one series, never a flood, never an exception."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opssight_operator.core.plan import Event
from opssight_operator.errors import OpsSightError, TargetNotFound
from opssight_operator.reconcile.ports import Owner

from .kubernetes.client import MERGE, KubeApi

log = logging.getLogger(__name__)

SERIES_SECONDS = 600.0  # similar events within this time are one event with a count
SIMILAR = 10  # events of one reason that may differ in their text within that time, before they count as one
BURST = 25  # events an object may have at once ...
REFILL_SECONDS = 60.0  # ... and how long it takes until it may have one more
REMEMBERED = 4096
NOTE_LIMIT = 1024
COMBINED = "(combined from similar events): "

Digest = bytes
"""Of texts, which are not kept themselves: thousands of objects that become ready at once have long ones."""


@dataclass(slots=True)
class _Series:
    """Events of one text, or of all the texts beyond ``SIMILAR``."""

    text: Digest
    seen_at: float
    mark: str = ""  # ends the name of its Event; empty while none has been written
    count: int = 1


ALL_ELSE: Digest = b""


class EventRecorder:
    """``ports.Recorder`` over events.k8s.io/v1, with the limits that client-go has.

    With ``namespaces`` an install may write there alone, which leaves out what has no namespace: a MetricsSource, whose
    Events stand in ``default``, says everything in its status too.
    """

    def __init__(
        self,
        api: KubeApi,
        *,
        controller: str,
        instance: str,
        namespaces: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._controller = controller
        self._instance = instance[:128]
        self._namespaces = namespaces
        self._clock = clock
        # Lists and bare numbers, since thousands of objects that become ready at once are all in here.
        self._known: dict[Digest, list[_Series]] = {}
        self._full_at: dict[str, float] = {}

    async def record(self, owner: Owner, events: Sequence[Event]) -> None:
        """Write the events; what cannot be written is logged and dropped."""
        if self._namespaces and self._namespace(owner) not in self._namespaces:
            return
        for event in events:
            try:
                await self._one(owner, event)
            except OpsSightError as error:
                log.warning("an event was not recorded", extra={"reason": event.reason, "error": str(error)})

    async def _one(self, owner: Owner, event: Event) -> None:
        now = self._clock()
        series = self._series(_digest(owner.uid, event.type, event.reason, event.action), event.message, now)
        if series.mark and await self._repeated(owner, series):
            return
        if not self._take_token(owner.uid, now):
            log.warning("too many events of one object", extra={"kind": owner.kind, "resource": owner.name})
            return
        mark = secrets.token_hex(8)
        note = COMBINED + event.message if series.text == ALL_ELSE else event.message
        await self._send("POST", owner, "", self._body(owner, event, note, mark), "application/json")
        series.mark, series.count = mark, 1

    def _series(self, subject: Digest, message: str, now: float) -> _Series:
        """Where an event belongs: to those of its text, or to all else where there were too many texts lately."""
        series = [one for one in self._known.pop(subject, ()) if now - one.seen_at < SERIES_SECONDS]
        self._known[subject] = series
        _forget_oldest(self._known)
        text = _digest(message)
        found = _of(text, series)
        if found is None:
            if sum(one.text != ALL_ELSE for one in series) >= SIMILAR:
                text = ALL_ELSE
                found = _of(text, series)
            if found is None:
                found = _Series(text, now)
                series.append(found)
        found.seen_at = now
        return found

    async def _repeated(self, owner: Owner, series: _Series) -> bool:
        """Count one more of a series; False when somebody has deleted its Event."""
        series.count += 1
        patch = {"series": {"count": series.count, "lastObservedTime": _micro_now()}}
        try:
            await self._send("PATCH", owner, f"/{_name(owner, series.mark)}", patch, MERGE)
        except TargetNotFound:
            return False
        return True

    def _take_token(self, uid: str, now: float) -> bool:
        """One of a bucket that is full again when so many seconds have passed as its missing tokens need."""
        full_at = max(now, self._full_at.pop(uid, now))
        allowed = full_at - now <= (BURST - 1) * REFILL_SECONDS
        self._full_at[uid] = full_at + REFILL_SECONDS if allowed else full_at
        _forget_oldest(self._full_at)
        return allowed

    def _namespace(self, owner: Owner) -> str:
        return owner.namespace or "default"

    def _body(self, owner: Owner, event: Event, note: str, mark: str) -> dict[str, Any]:
        regarding = {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
            **({"namespace": owner.namespace} if owner.namespace else {}),
        }
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": _name(owner, mark), "namespace": self._namespace(owner)},
            "eventTime": _micro_now(),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": event.action[:128],
            "reason": event.reason[:128],
            "type": event.type,
            "note": note[:NOTE_LIMIT],
            "regarding": regarding,
        }

    async def _send(self, method: str, owner: Owner, suffix: str, body: dict[str, Any], content_type: str) -> None:
        path = f"/apis/events.k8s.io/v1/namespaces/{self._namespace(owner)}/events{suffix}"
        await self._api.send(method, path, body=body, content_type=content_type, what="record an Event")


def _digest(*texts: str) -> Digest:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=12).digest()


def _name(owner: Owner, mark: str) -> str:
    return f"{owner.name[:230]}.{mark}"


def _of(text: Digest, series: Sequence[_Series]) -> _Series | None:
    return next((one for one in series if one.text == text), None)


def _forget_oldest(memory: dict[Any, Any]) -> None:
    while len(memory) > REMEMBERED:
        del memory[next(iter(memory))]


def _micro_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
