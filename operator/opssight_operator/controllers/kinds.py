"""The kinds, as the shell knows them: how to parse one, how often it runs, and its use case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from opssight_operator.api import API_VERSION, PLURALS
from opssight_operator.api.anomaly_detector import AnomalyDetector
from opssight_operator.api.base import seconds
from opssight_operator.api.metrics_source import MetricsSource
from opssight_operator.api.pattern_report import PatternReport
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.core.plan import Plan
from opssight_operator.reconcile import anomaly_detector, metrics_source, pattern_report, threshold_policy
from opssight_operator.reconcile.ports import Owner, Ports
from opssight_operator.settings import Settings

from .lanes import Lane

Resource = AnomalyDetector | ThresholdPolicy | MetricsSource | PatternReport
Key = tuple[str, str, str]
"""Kind, namespace and name."""

SUSPENDED_SECONDS = 86_400.0  # there is nothing to do before the spec changes, and that starts a run by itself


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind; ``reconcile`` is its use case."""

    name: str
    plural: str
    model: type[Resource]
    reconcile: Callable[[Any, float, Ports, Settings], Awaitable[Plan[Any]]]

    def parse(self, body: Mapping[str, Any]) -> Resource:
        """The resource of a raw body; raises pydantic's ``ValidationError`` for its spec.

        A status that another version wrote and this one cannot read counts as lost, which a resource survives.
        """
        parts = {
            "metadata": {**body["metadata"], "labels": body["metadata"].get("labels") or {}},
            "spec": body.get("spec", {}),
        }
        try:
            return self.model.model_validate({**parts, "status": body.get("status") or {}})
        except ValidationError as error:
            if any(problem["loc"][:1] != ("status",) for problem in error.errors()):
                raise
            return self.model.model_validate({**parts, "status": {}})


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("MetricsSource", PLURALS["MetricsSource"], MetricsSource, metrics_source.reconcile),
        Kind("AnomalyDetector", PLURALS["AnomalyDetector"], AnomalyDetector, anomaly_detector.reconcile),
        Kind("ThresholdPolicy", PLURALS["ThresholdPolicy"], ThresholdPolicy, threshold_policy.reconcile),
        Kind("PatternReport", PLURALS["PatternReport"], PatternReport, pattern_report.reconcile),
    )
}


def key_of(kind: str, body: Mapping[str, Any]) -> Key:
    """The key of a raw body."""
    return kind, body["metadata"].get("namespace", ""), body["metadata"]["name"]


def owner_of(key: Key, uid: str) -> Owner:
    """Who owns the rule, the Events and the gauges of a resource."""
    kind, namespace, name = key
    return Owner(API_VERSION, kind, name, namespace, uid)


def interval_of(resource: Resource, settings: Settings) -> float:
    """Seconds between two runs; a source is looked at every minute, a report also when it is due."""
    if isinstance(resource, MetricsSource):
        return settings.source_interval_seconds
    if resource.spec.suspend:
        return SUSPENDED_SECONDS
    if isinstance(resource, PatternReport):
        return settings.report_collect_seconds
    return max(settings.min_interval_seconds, seconds(resource.spec.interval))


def source_of(resource: Resource) -> str:
    """The name of the MetricsSource that a resource uses; its own, for a source."""
    return resource.metadata.name if isinstance(resource, MetricsSource) else resource.spec.source_ref.name


def lanes_of(resource: Resource) -> tuple[Lane, ...]:
    """Where a resource takes up room while it runs. A source is asked beside the queue of those who wait for it."""
    namespace: Lane = ("namespace", resource.metadata.namespace)
    if isinstance(resource, MetricsSource):
        return (namespace,)
    return namespace, ("source", source_of(resource))
