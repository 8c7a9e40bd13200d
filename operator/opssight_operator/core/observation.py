"""What was read before a decision: frozen values, gathered once.

Arrays are ``[time, series]`` float64 with NaN for "no sample"; times are seconds since the epoch, UTC,
on the grid of the query's step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .models import Learned

if TYPE_CHECKING:
    from .places import Place
    from .targets import Target

FloatArray = NDArray[np.float64]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Frame:
    """The answer to one range query.

    ``times [time]``, ``values [time, series]``, ``labels`` one mapping a series in the order of the
    columns (sorted by label set, so that equal data gives equal frames), and what Prometheus warned of.
    """

    times: FloatArray
    values: FloatArray
    labels: tuple[Labels, ...]
    warnings: tuple[str, ...] = ()

    @property
    def n_series(self) -> int:
        """How many series there are."""
        return len(self.labels)

    def between(self, start: float, end: float) -> Frame:
        """The part with ``start <= time < end``."""
        rows = slice(int(np.searchsorted(self.times, start)), int(np.searchsorted(self.times, end)))
        return Frame(self.times[rows], self.values[rows], self.labels, self.warnings)


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """One rule as Prometheus itself lists it; durations are None where the server does not say them."""

    group: str
    name: str
    kind: str  # "alerting" or "recording"
    health: str  # "ok", "err" or "unknown"
    last_error: str = ""
    firing: int = 0
    labels: Labels = field(default_factory=dict)
    query: str = ""  # as Prometheus prints it, in canonical form
    for_seconds: float | None = None
    keep_firing_for_seconds: float | None = None


class RuleObjectState(Enum):
    """What stands at the place of our PrometheusRule."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class SharedRest:
    """What others have in an object that is shared.

    ``size`` is the bytes of their groups; ``policies`` are the names of the policies that share it; ``labels`` are the
    labels that they hold: the value, and the names of those who hold it. ``departed`` are the uids of policies that are
    gone and whose part is still there.
    """

    size: int = 0
    policies: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    departed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleObservation:
    """The owned rule as it is: the object in Kubernetes and what Prometheus has loaded.

    ``loaded`` is None when Prometheus was not asked or did not answer. ``groups`` are the ``spec.groups`` of our
    own object as they stand in Kubernetes (empty when it is absent or foreign): the thresholds recorded in them
    survive a lost status. ``refusals`` are what prometheus-operator says against it; ``unreadable`` is what
    Prometheus says against an expression in it, asked for while it has not loaded the group.
    ``digest`` is ``core.rules.rule_digest`` of its labels and groups. Of a shared object all of this is about our part
    alone, and ``rest`` is about the others'. ``settled`` says that nobody looked: not long ago it was loaded and as it
    should be, and all else is unknown.
    """

    state: RuleObjectState = RuleObjectState.ABSENT
    digest: str = ""
    groups: tuple[Mapping[str, Any], ...] = ()
    loaded: tuple[LoadedRule, ...] | None = None
    refusals: tuple[str, ...] = ()
    unreadable: str = ""
    rest: SharedRest = SharedRest()
    settled: bool = False


@dataclass(frozen=True, slots=True)
class QueryObservation:
    """One query of a detector: the training window, and the points to judge, which never overlap."""

    name: str
    training: Frame
    judged: Frame  # the same series in the same columns as ``training``
    volume: FloatArray | None = None  # [time, series] aligned to ``judged``; None without a guard


class ScoreArrival(Enum):
    """How the exported scores of a detector are found in Prometheus."""

    ARRIVED = "arrived"
    RENAMED = "renamed"  # with exported_namespace in the place of namespace
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class DetectorObservation:
    """Everything an AnomalyDetector's decision rests on; ``scores`` is None when they were not asked for."""

    queries: tuple[QueryObservation, ...]
    rule: RuleObservation = RuleObservation()
    scores: ScoreArrival | None = None
    learned: Mapping[str, Learned] = field(default_factory=dict)  # by query, what is kept since the last evaluation


@dataclass(frozen=True, slots=True)
class PolicyObservation:
    """Everything a ThresholdPolicy's decision rests on. The newest row says whether the alert would fire now.

    ``matchers`` are those that the source enforces on this namespace; ``target`` is the object to patch, None when
    there is none. ``incidents`` has a sample wherever history must teach nothing (``core.exclusion``), ``alerts``
    wherever the alert that uses the threshold was firing (``core.outcome``). ``former`` are the other objects that
    the thresholds still stand in, after a move. ``compared`` is what the alert compares with its threshold where that
    is more than the history (``core.compared``), and ``unforetold`` says why its episodes are not known beforehand.
    """

    history: Frame
    rule: RuleObservation = RuleObservation()
    incidents: Frame | None = None
    alerts: Frame | None = None
    matchers: Labels = field(default_factory=dict)
    target: Target | None = None
    former: tuple[tuple[Place, RuleObservation], ...] = ()
    compared: Frame | None = None
    unforetold: str = ""


Flavour = Literal["Prometheus", "Thanos", "Mimir", "VictoriaMetrics", "Unknown"]


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Who answers behind a MetricsSource; ``version`` is empty when the server does not say."""

    flavour: Flavour = "Unknown"
    version: str = ""
