"""What the server counts, for /metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class ServeTelemetry:
    """Metrics ``opssight_serve_*`` in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "opssight_serve_requests", "Requests by path and status.", ("path", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "opssight_serve_request_seconds",
            "How long requests took, from their head to the end of the answer.",
            ("path",),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._workers_ended = Counter(
            "opssight_serve_workers_ended",
            "Workers that were taken down: cancelled (nobody waited, or time was up), crashed, or too large.",
            ("reason",),
            registry=self.registry,
        )
        for reason in ("cancelled", "crashed", "large"):
            self._workers_ended.labels(reason)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request; ``path`` is that of a route, so that it is one of few."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def worker_ended(self, reason: str) -> None:
        """Count a worker that was taken down."""
        self._workers_ended.labels(reason).inc()

    def watch(self, **gauges: Callable[[], float]) -> None:
        """Ask these at each scrape: ``requests_in_progress``, ``workers_alive``, ``workers_busy``."""
        for name, value in gauges.items():
            text = name.replace("_", " ").capitalize() + "."
            Gauge(f"opssight_serve_{name}", text, registry=self.registry).set_function(value)

    def exposition(self) -> tuple[bytes, str]:
        """The text of /metrics and its type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
