"""Kubernetes Events: written on transitions, similar ones as one series, never a flood, never an exception."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections import OrderedDict
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
    name: str
    count: int
    seen_at: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


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
        self._series: OrderedDict[Digest, _Series] = OrderedDict()
        self._texts: OrderedDict[Digest, dict[Digest, float]] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

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
        subject = _digest(owner.uid, event.type, event.reason, event.action)
        combined = self._differ_too_much(subject, _digest(event.message), now)
        key = subject if combined else subject + _digest(event.message)
        series = self._series.get(key)
        if series is not None and now - series.seen_at < SERIES_SECONDS and await self._repeated(owner, series, now):
            return
        if not self._take_token(owner.uid, now):
            log.warning("too many events of one object", extra={"kind": owner.kind, "resource": owner.name})
            return
        body = self._body(owner, event, COMBINED + event.message if combined else event.message)
        await self._send("POST", owner, "", body, "application/json")
        self._series[key] = _Series(body["metadata"]["name"], 1, now)
        _forget_oldest(self._series)

    async def _repeated(self, owner: Owner, series: _Series, now: float) -> bool:
        """Count one more of a series; False when somebody has deleted its Event."""
        series.count += 1
        series.seen_at = now
        patch = {"series": {"count": series.count, "lastObservedTime": _micro_now()}}
        try:
            await self._send("PATCH", owner, f"/{series.name}", patch, MERGE)
        except TargetNotFound:
            return False
        return True

    def _differ_too_much(self, subject: Digest, text: Digest, now: float) -> bool:
        """Whether the object has had too many different texts of one reason lately."""
        texts = self._texts.setdefault(subject, {})
        for old in [old for old, seen_at in texts.items() if now - seen_at >= SERIES_SECONDS]:
            del texts[old]
        if text in texts or len(texts) < SIMILAR:
            texts[text] = now
            _forget_oldest(self._texts)
            return False
        return True

    def _take_token(self, uid: str, now: float) -> bool:
        bucket = self._buckets.setdefault(uid, _Bucket(BURST, now))
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.filled_at) / REFILL_SECONDS)
        bucket.filled_at = now
        _forget_oldest(self._buckets)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _namespace(self, owner: Owner) -> str:
        return owner.namespace or "default"

    def _body(self, owner: Owner, event: Event, note: str) -> dict[str, Any]:
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
            "metadata": {"name": f"{owner.name[:230]}.{secrets.token_hex(8)}", "namespace": self._namespace(owner)},
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


def _forget_oldest(memory: OrderedDict[Any, Any]) -> None:
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _micro_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
