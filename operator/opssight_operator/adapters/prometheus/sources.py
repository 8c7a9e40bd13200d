"""All MetricsSources the operator knows, and each of them as one namespace may use it."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from opssight_operator.api.base import seconds
from opssight_operator.api.metrics_source import MetricsSource, SecretKeyRef
from opssight_operator.core.observation import Frame, LoadedRule, ServerInfo
from opssight_operator.core.tenancy import enforce
from opssight_operator.errors import NotAllowed, OpsSightError, SourceMissing

from .client import Limits, PrometheusClient
from .grid import Grid

T = TypeVar("T")
SecretReader = Callable[[str], Awaitable[Mapping[str, str]]]
"""The ``data`` (base64) of a Secret of the operator's own namespace, by name."""
NamespaceLabels = Callable[[str], Mapping[str, str]]
SECRET_SECONDS = 60.0  # a rotated token is noticed within this


@dataclass(slots=True)
class _Known:
    source: MetricsSource
    gate: asyncio.Semaphore
    client: PrometheusClient | None = None
    token: str | None = None
    certificates: str | None = None
    secrets_read_at: float = float("-inf")
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sources:
    """``ports.Sources``: one client a source, shared by all who use it."""

    def __init__(
        self,
        *,
        threads: int,
        max_cells: int,
        read_secret: SecretReader,
        namespace_labels: NamespaceLabels,
        queried: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prometheus")
        self._max_cells = max_cells
        self._read_secret = read_secret
        self._namespace_labels = namespace_labels
        self._queried = queried
        self._known: dict[str, _Known] = {}

    def update(self, source: MetricsSource) -> None:
        """Add or replace a source; requests that are under way keep the old one."""
        name = source.metadata.name
        self.remove(name)
        self._known[name] = _Known(source, asyncio.Semaphore(source.spec.limits.concurrency))

    def remove(self, name: str) -> None:
        """Forget a source and close its connections."""
        old = self._known.pop(name, None)
        if old is not None and old.client is not None:
            self._pool.submit(old.client.close)

    def get(self, source_name: str) -> MetricsSource | None:
        """The resource itself."""
        known = self._known.get(source_name)
        return known.source if known else None

    def bind(self, source_name: str, namespace: str) -> BoundSource:
        """The source as ``namespace`` may use it; raises ``SourceMissing`` or ``NotAllowed``."""
        known = self._of(source_name)
        tenancy = known.source.spec.tenancy
        if tenancy.allowed_namespaces is not None:
            allowed = tenancy.allowed_namespaces
            labels = self._namespace_labels(namespace) if allowed.match_labels else {}
            selected = bool(allowed.match_labels) and allowed.match_labels.items() <= labels.items()
            if namespace not in allowed.names and not selected:
                raise NotAllowed(
                    f"MetricsSource {source_name} does not serve namespace {namespace}; its administrator can add it "
                    "to spec.tenancy.allowedNamespaces"
                )
        matchers = {m.label: m.value.replace("$(namespace)", namespace) for m in tenancy.enforced_matchers}
        return BoundSource(self, source_name, matchers)

    async def probe(self, source_name: str) -> ServerInfo:
        """Who answers behind the source."""
        return await self.ask(source_name, lambda client: client.server())

    async def ask(self, source_name: str, question: Callable[[PrometheusClient], T]) -> T:
        """Ask in a worker thread, as many at once as the source allows."""
        known = self._of(source_name)
        async with known.gate:
            client = await self._client(known)
            began = time.monotonic()
            outcome = "ok"
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, question, client)
            except OpsSightError as error:
                outcome = error.reason
                raise
            finally:
                self._queried(source_name, outcome, time.monotonic() - began)

    def close(self) -> None:
        """End what is under way."""
        for known in self._known.values():
            if known.client is not None:
                known.client.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _of(self, name: str) -> _Known:
        known = self._known.get(name)
        if known is None:
            raise SourceMissing(f"there is no MetricsSource named {name}; create it, or set spec.sourceRef.name")
        return known

    async def _client(self, known: _Known) -> PrometheusClient:
        async with known.opening:
            if time.monotonic() - known.secrets_read_at > SECRET_SECONDS:
                await self._read_secrets(known)
            if known.client is None:
                spec = known.source.spec
                limits = Limits(
                    seconds=seconds(spec.limits.timeout),
                    max_series=spec.limits.max_series,
                    max_points=spec.limits.max_points_per_query,
                    max_bytes=spec.limits.max_bytes,
                    max_cells=self._max_cells,
                    connections=spec.limits.concurrency,
                )
                known.client = PrometheusClient(
                    spec.url, limits, token=lambda: known.token, certificates=known.certificates
                )
            return known.client

    async def _read_secrets(self, known: _Known) -> None:
        spec = known.source.spec
        known.token = await self._value(spec.auth.bearer_token.secret_ref) if spec.auth else None
        certificates = await self._value(spec.tls.ca_secret_ref) if spec.tls else None
        if certificates != known.certificates and known.client is not None:
            self._pool.submit(known.client.close)
            known.client = None
        known.certificates = certificates
        known.secrets_read_at = time.monotonic()

    async def _value(self, reference: SecretKeyRef) -> str:
        data = await self._read_secret(reference.name)
        if reference.key not in data:
            raise SourceMissing(f"Secret {reference.name} of the operator's namespace has no key {reference.key}")
        return base64.b64decode(data[reference.key]).decode(errors="replace").strip()


class BoundSource:
    """``ports.MetricSource``: every query carries the matchers of its namespace."""

    def __init__(self, sources: Sources, name: str, matchers: Mapping[str, str]) -> None:
        self._sources = sources
        self._name = name
        self._matchers = matchers

    async def range(self, expr: str, start: float, end: float, step: float) -> Frame:
        """Samples of ``expr``, confined, at ``start, start + step, ...`` up to and including ``end``."""
        confined = enforce(expr, self._matchers)
        grid = Grid.of(start, end, step)
        return await self._sources.ask(self._name, lambda client: client.range(confined, grid))

    async def rules(self, group: str) -> tuple[LoadedRule, ...]:
        """The rules of one group as Prometheus lists them."""
        return await self._sources.ask(self._name, lambda client: client.rules(group))
