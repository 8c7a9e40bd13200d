"""A small web shop as pure functions of time: what its four services, their pods and the node would expose.

Every level is a function of the moment and the seed alone; noise comes from hashing the number of the 15 s cell, not
from a generator with a state. So the history of two weeks and a live process that starts later agree about every
counter without knowing of each other: the live series goes on where the history ends.

Arrays are time-major ``[cells, columns]``. A counter's column holds its increase per second, a gauge's its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .noise import rough, smooth

CELL = 15
"""Seconds over which all levels are constant."""
HOUR, DAY, WEEK = 3600, 86_400, 604_800
NAMESPACE = "shop"
CODES = ("200", "400", "500")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TAIL = 3.2
"""Shape of the log-logistic latencies: the 99th percentile is 99**(1 / TAIL) = 4.2 medians."""
CLIENT_ERRORS = 0.012
MEMORY = 180e6
NODE_CPUS = 2
FIRST_MONDAY = 4 * DAY  # 1970-01-05

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]
Kind = Literal["latency", "errors", "cpu"]
KINDS: tuple[Kind, ...] = ("latency", "errors", "cpu")


@dataclass(frozen=True)
class Service:
    """What a service is like on an average working day."""

    name: str
    requests: float
    """Per second."""
    latency: float
    """Median, seconds."""
    error_ratio: float
    cpu: float
    """CPU seconds a request."""


SERVICES = (
    Service("frontend", 60.0, 0.045, 0.002, 0.0040),
    Service("checkout", 9.0, 0.090, 0.004, 0.0150),
    Service("cart", 22.0, 0.025, 0.001, 0.0050),
    Service("payment", 7.0, 0.120, 0.003, 0.0120),
)
PODS = (0.54, 0.46)
"""How the load splits over the two pods of a service."""


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong with one service; full strength after ``ramp`` seconds."""

    service: str
    kind: Kind
    start: float
    end: float
    strength: float = 1.0
    ramp: float = 60.0


@dataclass(frozen=True)
class Column:
    """One series."""

    family: str
    """The metric name without the suffix of a counter or of a part of a histogram."""
    sample: str
    """The name of the series."""
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[tuple[str, str], ...]
    service: str
    """Whose deployment resets it; empty for the node, which reboots in the same hour."""

    @property
    def cumulative(self) -> bool:
        """A counter or a part of a histogram."""
        return self.kind != "gauge"

    @property
    def whole(self) -> bool:
        """Counts things, so it has no fraction."""
        return self.cumulative and not self.sample.endswith(("_sum", "_seconds_total"))


@dataclass(frozen=True)
class Levels:
    """The state of one service in each cell."""

    requests: Floats
    latency: Floats
    error_ratio: Floats
    cpu: Floats


def season(seconds: Floats) -> Floats:
    """The load of the hour and the weekday, 1 on average: a trough at night, a peak at 19:00 UTC, calm weekends."""
    hour = 2 * np.pi * (seconds % DAY) / DAY
    daily = 1.0 + 0.52 * np.cos(hour - 2 * np.pi * 16.5 / 24) + 0.20 * np.cos(2 * (hour - 2 * np.pi * 7.5 / 24))
    weekday = ((seconds - FIRST_MONDAY) % WEEK) / DAY
    # 1 in the middle of the weekend, 0 from Monday to Friday, with soft edges of a quarter of a day
    weekend = np.clip((weekday - 4.875) / 0.25, 0, 1) * np.clip((7.125 - weekday) / 0.25, 0, 1)
    weekend = np.maximum(weekend, np.clip((0.125 - weekday) / 0.25, 0, 1))
    return np.asarray(daily * (1.08 - 0.28 * weekend))


def strength(incidents: Sequence[Incident], service: str, kind: Kind, seconds: Floats) -> Floats:
    """How much of an effect is felt at each moment: 0 none, 1 the usual incident."""
    felt = np.zeros_like(seconds)
    for incident in incidents:
        if incident.service == service and incident.kind == kind:
            rising = (seconds - incident.start) / incident.ramp
            falling = (incident.end - seconds) / incident.ramp
            felt = np.maximum(felt, incident.strength * np.clip(np.minimum(rising, falling), 0.0, 1.0))
    return felt


def levels(service: Service, cells: Cells, seed: int, incidents: Sequence[Incident]) -> Levels:
    """Requests a second, median latency, error ratio and CPU of a service; ``[cells]`` each."""
    seconds: Floats = (cells.astype(np.float64) + 0.5) * CELL
    shared = season(seconds) * np.exp(0.06 * smooth(cells, seed, "load", HOUR // CELL))
    own = 0.05 * smooth(cells, seed, service.name, 600 // CELL) + 0.04 * rough(cells, seed, service.name)
    load = shared * np.exp(own)
    late = strength(incidents, service.name, "latency", seconds)
    failing = strength(incidents, service.name, "errors", seconds)
    busy = strength(incidents, service.name, "cpu", seconds)
    wander = 0.05 * smooth(cells, seed, f"{service.name} latency", 900 // CELL)
    jitter = wander + 0.04 * rough(cells, seed, f"{service.name} latency")
    latency = service.latency * (1 + 0.18 * load**2) * np.exp(jitter) * (1 + 4.0 * late) * (1 + 0.8 * busy)
    unlucky = 0.25 * smooth(cells, seed, f"{service.name} errors", 900 // CELL)
    errors = service.error_ratio * np.exp(unlucky + 0.1 * rough(cells, seed, f"{service.name} errors")) + 0.18 * failing
    requests = service.requests * load
    usage = (0.03 + requests * service.cpu) * np.exp(0.05 * rough(cells, seed, f"{service.name} cpu")) + 0.9 * busy
    return Levels(requests, latency, np.minimum(errors, 0.95), usage)


def columns() -> tuple[Column, ...]:
    """Every series, in the order of the columns of ``rates``."""
    found: list[Column] = []
    for service in SERVICES:
        name, label = service.name, ("service", service.name)
        found += [_counter("http_requests", name, label, ("code", code)) for code in CODES]
        found += [_histogram("bucket", name, label, ("le", str(bound))) for bound in (*BUCKETS, "+Inf")]
        found += [_histogram("count", name, label), _histogram("sum", name, label)]
        pods = [(("pod", f"{name}-{number}"), ("container", name)) for number in range(len(PODS))]
        found += [_counter("container_cpu_usage_seconds", name, *pod) for pod in pods]
        found += [Column(_MEMORY, _MEMORY, "gauge", pod, name) for pod in pods]
    for cpu in range(NODE_CPUS):
        found += [_counter("node_cpu_seconds", "", ("cpu", str(cpu)), ("mode", mode)) for mode in _MODES]
    return tuple(found)


def rates(cells: Cells, seed: int, incidents: Sequence[Incident]) -> Floats:
    """The increase per second of every counter and the value of every gauge, ``[cells, columns]``."""
    parts: list[Floats] = []
    total_cpu = np.zeros(len(cells))
    for service in SERVICES:
        now = levels(service, cells, seed, incidents)
        total_cpu += now.cpu
        good = now.requests * (1 - now.error_ratio)
        parts += [good * (1 - CLIENT_ERRORS), good * CLIENT_ERRORS, now.requests * now.error_ratio]
        parts += [now.requests / (1 + (bound / now.latency) ** -TAIL) for bound in BUCKETS]
        mean = now.latency * (np.pi / TAIL) / np.sin(np.pi / TAIL)  # of a log-logistic distribution
        parts += [now.requests, now.requests, now.requests * mean]
        parts += [now.cpu * share for share in PODS]
        wander = smooth(cells, seed, f"{service.name} memory", 1800 // CELL)
        parts += [MEMORY * share * 2 * np.exp(0.04 * wander) + now.cpu * 2e7 for share in PODS]
    for number in range(NODE_CPUS):
        user = np.minimum(total_cpu / (NODE_CPUS * 2) + 0.03, 0.8)
        system = 0.03 + 0.15 * user
        waiting = 0.004 * np.exp(0.5 * smooth(cells, seed, f"disk {number}", 900 // CELL))
        parts += [1.0 - user - system - waiting, user, system, waiting]
    return np.stack(parts, axis=1)


def last_deploy(service: str, second: float) -> int:
    """When the counters of a service last began at 0: a deployment each Tuesday at ten, one service after another."""
    order = [known.name for known in SERVICES].index(service) if service else 0
    phase = FIRST_MONDAY + DAY + 10 * HOUR + order * 420
    return int((second - phase) // WEEK) * WEEK + phase


def _counter(family: str, service: str, *labels: tuple[str, str]) -> Column:
    return Column(family, f"{family}_total", "counter", labels, service)


def _histogram(part: str, service: str, *labels: tuple[str, str]) -> Column:
    family = "http_request_duration_seconds"
    return Column(family, f"{family}_{part}", "histogram", labels, service)


_MEMORY = "container_memory_working_set_bytes"
_MODES = ("idle", "user", "system", "iowait")
