"""What the runtime needs beside the ports of the use cases, declared here by the one who needs it."""

from __future__ import annotations

from typing import Protocol

from opssight_operator.api.metrics_source import MetricsSource


class SourceRegistry(Protocol):
    """Where MetricsSources are kept for ``ports.Sources``."""

    def update(self, source: MetricsSource) -> None:
        """Add or replace a source."""
        ...

    def remove(self, name: str) -> None:
        """Forget a source."""
        ...


class Counters(Protocol):
    """What the operator tells of its own work."""

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        """One run and how long it took."""
        ...

    def held(self, reason: str) -> None:
        """One decision that held a threshold."""
        ...

    def watched(self, kind: str, count: int) -> None:
        """How many resources of a kind there are."""
        ...

    def foreign(self, kind: str) -> None:
        """An event of a resource that another shard serves."""
        ...

    def lagged(self, seconds: float) -> None:
        """How late a run was started."""
        ...

    def coalesced(self, count: int) -> None:
        """Runs that came due while an earlier one waited."""
        ...
