"""What of a namespace becomes incidents: Events of type Warning, and the anomalies of AnomalyDetectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from opssight_operator.api import API_VERSION, PLURALS
from opssight_operator.api.detector_status import Anomaly
from opssight_operator.core.conventions import EVENT_CONTROLLER
from opssight_operator.core.report_journal import DetectorSeen, WarningEvent

from .client import KubeApi

MAX_NOTE = 1024


class Lookout:
    """``ports.Lookout``: bounded lists of one namespace."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def warnings(self, namespace: str, limit: int) -> tuple[tuple[WarningEvent, ...], bool]:
        """At most ``limit`` Events of type Warning, those of our own left out; and whether there are more."""
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        items, more = await self._listed(path, [("fieldSelector", "type=Warning")], limit, "list Events")
        events = [_event(item) for item in items if item.get("reportingController") != EVENT_CONTROLLER]
        return tuple(event for event in events if event is not None), more

    async def detectors(
        self, namespace: str, match_labels: Mapping[str, str], limit: int
    ) -> tuple[tuple[DetectorSeen, ...], bool]:
        """At most ``limit`` AnomalyDetectors with these labels; and whether there are more."""
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURALS['AnomalyDetector']}"
        selector = ",".join(f"{name}={value}" for name, value in sorted(match_labels.items()))
        query = [("labelSelector", selector)] if selector else []
        items, more = await self._listed(path, query, limit, "list AnomalyDetectors")
        return tuple(map(_detector, items)), more

    async def _listed(
        self, path: str, query: Sequence[tuple[str, str]], limit: int, what: str
    ) -> tuple[list[dict[str, Any]], bool]:
        found: list[dict[str, Any]] = []
        async for page in self._api.pages(path, query=query, what=what):
            found.extend(page)
            if len(found) > limit:
                return found[:limit], True
        return found, False


def _event(item: Mapping[str, Any]) -> WarningEvent | None:
    """The Event, by the names of both of its versions; None when it does not say when it was."""
    series = item.get("series") or {}
    times = [
        item.get("eventTime"),
        item.get("deprecatedFirstTimestamp"),
        item.get("deprecatedLastTimestamp"),
        series.get("lastObservedTime"),
    ]
    moments = [datetime.fromisoformat(text).timestamp() for text in times if text]
    if not moments:
        return None
    regarding = item.get("regarding") or {}
    source = item.get("deprecatedSource") or {}
    return WarningEvent(
        kind=str(regarding.get("kind") or ""),
        name=str(regarding.get("name") or ""),
        reason=str(item.get("reason") or ""),
        note=str(item.get("note") or "")[:MAX_NOTE],
        first=min(moments),
        last=max(moments),
        count=int(series.get("count") or item.get("deprecatedCount") or 1),
        component=str(item.get("reportingController") or source.get("component") or ""),
    )


def _detector(item: Mapping[str, Any]) -> DetectorSeen:
    """The detector; an anomaly that another version wrote and this one cannot read is passed over."""
    anomalies = []
    for raw in (item.get("status") or {}).get("anomalies") or []:
        try:
            anomalies.append(Anomaly.model_validate(raw))
        except ValidationError:
            continue
    return DetectorSeen(item["metadata"]["name"], tuple(anomalies))
