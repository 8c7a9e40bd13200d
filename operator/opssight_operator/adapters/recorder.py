"""Kubernetes Events: written on transitions, similar ones as one series, never a flood, never an exception."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opssight_operator.core.plan import Event
from opssight_operator.errors import OpsSightError
from opssight_operator.reconcile.ports import Owner

from .kubernetes.client import MERGE, KubeApi

log = logging.getLogger(__name__)

SERIES_SECONDS = 600.0  # similar events within this time are one event with a count
BURST = 25  # events an object may have at once ...
REFILL_SECONDS = 60.0  # ... and how long it takes until it may have one more
REMEMBERED = 4096
NOTE_LIMIT = 1024


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
    """``ports.Recorder`` over events.k8s.io/v1."""

    def __init__(self, api: KubeApi, *, controller: str, instance: str) -> None:
        self._api = api
        self._controller = controller
        self._instance = instance[:128]
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def record(self, owner: Owner, events: Sequence[Event]) -> None:
        """Write the events; what cannot be written is logged and dropped."""
        for event in events:
            try:
                await self._one(owner, event)
            except OpsSightError as error:
                log.warning("an event was not recorded", extra={"reason": event.reason, "error": str(error)})

    async def _one(self, owner: Owner, event: Event) -> None:
        now = time.monotonic()
        key = (owner.uid, event.type, event.reason, event.action, event.message)
        series = self._series.get(key)
        if series is not None and now - series.seen_at < SERIES_SECONDS:
            series.count += 1
            series.seen_at = now
            patch = {"series": {"count": series.count, "lastObservedTime": _micro_now()}}
            await self._send("PATCH", owner, f"/{series.name}", patch, MERGE)
            return
        if not self._take_token(owner.uid, now):
            log.warning("too many events of one object", extra={"kind": owner.kind, "resource": owner.name})
            return
        body = self._body(owner, event, key)
        self._series[key] = _Series(body["metadata"]["name"], 1, now)
        while len(self._series) > REMEMBERED:
            self._series.popitem(last=False)
        await self._send("POST", owner, "", body, "application/json")

    def _take_token(self, uid: str, now: float) -> bool:
        bucket = self._buckets.setdefault(uid, _Bucket(BURST, now))
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.filled_at) / REFILL_SECONDS)
        bucket.filled_at = now
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _namespace(self, owner: Owner) -> str:
        return owner.namespace or "default"

    def _body(self, owner: Owner, event: Event, key: tuple[str, ...]) -> dict[str, Any]:
        unique = hashlib.sha256(repr((key, time.time_ns())).encode()).hexdigest()[:16]
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
            "metadata": {"name": f"{owner.name[:230]}.{unique}", "namespace": self._namespace(owner)},
            "eventTime": _micro_now(),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": event.action[:128],
            "reason": event.reason[:128],
            "type": event.type,
            "note": event.message[:NOTE_LIMIT],
            "regarding": regarding,
        }

    async def _send(self, method: str, owner: Owner, suffix: str, body: dict[str, Any], content_type: str) -> None:
        path = f"/apis/events.k8s.io/v1/namespaces/{self._namespace(owner)}/events{suffix}"
        await self._api.send(method, path, body=body, content_type=content_type, what="record an Event")


def _micro_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
