"""Everything that can be set from outside, read once from ``OPSSIGHT_*`` by the composition root."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T", int, float)

PREFIX = "OPSSIGHT_"
SERVING = "SERVE_"  # settings of ``opssight serve``, which have a class of their own
MISSPELT = 0.85  # how alike two names are of which one is the other, misspelt


def bounded(default: T, least: T, most: T | None = None) -> T:
    """A number that is refused outside of its bounds, by the environment and by the chart."""
    return field(default=default, metadata={"least": least, "most": most})


def chosen(default: str, *others: str) -> str:
    """One word of a few."""
    return field(default=default, metadata={"choices": (default, *others)})


@dataclass(frozen=True, slots=True)
class Settings:
    """Frozen settings; the environment variable of ``metrics_port`` is ``OPSSIGHT_METRICS_PORT``."""

    namespaces: tuple[str, ...] = ()  # empty: the whole cluster (comma-separated in the environment)
    operator_namespace: str = "opssight-system"  # of the Lease, the Secrets and the ServiceAccount
    identity: str = ""  # of this replica in the Lease; empty: host name and a random suffix
    metrics_host: str = "0.0.0.0"  # noqa: S104 - a pod listens on its own address
    metrics_port: int = bounded(8080, 0, 65_535)
    health_port: int = bounded(8081, 0, 65_535)
    log_format: str = chosen("json", "text")
    log_level: str = chosen("INFO", "DEBUG", "WARNING", "ERROR")
    leader_election: bool = True
    lease_name: str = "opssight-operator"
    shards: int = bounded(1, 1)  # by uid, each with its own replicas and Lease
    shard: int = 0  # which of them this replica serves, from 0
    offer_shard_selector: bool = True  # to the API server, which may then send a shard nothing but its own
    lease_seconds: float = bounded(15.0, 1.0)  # a replica that has not renewed for so long is dead
    renew_seconds: float = bounded(4.0, 0.1)
    shutdown_seconds: float = 8.0  # what a graceful stop may take
    allow_patch: bool = False  # whether mode Patch may change rules that are not ours
    write_rules: bool = True  # off: no right to PrometheusRules is needed, and no rule is read or written
    pattern_reports: bool = True  # off: no right to ConfigMaps is needed, and no report is made
    fetch_threads: int = bounded(8, 1)  # at most, of one MetricsSource, however high its limits.concurrency
    compute_threads: int = bounded(2, 1)
    max_concurrent_reconciles: int = bounded(16, 1)
    max_concurrent_per_namespace: int = bounded(4, 1)
    max_concurrent_per_source: int = bounded(6, 1)  # so that two sources that hang leave room for others
    max_series_exported: int = 200  # a resource, all queries together
    max_training_points: int = bounded(50_000_000, 1)  # cells of one training window
    min_interval_seconds: float = bounded(1.0, 0.1)
    source_interval_seconds: float = bounded(60.0, 1.0)  # how often a MetricsSource is asked whether it answers
    status_heartbeat_seconds: float = 900.0
    rule_check_seconds: float = 30.0  # how often a new rule is looked for; ten times as seldom once it is loaded
    sweep_seconds: float = bounded(300.0, 1.0)  # how often deleted resources are looked for that no event told of
    report_collect_seconds: float = bounded(900.0, 1.0)  # how often Events and anomalies are written down
    report_min_interval_seconds: float = 300.0  # between two reports of one resource, however often its cron comes
    report_max_events: int = bounded(5_000, 1)  # Warnings of one namespace that are read at a time
    report_max_detectors: int = bounded(500, 1)  # AnomalyDetectors of one namespace whose anomalies are read
    report_max_incidents: int = bounded(200_000, 1)  # of one report, its history included
    report_journal_entries: int = bounded(4_000, 1)  # incidents that are written down for one resource
    api_timeout_seconds: float = bounded(15.0, 0.1)
    backoff_seconds: float = bounded(5.0, 0.1)  # the first retry after a dependency failed; doubles, with jitter
    max_backoff_seconds: float = bounded(300.0, 0.1)
    cache_bytes: int = 268_435_456  # of fetched windows
    model_bytes: int = 134_217_728  # of models between evaluations; beyond it they are packed, then forgotten
    late_sample_seconds: float = 300.0  # the newest samples are fetched again for so long, as some come late

    def __post_init__(self) -> None:
        if not 0 <= self.shard < self.shards:
            raise ValueError(
                f"OPSSIGHT_SHARD is {self.shard}; it must be from 0 to {self.shards - 1}, "
                f"as OPSSIGHT_SHARDS is {self.shards}"
            )
        if self.renew_seconds > self.lease_seconds / 2:
            raise ValueError(
                f"OPSSIGHT_RENEW_SECONDS is {self.renew_seconds:g}; it must be at most half of OPSSIGHT_LEASE_SECONDS, "
                f"which is {self.lease_seconds:g}, so that there is time for a second try"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from ``OPSSIGHT_*``; ``ValueError`` names the variable, its value and what is allowed."""
        _refuse_misspelt(environment, [field.name.upper() for field in fields(cls)])
        return cls(**values_from(environment, cls, PREFIX))


def _refuse_misspelt(environment: Mapping[str, str], known: list[str]) -> None:
    """Refuse a name that nobody reads and that is nearly one of ours; others may be of anybody."""
    for name in environment:
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in known or rest.startswith(SERVING):
            continue
        if meant := get_close_matches(rest, known, n=1, cutoff=MISSPELT):
            raise ValueError(f"{name} is no setting; did you mean {PREFIX}{meant[0]}?")


def values_from(environment: Mapping[str, str], settings: Any, prefix: str) -> dict[str, Any]:
    """The fields of the dataclass ``settings`` that the environment sets; ``ValueError`` as in ``from_environment``."""
    given = {field: environment.get(f"{prefix}{field.name.upper()}") for field in fields(settings)}
    return {
        field.name: _parse(f"{prefix}{field.name.upper()}", text, field)
        for field, text in given.items()
        if text is not None
    }


def _parse(name: str, text: str, described: Field[Any]) -> object:
    default = described.default
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{name} is {text!r}; it must be true or false")
        return text.lower() == "true"
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, int | float):
        return _number(name, text, type(default), described.metadata)
    choices = described.metadata.get("choices")
    if choices and text not in choices:
        raise ValueError(f"{name} is {text!r}; it must be {', '.join(choices[:-1])} or {choices[-1]}")
    return text


def _number(name: str, text: str, kind: type[int] | type[float], bounds: Mapping[str, Any]) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; it must be a number") from None
    least, most = bounds.get("least", 0), bounds.get("most")
    if not math.isfinite(number):
        raise ValueError(f"{name} is {text!r}; it must be a finite number")
    if number < least:
        raise ValueError(f"{name} is {text!r}; it must be {least:g} or more")
    if most is not None and number > most:
        raise ValueError(f"{name} is {text!r}; it must be {most:g} or less")
    return number
