"""Everything that can be set from outside, read once from ``OPSSIGHT_*`` by the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Frozen settings; the environment variable of ``metrics_port`` is ``OPSSIGHT_METRICS_PORT``."""

    namespaces: tuple[str, ...] = ()  # empty: the whole cluster (comma-separated in the environment)
    operator_namespace: str = "opssight-system"  # of the Lease, the Secrets and the ServiceAccount
    identity: str = ""  # of this replica in the Lease; empty: host name and a random suffix
    metrics_host: str = "0.0.0.0"  # noqa: S104 - a pod listens on its own address
    metrics_port: int = 8080
    health_port: int = 8081
    log_format: str = "json"  # json or text
    log_level: str = "INFO"
    leader_election: bool = True
    lease_name: str = "opssight-operator"
    shards: int = 1  # by uid, each with its own replicas and Lease
    shard: int = 0  # which of them this replica serves, from 0
    offer_shard_selector: bool = True  # to the API server, which may then send a shard nothing but its own
    lease_seconds: float = 15.0  # a replica that has not renewed for so long is dead
    renew_seconds: float = 4.0
    shutdown_seconds: float = 8.0  # what a graceful stop may take
    allow_patch: bool = False  # whether mode Patch may change rules that are not ours
    fetch_threads: int = 8
    compute_threads: int = 2
    max_concurrent_reconciles: int = 8
    max_concurrent_per_namespace: int = 4
    max_concurrent_per_source: int = 6  # below the overall number, so that a source that hangs leaves room
    max_series_exported: int = 200  # a resource, all queries together
    max_training_points: int = 50_000_000  # cells of one training window
    min_interval_seconds: float = 1.0
    source_interval_seconds: float = 60.0  # how often a MetricsSource is asked whether it answers
    status_heartbeat_seconds: float = 900.0
    rule_check_seconds: float = 30.0  # how often a loaded rule is looked for again
    sweep_seconds: float = 300.0  # how often deleted resources are looked for that no event told of
    report_collect_seconds: float = 900.0  # how often Events and anomalies are written down for the next report
    report_min_interval_seconds: float = 300.0  # between two reports of one resource, however often its cron comes
    report_max_events: int = 5_000  # Warnings of one namespace that are read at a time
    report_max_detectors: int = 500  # AnomalyDetectors of one namespace whose anomalies are read
    report_max_incidents: int = 200_000  # of one report, its history included
    report_journal_entries: int = 4_000  # incidents that are written down for one resource
    api_timeout_seconds: float = 15.0
    backoff_seconds: float = 5.0  # the first retry after a dependency failed; doubles, with jitter
    max_backoff_seconds: float = 300.0
    cache_bytes: int = 268_435_456  # of fetched windows
    model_bytes: int = 134_217_728  # of models between evaluations; beyond it they are packed, then forgotten
    late_sample_seconds: float = 300.0  # the newest samples are fetched again for so long, as some come late

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise ValueError(f"OPSSIGHT_SHARDS is {self.shards}; it must be 1 or more")
        if not 0 <= self.shard < self.shards:
            raise ValueError(
                f"OPSSIGHT_SHARD is {self.shard}; it must be from 0 to {self.shards - 1}, "
                f"as OPSSIGHT_SHARDS is {self.shards}"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from ``OPSSIGHT_*``; ``ValueError`` names the variable, its value and what is allowed."""
        return cls(**values_from(environment, cls, "OPSSIGHT_"))


def values_from(environment: Mapping[str, str], settings: Any, prefix: str) -> dict[str, Any]:
    """The fields of the dataclass ``settings`` that the environment sets; ``ValueError`` as in ``from_environment``."""
    given = {field: environment.get(f"{prefix}{field.name.upper()}") for field in fields(settings)}
    return {
        field.name: _parse(f"{prefix}{field.name.upper()}", text, field.default)
        for field, text in given.items()
        if text is not None
    }


def _parse(name: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{name} is {text!r}; it must be true or false")
        return text.lower() == "true"
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, int | float):
        try:
            number = type(default)(text)
        except ValueError:
            raise ValueError(f"{name} is {text!r}; it must be a number") from None
        if number < 0:
            raise ValueError(f"{name} is {text!r}; it must be 0 or more")
        return number
    return text
