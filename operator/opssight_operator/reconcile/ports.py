"""What the use cases need from the outside, declared by the consumer.

Every method raises errors of ``opssight_operator.errors`` and nothing else; adapters map the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ..api.metrics_source import MetricsSource
from ..core.looks import RuleLooks
from ..core.models import ModelMemory
from ..core.observation import Frame, LoadedRule, RuleObservation, ServerInfo
from ..core.plan import Event, Gauge, PatchTarget, RuleObject
from ..core.report_documents import Document
from ..core.report_journal import DetectorSeen, WarningEvent
from ..core.targets import Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Owner:
    """The resource that a rule, an Event or a gauge belongs to."""

    api_version: str
    kind: str
    name: str
    namespace: str
    uid: str


class MetricSource(Protocol):
    """One Prometheus, seen with the rights of one namespace: its matchers are already enforced."""

    @property
    def matchers(self) -> Mapping[str, str]:
        """The label matchers that every query of this namespace carries."""
        ...

    async def range(self, expr: str, start: float, end: float, step: float) -> Frame:
        """Samples of ``expr`` at ``start, start + step, ...`` up to and including ``end`` (seconds)."""
        ...

    async def rules(self, group: str) -> tuple[LoadedRule, ...]:
        """The rules of one group as Prometheus lists them; empty when it has no such group."""
        ...


class Sources(Protocol):
    """The MetricsSources that the operator knows."""

    def bind(self, source_name: str, namespace: str) -> MetricSource:
        """The source for one namespace; raises ``SourceMissing`` or ``NotAllowed``."""
        ...

    def get(self, source_name: str) -> MetricsSource | None:
        """The resource itself."""
        ...

    async def probe(self, source_name: str) -> ServerInfo:
        """Ask the server who it is, with the source's own credentials; raises ``DependencyError``."""
        ...


class RuleStore(Protocol):
    """PrometheusRule objects in Kubernetes."""

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        """The object of that name: absent, ours (owned by ``owner``) or foreign."""
        ...

    async def apply(self, owner: Owner, rule: RuleObject) -> None:
        """Server-side apply with our field manager, owned by ``owner``; raises ``ConflictError``."""
        ...

    async def remove(self, owner: Owner, name: str) -> None:
        """Delete the object if ``owner`` owns it; nothing happens when it is absent."""
        ...


class SharedRuleStore(Protocol):
    """PrometheusRules that several policies of a namespace share, each with a part of its own."""

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        """The owner's part of the object; foreign when the object has no part of any policy."""
        ...

    async def join(self, owner: Owner, rule: RuleObject) -> None:
        """Make the owner's part look like ``rule``; raises ``ConflictError`` and ``TooMuchData``."""
        ...

    async def leave(self, namespace: str, name: str, uids: Collection[str]) -> None:
        """Take the parts of the policies ``uids`` out; the object goes with its last group."""
        ...


class Targets(Protocol):
    """Somebody's PrometheusRules, which mode Patch changes one number of."""

    async def observe(self, owner: Owner, name: str) -> Target | None:
        """The object of that name in the owner's namespace with the other policies that patch there, or None."""
        ...

    async def patch(self, owner: Owner, patch: PatchTarget) -> None:
        """Change one expression; raises ``FieldConflict`` when the object is no longer the one that was read."""
        ...


class DocumentStore(Protocol):
    """ConfigMaps that our resources own."""

    async def read(self, owner: Owner, name: str) -> Mapping[str, str] | None:
        """The data of the ConfigMap of that name, None when there is none that ``owner`` owns."""
        ...

    async def apply(self, owner: Owner, document: Document) -> None:
        """Server-side apply with our field manager, owned by ``owner``; raises ``ConflictError``."""
        ...

    async def remove(self, owner: Owner, name: str) -> None:
        """Delete the ConfigMap if ``owner`` owns it; nothing happens when it is absent."""
        ...


class Lookout(Protocol):
    """What happens in a namespace, as Kubernetes knows it."""

    async def warnings(self, namespace: str, limit: int) -> tuple[tuple[WarningEvent, ...], bool]:
        """At most ``limit`` Events of type Warning that are not our own; and whether there are more."""
        ...

    async def detectors(
        self, namespace: str, match_labels: Mapping[str, str], limit: int
    ) -> tuple[tuple[DetectorSeen, ...], bool]:
        """The anomalies of at most ``limit`` AnomalyDetectors with these labels; and whether there are more."""
        ...


class StatusStore(Protocol):
    """The status subresource of our kinds."""

    async def write(self, owner: Owner, status: dict[str, object]) -> None:
        """Replace the status."""
        ...


class Recorder(Protocol):
    """Kubernetes Events."""

    async def record(self, owner: Owner, events: Sequence[Event]) -> None:
        """Write Events; similar ones within minutes become one series. Never raises."""
        ...


class Telemetry(Protocol):
    """Our own /metrics."""

    def set_gauges(self, owner: Owner, gauges: Sequence[Gauge]) -> None:
        """Replace all gauges of this resource."""
        ...

    def clear_gauges(self, owner: Owner) -> None:
        """Forget the gauges of a resource that is gone."""
        ...

    def scores_exported_for(self, owner: Owner) -> float:
        """Seconds since when scores of this resource are exported without a break; 0 when there are none."""
        ...


class Compute(Protocol):
    """Somewhere to run numpy and models off the event loop."""

    async def run(self, function: Callable[[], T]) -> T:
        """The result of a pure function, computed in a bounded pool."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything at once, handed to the use cases by the composition root."""

    sources: Sources
    rules: RuleStore
    status: StatusStore
    recorder: Recorder
    telemetry: Telemetry
    compute: Compute
    targets: Targets
    documents: DocumentStore
    lookout: Lookout
    shared_rules: SharedRuleStore
    models: ModelMemory = field(default_factory=ModelMemory)
    looks: RuleLooks = field(default_factory=RuleLooks)
