"""Our own /metrics: what the operator does, and the scores and thresholds of users' resources."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import ALLOWUTF8

from opssight_operator import __version__
from opssight_operator.api.conditions import Reason
from opssight_operator.core.plan import Gauge as Sample
from opssight_operator.reconcile.ports import Owner

from .resource_gauges import ResourceGauges

WITH_UTF8 = f"text/plain; version=1.0.0; charset=utf-8; escaping={ALLOWUTF8}"
WITHOUT_UTF8 = "text/plain; version=0.0.4; charset=utf-8"


class Telemetry:
    """``ports.Telemetry``, and the counters of the operator's own work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._gauges = ResourceGauges(clock)
        self._reconciles = Counter(
            "opssight_reconcile", "Reconciles by kind and outcome.", ("kind", "outcome"), registry=self.registry
        )
        self._reconcile_seconds = Histogram(
            "opssight_reconcile_duration_seconds",
            "How long a reconcile took.",
            ("kind",),
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60),
            registry=self.registry,
        )
        self._query_seconds = Histogram(
            "opssight_prometheus_query_duration_seconds",
            "How long a request to Prometheus took, decoding included.",
            ("source", "outcome"),
            buckets=(0.005, 0.02, 0.1, 0.5, 1, 5, 10, 30, 60),
            registry=self.registry,
        )
        self._thresholds_held = Counter(
            "opssight_thresholds_held",
            "Decisions that held a threshold, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self._missed_runs = Counter(
            "opssight_missed_runs", "Runs that came due while an earlier one waited.", registry=self.registry
        )
        self._scheduler_lag = Gauge(
            "opssight_scheduler_lag_seconds", "How late the newest run was started.", registry=self.registry
        )
        self._loop_lag = Histogram(
            "opssight_event_loop_lag_seconds",
            "How late the event loop woke up, looked at twice a second.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        self._waiting = Gauge(
            "opssight_scheduler_waiting", "Resources that are due and wait for room.", registry=self.registry
        )
        self._resources = Gauge("opssight_resources", "Resources that are watched.", ("kind",), registry=self.registry)
        self._foreign = Counter(
            "opssight_foreign_events",
            "Events of resources of other shards, which the API server could have kept back.",
            ("kind",),
            registry=self.registry,
        )
        self._leader = Gauge("opssight_leader", "1 while this replica leads.", registry=self.registry)
        self._shard = Gauge("opssight_shard", "Shard that this replica serves, from 0.", registry=self.registry)
        self._shards = Gauge("opssight_shards", "Shards that there are, as this replica knows.", registry=self.registry)
        self._shards.set(1)
        build = Info("opssight_build", "Versions of the operator and of Python.", registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=self.registry)

    def set_gauges(self, owner: Owner, gauges: Sequence[Sample]) -> None:
        """Replace all gauges of this resource."""
        self._gauges.put(owner, gauges)

    def clear_gauges(self, owner: Owner) -> None:
        """Forget the gauges of a resource that is gone."""
        self._gauges.put(owner, ())

    def scores_exported_for(self, owner: Owner) -> float:
        """Seconds since when scores of this resource are exported without a break; 0 when there are none."""
        return self._gauges.scores_for(owner)

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        """Count one run and how long it took."""
        self._reconciles.labels(kind, outcome).inc()
        self._reconcile_seconds.labels(kind).observe(seconds)

    def held(self, reason: str) -> None:
        """Count one decision that held a threshold."""
        self._thresholds_held.labels(reason).inc()

    def watched(self, kind: str, count: int) -> None:
        """Say how many resources of a kind there are."""
        self._resources.labels(kind).set(count)
        self._reconciles.labels(kind, str(Reason.INTERNAL_ERROR))  # counted from 0, or nobody sees the first defect

    def foreign(self, kind: str) -> None:
        """Count one event of a resource that another shard serves."""
        self._foreign.labels(kind).inc()

    def lagged(self, seconds: float) -> None:
        """Say how late the newest run was started."""
        self._scheduler_lag.set(seconds)

    def loop_lagged(self, seconds: float) -> None:
        """Count one look at how late the event loop woke up."""
        self._loop_lag.observe(seconds)

    def waiting(self, count: Callable[[], float]) -> None:
        """Ask ``count`` at each scrape how many resources are due and wait for room."""
        self._waiting.set_function(count)

    def coalesced(self, count: int) -> None:
        """Count runs that came due while an earlier one waited."""
        self._missed_runs.inc(count)

    def queried(self, source: str, outcome: str, seconds: float) -> None:
        """Count one request to Prometheus and how long it took, decoding included."""
        self._query_seconds.labels(source, outcome).observe(seconds)

    def leads(self, leading: bool) -> None:
        """Say whether this replica leads."""
        self._leader.set(1 if leading else 0)

    def serves(self, shard: int, shards: int) -> None:
        """Say which shard of how many this replica serves."""
        self._shard.set(shard)
        self._shards.set(shards)

    def clear_all(self) -> None:
        """Forget the gauges of every resource."""
        self._gauges.clear()

    def exposition(self, accept: str = "") -> tuple[Iterator[bytes], str]:
        """/metrics part by part, and its type; ``accept`` is what the scraper says that it understands."""
        utf8 = f"escaping={ALLOWUTF8}" in accept
        return self._parts(utf8), WITH_UTF8 if utf8 else WITHOUT_UTF8

    def _parts(self, utf8: bool) -> Iterator[bytes]:
        yield generate_latest(self.registry)
        yield from self._gauges.text(utf8=utf8)
