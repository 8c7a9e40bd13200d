"""All MetricsSources the operator knows, and each of them as one namespace may use it."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit

from opssight_operator.api.base import seconds
from opssight_operator.api.metrics_source import MetricsSource, MetricsSourceSpec
from opssight_operator.core.observation import ServerInfo
from opssight_operator.core.tenancy import enforce
from opssight_operator.errors import NotAllowed, OpsSightError, PrometheusUnreachable, SourceMissing, SpecError

from .client import Limits, PrometheusClient
from .credentials import Credentials, SecretReader, Secrets
from .source import BoundSource
from .transport import Identity, NoIdentity
from .window_cache import OVERLAP_SECONDS, WindowCache

T = TypeVar("T")
NamespaceLabels = Callable[[str], Mapping[str, str]]
Queried = Callable[[str, str, float], None]
"""Is told of each request: the source, the outcome and the seconds."""

CONFINING = 2  # threads
CONFINED = 4096  # expressions whose confined form is remembered
CACHE_BYTES = 268_435_456

_numbers = itertools.count()


class Sources:
    """``ports.Sources``: one client a source, shared by all who use it; one cache of windows for all.

    A source is asked by at most ``threads`` threads, and by no more than its own limits say.
    """

    def __init__(
        self,
        *,
        threads: int,
        max_cells: int,
        read_secret: SecretReader,
        namespace_labels: NamespaceLabels,
        queried: Queried = lambda *_: None,
        cache_bytes: int = CACHE_BYTES,
        overlap_seconds: float = OVERLAP_SECONDS,
    ) -> None:
        self._threads = threads
        self._max_cells = max_cells
        self._read_secret = read_secret
        self._namespace_labels = namespace_labels
        self._queried = queried
        self._cache = WindowCache(cache_bytes, overlap_seconds)
        self._confiner = _Confiner()
        self._known: dict[str, _Source] = {}

    def update(self, source: MetricsSource) -> None:
        """Add or replace a source; requests that are under way end with the old one."""
        name = source.metadata.name
        old = self._known.get(name)
        if old is not None and old.resource.spec == source.spec:
            old.resource = source
            return
        self.remove(name)
        self._known[name] = _Source(
            source, self._threads, self._max_cells, self._read_secret, self._queried, self._confiner
        )

    def remove(self, name: str) -> None:
        """Forget a source, its connections and its windows."""
        old = self._known.pop(name, None)
        if old is not None:
            old.retire()
            self._cache.forget(lambda key: isinstance(key, tuple) and key[0] == old.identity)

    def get(self, source_name: str) -> MetricsSource | None:
        """The resource itself."""
        known = self._known.get(source_name)
        return known.resource if known else None

    def bind(self, source_name: str, namespace: str) -> BoundSource:
        """The source as ``namespace`` may use it; raises ``SourceMissing`` or ``NotAllowed``."""
        tenancy = self._of(source_name).resource.spec.tenancy
        allowed = tenancy.allowed_namespaces
        if allowed is not None and namespace not in allowed.names:
            labels = self._namespace_labels(namespace)
            if not allowed.match_labels or not allowed.match_labels.items() <= labels.items():
                raise NotAllowed(
                    f"MetricsSource {source_name} does not serve namespace {namespace}; its administrator can add it "
                    "to spec.tenancy.allowedNamespaces"
                )
        matchers = {m.label: m.value.replace("$(namespace)", namespace) for m in tenancy.enforced_matchers}
        return BoundSource(lambda: self._of(source_name), self._cache, matchers)

    async def probe(self, source_name: str) -> ServerInfo:
        """Who answers behind the source."""
        return await self._of(source_name).ask(lambda client: client.server())

    def close(self) -> None:
        """End what is under way; the threads are free soon after."""
        for known in self._known.values():
            known.cut()
        self._confiner.close()

    def _of(self, name: str) -> _Source:
        known = self._known.get(name)
        if known is None:
            raise SourceMissing(f"there is no MetricsSource named {name}; create it, or set spec.sourceRef.name")
        return known


class _Confiner:
    """Remembers what ``enforce`` said; it parses, and a tenant can make that slow, so that it runs in a thread.

    The threads are none of a source's, in which it would wait behind servers that hang.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(CONFINING, thread_name_prefix="confine")
        self._said: OrderedDict[tuple[str, tuple[tuple[str, str], ...]], str | SpecError] = OrderedDict()

    def close(self) -> None:
        """Take no more expressions."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def confine(self, expression: str, matchers: Mapping[str, str]) -> str:
        if not matchers:
            return expression
        key = expression, tuple(matchers.items())
        said = self._said.get(key)
        if said is None:
            said = await asyncio.get_running_loop().run_in_executor(self._pool, _enforced, expression, matchers)
            self._said[key] = said
            while len(self._said) > CONFINED:
                self._said.popitem(last=False)
        else:
            self._said.move_to_end(key)
        if isinstance(said, SpecError):
            raise type(said)(str(said))
        return said


class _Source:
    """``source.Desk``: one source with its client, which is made when it is first needed."""

    def __init__(
        self,
        resource: MetricsSource,
        threads: int,
        max_cells: int,
        read_secret: SecretReader,
        queried: Queried,
        confiner: _Confiner,
    ) -> None:
        self.resource = resource
        self.identity = next(_numbers)
        self.limits = limits_of(resource.spec, max_cells)
        self.confine = confiner.confine
        at_once = min(threads, resource.spec.limits.concurrency)
        # Of its own, as one that hangs takes all the threads that there are. They start when they are needed, and end
        # with the last request to this source.
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=f"prometheus-{resource.metadata.name}")
        self._credentials = Credentials(resource.spec, read_secret)
        self._queried = queried
        self._gate = asyncio.Semaphore(at_once)
        self._client: PrometheusClient | None = None
        self._token: str | None = None
        self._certificates: str | None = None
        self._identity: Identity | None = None

    async def ask(self, question: Callable[[PrometheusClient], T]) -> T:
        """Ask in a worker thread, as many at once as the source allows."""
        secrets = await self._credentials.current()  # not in the gate, where a slow API server would hold up others
        async with self._gate:
            client = self._opened(self._credentials.known or secrets)
            began = time.monotonic()
            outcome = "ok"
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, question, client)
            except OpsSightError as error:
                outcome = error.reason
                if isinstance(error, PrometheusUnreachable) and error.credentials:
                    self._credentials.doubt()
                raise
            finally:
                self._queried(self.resource.metadata.name, outcome, time.monotonic() - began)

    def retire(self) -> None:
        """Keep no connections; requests that are under way end by themselves."""
        if self._client is not None:
            self._client.retire()

    def cut(self) -> None:
        """End what is under way."""
        if self._client is not None:
            self._client.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _opened(self, secrets: Secrets) -> PrometheusClient:
        """The client, which takes the token at each request and is made anew for other certificates."""
        self._token = secrets.token
        shown = secrets.certificates, secrets.identity
        if self._client is None or shown != (self._certificates, self._identity):
            self.retire()
            self._client = None
            self._certificates, self._identity = shown
            self._client = self._made(self.resource.spec)
        return self._client

    def _made(self, spec: MetricsSourceSpec) -> PrometheusClient:
        if not _is_address(spec.url):
            raise PrometheusUnreachable("Prometheus cannot be asked: its url cannot be used")
        basic = spec.auth.basic if spec.auth else None
        try:
            return PrometheusClient(
                spec.url,
                self.limits,
                token=lambda: self._token,
                username=basic.username if basic else None,
                headers=spec.headers,
                certificates=self._certificates,
                identity=self._identity,
            )
        except NoIdentity as error:
            raise PrometheusUnreachable(
                "the Secrets of tls.clientCertificate hold no certificate in PEM with its key, without a password"
            ) from error
        except (ssl.SSLError, ValueError) as error:
            secret = spec.tls.ca_secret_ref.name if spec.tls and spec.tls.ca_secret_ref else ""
            raise PrometheusUnreachable(f"Secret {secret} of tls.caSecretRef holds no PEM certificates") from error


def _is_address(url: str) -> bool:
    """What the form of a url does not say: whether its numeric address and its port are any."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def limits_of(spec: MetricsSourceSpec, max_cells: int) -> Limits:
    """The limits of a source, in the units of the client."""
    return Limits(
        seconds=seconds(spec.limits.timeout),
        max_series=spec.limits.max_series,
        max_points=spec.limits.max_points_per_query,
        max_bytes=spec.limits.max_bytes,
        max_cells=max_cells,
        connections=spec.limits.concurrency,
    )


def _enforced(expression: str, matchers: Mapping[str, str]) -> str | SpecError:
    try:
        return enforce(expression, matchers)
    except SpecError as error:
        return error
