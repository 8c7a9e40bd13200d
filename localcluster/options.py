"""What a local cluster is asked for, and where its servers listen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """What a cluster consists of. Durations are Prometheus strings."""

    control_plane: bool = True
    """False: Prometheus alone, ready in half a second."""
    scrape_interval: str = "2s"
    evaluation_interval: str = "1s"
    scrape_apiserver: str | None = "5s"
    """How often the cluster's own API server is scraped; None: not at all."""
    history_days: float = 0.0
    """How many days of the shop's history Prometheus starts with."""
    history_step: float = 60.0
    """Seconds between two samples of the history."""
    seed: int = 1
    """Of the shop's history."""
    apiserver_flags: Sequence[str] = ()
    feature_gates: Mapping[str, bool] = field(default_factory=dict)
    """Of the API server, such as ``{"ShardedListAndWatch": True}``; the others are as Kubernetes has them."""
    prometheus_flags: Sequence[str] = ()


@dataclass(frozen=True)
class Places:
    """The ports of everything but the control plane."""

    prometheus: int
    prometheus_old: int
    operator: int
    reloader: int
    reloader_old: int
