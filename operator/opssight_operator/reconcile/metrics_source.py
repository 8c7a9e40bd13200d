"""Use case: one look at a MetricsSource."""

from __future__ import annotations

from ..api.metrics_source import MetricsSource, MetricsSourceStatus
from ..core.held import held_plan
from ..core.plan import Plan
from ..core.source_plan import answering
from ..errors import OpsSightError
from ..settings import Settings
from .ports import Ports


async def reconcile(resource: MetricsSource, now: float, ports: Ports, settings: Settings) -> Plan[MetricsSourceStatus]:
    """Ask the server who it is."""
    try:
        server = await ports.sources.probe(resource.metadata.name)
    except OpsSightError as error:
        return held_plan(resource, error, now, settings)
    return answering(resource, server, now)
