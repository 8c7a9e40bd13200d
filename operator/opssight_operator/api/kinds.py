"""The kinds as the API server knows them: names, scope, columns of ``kubectl get``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from . import PLURALS
from .anomaly_detector import AnomalyDetector, AnomalyDetectorSpec
from .base import KubeModel
from .detector_status import AnomalyDetectorStatus
from .metrics_source import MetricsSource, MetricsSourceSpec, MetricsSourceStatus
from .pattern_report import PatternReport, PatternReportSpec
from .report_status import PatternReportStatus
from .threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from .threshold_status import ThresholdPolicyStatus

CATEGORY = "opssight"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ``kubectl get``; a ``wide`` one is shown with ``-o wide`` alone."""

    name: str
    path: str
    description: str
    type: Literal["string", "integer", "date", "boolean"] = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind: its models, and what a custom resource definition says besides the schema."""

    name: str
    short_name: str
    scope: Literal["Namespaced", "Cluster"]
    resource: type[KubeModel]
    spec: type[KubeModel]
    status: type[KubeModel]
    columns: tuple[Column, ...]

    @property
    def plural(self) -> str:
        """The name in URLs and in the file name."""
        return PLURALS[self.name]

    @property
    def description(self) -> str:
        """What the kind is for."""
        return self.resource.__doc__ or ""


def _condition(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


READY = Column("Ready", _condition("status"), "Whether the resource does what its spec asks for.")
REASON = Column("Reason", _condition("reason"), "Why Ready has its status.")
MESSAGE = Column("Message", _condition("message"), "The sentence that belongs to the reason.", wide=True)
AGE = Column("Age", ".metadata.creationTimestamp", "Time since the resource was created.", "date")

KINDS: tuple[Kind, ...] = (
    Kind(
        "MetricsSource",
        "msrc",
        "Cluster",
        MetricsSource,
        MetricsSourceSpec,
        MetricsSourceStatus,
        (
            READY,
            REASON,
            Column("URL", ".spec.url", "Address of the server."),
            Column("Version", ".status.version", "Version of the server that answered."),
            AGE,
            Column("Flavour", ".status.flavour", "Flavour of the server that answered.", wide=True),
            MESSAGE,
        ),
    ),
    Kind(
        "AnomalyDetector",
        "adet",
        "Namespaced",
        AnomalyDetector,
        AnomalyDetectorSpec,
        AnomalyDetectorStatus,
        (
            READY,
            REASON,
            Column("Series", ".status.summary.series", "Series in all.", "integer"),
            Column("Anomalous", ".status.summary.anomalous", "Series in an open anomaly.", "integer"),
            AGE,
            Column("Method", ".spec.method.type", "Method that scores.", wide=True),
            Column("WarmingUp", ".status.summary.warmingUp", "Series that are not judged yet.", "integer", wide=True),
            Column("NoData", ".status.summary.noData", "Series without recent samples.", "integer", wide=True),
            MESSAGE,
        ),
    ),
    Kind(
        "ThresholdPolicy",
        "tpol",
        "Namespaced",
        ThresholdPolicy,
        ThresholdPolicySpec,
        ThresholdPolicyStatus,
        (
            READY,
            REASON,
            Column("Thresholds", ".status.count", "How many thresholds there are.", "integer"),
            Column("Threshold", ".status.thresholds[0].current", "The first threshold that is in force."),
            Column("Proposed", ".status.thresholds[0].proposed", "What history suggests for it."),
            Column("Mode", ".spec.delivery.mode", "How thresholds are delivered."),
            AGE,
            Column("Estimator", ".spec.estimator.type", "How thresholds are learned.", wide=True),
            Column("Decision", ".status.thresholds[0].reason", "Why the first threshold is what it is.", wide=True),
            MESSAGE,
        ),
    ),
    Kind(
        "PatternReport",
        "prep",
        "Namespaced",
        PatternReport,
        PatternReportSpec,
        PatternReportStatus,
        (
            READY,
            REASON,
            Column("Incidents", ".status.lastReport.incidents", "Incidents of the newest report.", "integer"),
            Column("Last", ".status.lastReport.at", "Time since the newest report was made.", "date"),
            Column("Next", ".status.nextRunAt", "When the next report is due."),
            AGE,
            Column("Highlight", ".status.highlights[0]", "What the newest report puts first.", wide=True),
            MESSAGE,
        ),
    ),
)


def kind_of(name: str) -> Kind:
    """The kind of that name; ``KeyError`` for a stranger."""
    return {kind.name: kind for kind in KINDS}[name]


def printer_column(column: Column) -> dict[str, Any]:
    """The column as a custom resource definition wants it."""
    return {
        "name": column.name,
        "type": column.type,
        "description": column.description,
        "jsonPath": column.path,
        **({"priority": 1} if column.wide else {}),
    }
