"""What can be set on the server: ``OPSSIGHT_SERVE_*``, or a flag of ``opssight serve``."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ..settings import values_from

PREFIX = "OPSSIGHT_SERVE_"


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Frozen settings; the environment variable of ``max_points`` is ``OPSSIGHT_SERVE_MAX_POINTS``.

    The server may hold ``max_concurrent * max_body_bytes`` of bodies, each worker at most ``worker_memory_bytes``.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    token_file: str = ""  # bearer tokens, one a line; empty: everybody may ask
    open_metrics: bool = False  # /metrics without a token
    tls_certificate: str = ""  # a PEM file with the chain; with tls_key the server speaks HTTPS
    tls_key: str = ""
    workers: int = 0  # processes that compute; 0: one for each CPU
    worker_memory_bytes: int = 2_147_483_648  # address space of one worker; 0: no limit
    worker_recycle_bytes: int = 536_870_912  # a worker that has grown beyond is replaced after its answer
    max_body_bytes: int = 33_554_432
    max_points: int = 1_000_000  # numbers, or rows of a table, in one request
    max_series: int = 10_000
    max_body_seconds: float = 20.0  # until the body has arrived
    max_seconds: float = 30.0  # from then until the answer
    max_concurrent: int = 16  # requests that are read, waiting or computed; one more is told to come back
    max_idle_seconds: float = 60.0  # a connection without a whole request is closed
    drain_seconds: float = 2.0  # after SIGTERM: not ready, but still answering
    shutdown_seconds: float = 20.0  # after that: what the requests under way may still take
    log_format: str = "json"  # json or text
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        for name in ("max_body_bytes", "max_points", "max_series", "max_body_seconds", "max_seconds",
                     "max_concurrent", "max_idle_seconds"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be more than 0")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; it must be 0 to 65535")
        if 0 < self.worker_memory_bytes < 536_870_912:
            raise ValueError(f"worker_memory_bytes is {self.worker_memory_bytes}; it must be 0, or 512 MiB or more")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together; give both or none")
        if self.log_format not in ("json", "text"):
            raise ValueError(f"log_format is {self.log_format!r}; it must be json or text")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **flags: object) -> ServeSettings:
        """Settings from ``OPSSIGHT_SERVE_*``, each overruled by its flag unless that is None; else ``ValueError``."""
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in flags.items() if value is not None and name in known}
        return cls(**{**values_from(environment, cls, PREFIX), **given})

    @property
    def worker_count(self) -> int:
        """How many processes compute."""
        return self.workers or len(os.sched_getaffinity(0))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
