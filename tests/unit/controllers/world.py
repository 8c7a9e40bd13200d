"""Ports in memory: what the runtime wrote is kept, what it reads is set by the test."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opssight_operator.api import API_VERSION
from opssight_operator.api.metrics_source import MetricsSource
from opssight_operator.controllers.runtime import Runtime
from opssight_operator.core.observation import Frame, LoadedRule, RuleObservation, ServerInfo
from opssight_operator.core.plan import Event, Gauge, PatchTarget, RuleObject
from opssight_operator.core.report_documents import Document
from opssight_operator.core.report_journal import DetectorSeen, WarningEvent
from opssight_operator.core.targets import Target
from opssight_operator.errors import OpsSightError, SourceMissing
from opssight_operator.reconcile.ports import MetricSource, Owner, Ports
from opssight_operator.settings import Settings

T = TypeVar("T")


@dataclass
class World:
    """Everything outside of the runtime; ``fetch_seconds`` is what Prometheus takes. ``gauges`` are by uid."""

    frame: Callable[[float, float, float], Frame]
    settings: Settings = field(default_factory=Settings)
    fetch_seconds: float = 0.1
    fetch_error: BaseException | None = None
    status_error: Exception | None = None
    rule_error: Exception | None = None
    known: dict[str, MetricsSource] = field(default_factory=dict)
    observed: RuleObservation = field(default_factory=RuleObservation)
    statuses: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    rules: list[RuleObject] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    events: list[tuple[str, Event]] = field(default_factory=list)
    gauges: dict[str, Sequence[Gauge]] = field(default_factory=dict)
    fetched: list[tuple[float, str]] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    resources: dict[str, int] = field(default_factory=dict)
    foreign: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    document_error: OpsSightError | None = None
    warnings: tuple[WarningEvent, ...] = ()
    detectors: tuple[DetectorSeen, ...] = ()
    matrix: Callable[[str, float, float, float], Frame] | None = None

    def runtime(self) -> Runtime:
        return Runtime(self.ports(), _Sources(self), _Counters(self), self.settings, wall_clock=now, clock=now)

    def ports(self) -> Ports:
        return Ports(
            sources=_Sources(self),
            rules=_Rules(self),
            status=_Statuses(self),
            recorder=_Recorder(self),
            telemetry=_Telemetry(self),
            compute=_Inline(),
            targets=_Targets(),
            documents=_Documents(self),
            lookout=_Lookout(self),
            shared_rules=_SharedRules(self),
        )

    def written(self, name: str) -> list[dict[str, Any]]:
        """The statuses that were written of a resource."""
        return [status for _, resource, status in self.statuses if resource == name]

    def ready(self, name: str) -> list[str]:
        """The reasons of Ready that a resource went through."""
        return [c["reason"] for s in self.written(name) for c in s["conditions"] if c["type"] == "Ready"]


def now() -> float:
    return asyncio.get_running_loop().time()


def body_of(resource: Any, *, uid: str = "", generation: int = 1) -> dict[str, Any]:
    """The raw object that a watch delivers."""
    meta = resource.metadata
    return {
        "apiVersion": API_VERSION,
        "kind": type(resource).__name__,
        "metadata": {
            "name": meta.name,
            **({"namespace": meta.namespace} if meta.namespace else {}),
            "uid": uid or f"uid-of-{meta.name}",
            "generation": generation,
            "resourceVersion": "1",
        },
        "spec": resource.spec.dump(),
        "status": resource.status.dump(),
    }


@dataclass
class _Bound:
    world: World

    async def range(self, expr: str, start: float, end: float, step: float) -> Frame:
        self.world.fetched.append((now(), expr))
        await asyncio.sleep(self.world.fetch_seconds)
        if self.world.fetch_error is not None:
            raise self.world.fetch_error
        if self.world.matrix is not None:
            return self.world.matrix(expr, start, end, step)
        return self.world.frame(start, end, step)

    async def rules(self, group: str) -> tuple[LoadedRule, ...]:
        return ()

    @property
    def matchers(self) -> Mapping[str, str]:
        return {}


@dataclass
class _Sources:
    world: World

    def bind(self, source_name: str, namespace: str) -> MetricSource:
        if source_name not in self.world.known:
            raise SourceMissing(f"there is no MetricsSource named {source_name}")
        return _Bound(self.world)

    def get(self, source_name: str) -> MetricsSource | None:
        return self.world.known.get(source_name)

    async def probe(self, source_name: str) -> ServerInfo:
        return ServerInfo("Prometheus", "3.16.0")

    def update(self, source: MetricsSource) -> None:
        self.world.known[source.metadata.name] = source

    def remove(self, name: str) -> None:
        del self.world.known[name]


@dataclass
class _Rules:
    world: World

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        return self.world.observed

    async def apply(self, owner: Owner, rule: RuleObject) -> None:
        self.world.order.append("rule")
        if self.world.rule_error is not None:
            raise self.world.rule_error
        self.world.rules.append(rule)

    async def remove(self, owner: Owner, name: str) -> None:
        self.world.removed.append(name)


@dataclass
class _SharedRules:
    world: World

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        return RuleObservation()

    async def join(self, owner: Owner, rule: RuleObject) -> None:
        if self.world.rule_error is not None:
            raise self.world.rule_error
        self.world.rules.append(rule)

    async def leave(self, namespace: str, name: str, uids: Collection[str]) -> None:
        if self.world.rule_error is not None:
            raise self.world.rule_error
        self.world.left += [(name, uid) for uid in uids]


class _Targets:
    async def observe(self, owner: Owner, name: str) -> Target | None:
        return None

    async def patch(self, owner: Owner, patch: PatchTarget) -> None:
        raise AssertionError("nothing is patched here")


@dataclass
class _Documents:
    world: World

    async def read(self, owner: Owner, name: str) -> Mapping[str, str] | None:
        found = self.world.documents.get(name)
        return None if found is None else found.data

    async def apply(self, owner: Owner, document: Document) -> None:
        self.world.order.append("document")
        if self.world.document_error is not None:
            raise self.world.document_error
        self.world.documents[document.name] = document

    async def remove(self, owner: Owner, name: str) -> None:
        self.world.documents.pop(name, None)


@dataclass
class _Lookout:
    world: World

    async def warnings(self, namespace: str, limit: int) -> tuple[tuple[WarningEvent, ...], bool]:
        return self.world.warnings[:limit], len(self.world.warnings) > limit

    async def detectors(
        self, namespace: str, match_labels: Mapping[str, str], limit: int
    ) -> tuple[tuple[DetectorSeen, ...], bool]:
        return self.world.detectors[:limit], len(self.world.detectors) > limit


@dataclass
class _Statuses:
    world: World

    async def write(self, owner: Owner, status: dict[str, object]) -> None:
        self.world.order.append("status")
        await asyncio.sleep(0.01)
        if self.world.status_error is not None:
            raise self.world.status_error
        self.world.statuses.append((now(), owner.name, status))


@dataclass
class _Recorder:
    world: World

    async def record(self, owner: Owner, events: Sequence[Event]) -> None:
        self.world.order += ["event"] * bool(events)
        self.world.events += [(owner.name, event) for event in events]


@dataclass
class _Telemetry:
    world: World

    def set_gauges(self, owner: Owner, gauges: Sequence[Gauge]) -> None:
        self.world.order.append("gauges")
        self.world.gauges[owner.uid] = gauges

    def clear_gauges(self, owner: Owner) -> None:
        self.world.gauges.pop(owner.uid, None)

    def scores_exported_for(self, owner: Owner) -> float:
        return 0.0


class _Inline:
    async def run(self, function: Callable[[], T]) -> T:
        return function()


@dataclass
class _Counters:
    world: World

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        self.world.outcomes[kind, outcome] += 1

    def held(self, reason: str) -> None:
        pass

    def watched(self, kind: str, count: int) -> None:
        self.world.resources[kind] = count

    def foreign(self, kind: str) -> None:
        self.world.foreign[kind] += 1

    def lagged(self, seconds: float) -> None:
        pass

    def coalesced(self, count: int) -> None:
        pass
