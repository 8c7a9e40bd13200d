"""The gauges of users' resources, kept small between runs and written a batch at a time.

There may be tens of thousands. Samples of one series share their labels here, and a scrape never has more than a batch
of them as objects: all at once take as much memory as everything else that is known of the resources.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, islice

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import ALLOWUTF8, UNDERSCORES
from prometheus_client.registry import Collector

from opssight_operator.core.conventions import RESOURCE_GAUGES, SCORE_GAUGE
from opssight_operator.core.plan import Gauge
from opssight_operator.reconcile.ports import Owner

LEGACY = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
BATCH = 1000

Series = tuple[Mapping[str, str], tuple[str, ...], tuple[float, ...]]
"""Labels, and the names and values of the gauges that have them."""


@lru_cache(maxsize=4096)
def legacy_name(name: str) -> str:
    """A label name for a Prometheus that knows letters, digits and underscores alone; no two names become one.

    A scrape with two equal label names in one series is refused as a whole, with the gauges of everybody in it.
    """
    if LEGACY.fullmatch(name) and not name.startswith(("U__", "__")):
        return name
    return "U__" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in name)


class ResourceGauges:
    """The gauges of all resources; each sample keeps its own label names."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_owner: dict[str, tuple[Series, ...]] = {}
        self._scores_since: dict[str, float] = {}

    def put(self, owner: Owner, samples: Sequence[Gauge]) -> None:
        """Replace the samples of a resource; none of them forgets it."""
        series = tuple(_series(list(group)) for _, group in groupby(samples, key=lambda sample: id(sample.labels)))
        with self._lock:
            if series:
                self._by_owner[owner.uid] = series
            else:
                self._by_owner.pop(owner.uid, None)
            if any(SCORE_GAUGE in names for _, names, _ in series):
                self._scores_since.setdefault(owner.uid, self._clock())
            else:
                self._scores_since.pop(owner.uid, None)

    def scores_for(self, owner: Owner) -> float:
        """Seconds since when the resource has scores among its samples without a break; 0 when it has none."""
        with self._lock:
            since = self._scores_since.get(owner.uid)
        return 0.0 if since is None else self._clock() - since

    def clear(self) -> None:
        """Forget everything: a replica that does not lead exports nothing."""
        with self._lock:
            self._by_owner.clear()
            self._scores_since.clear()

    def text(self, *, utf8: bool) -> Iterator[bytes]:
        """What a scraper reads, in the order of ``RESOURCE_GAUGES``; label names as they are, or as ``legacy_name``."""
        rename, escaping = (str, ALLOWUTF8) if utf8 else (legacy_name, UNDERSCORES)
        with self._lock:
            known = list(self._by_owner.values())
        for name, about in RESOURCE_GAUGES:
            samples = _samples(known, name)
            head = True
            while batch := list(islice(samples, BATCH)):
                text = generate_latest(_One(_family(name, about, batch, rename)), escaping)
                yield text if head else _without_head(text)
                head = False


class _One(Collector):
    """A family that was collected already."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        """As it is."""
        return (self._family,)


def _series(group: Sequence[Gauge]) -> Series:
    return group[0].labels, _shared(tuple(one.name for one in group)), tuple(one.value for one in group)


@lru_cache(maxsize=256)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same object for the same names, of which there are few."""
    return names


def _samples(known: Iterable[tuple[Series, ...]], wanted: str) -> Iterator[tuple[Mapping[str, str], float]]:
    for owner in known:
        for labels, names, values in owner:
            for name, value in zip(names, values, strict=True):
                if name == wanted:
                    yield labels, value


def _family(
    name: str, about: str, batch: Iterable[tuple[Mapping[str, str], float]], rename: Callable[[str], str]
) -> Metric:
    family = GaugeMetricFamily(name, about)
    for labels, value in batch:
        family.add_sample(name, {rename(label): text for label, text in labels.items()}, value)
    return family


def _without_head(text: bytes) -> bytes:
    """The samples alone: HELP and TYPE stand once before all of a family."""
    return text.split(b"\n", 2)[2]
