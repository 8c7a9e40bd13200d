"""How an AnomalyDetector scores: the method and its own block of parameters.

The blocks say what ``opssight_detectors`` takes; a contract test keeps their defaults and limits equal to its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Decimal, KubeModel, list_set
from .seasonal import TimeZone
from .validation import Bounds, Rule

MethodType = Literal[
    "Adaptive",
    "ZScore",
    "RobustZScore",
    "Shewhart",
    "EWMA",
    "CUSUM",
    "Seasonal",
    "IsolationForest",
    "Autoencoder",
    "PeerOutlier",
]
Sensitivity = Literal["Low", "Medium", "High"]
ControlRule = Literal[
    "BeyondThreeSigma",
    "NineOnASide",
    "EightOnASide",
    "SixTrending",
    "FourteenAlternating",
    "TwoOfThreeBeyondTwoSigma",
    "FourOfFiveBeyondOneSigma",
    "FifteenWithinOneSigma",
    "EightBeyondOneSigma",
]
WESTERN_ELECTRIC: tuple[ControlRule, ...] = (
    "BeyondThreeSigma",
    "TwoOfThreeBeyondTwoSigma",
    "FourOfFiveBeyondOneSigma",
    "EightOnASide",
)
BLOCKS: dict[MethodType, str] = {
    "Adaptive": "adaptive",
    "ZScore": "zScore",
    "RobustZScore": "robustZScore",
    "Shewhart": "shewhart",
    "EWMA": "ewma",
    "CUSUM": "cusum",
    "Seasonal": "seasonal",
    "IsolationForest": "isolationForest",
    "Autoencoder": "autoencoder",
    "PeerOutlier": "peerOutlier",
}
"""The block of each type."""


class AdaptiveMethod(KubeModel):
    """The default: many views of a series and its own past alarms decide together."""

    sensitivity: Sensitivity = "Medium"
    """sensitivity is how easily it alarms: Low, Medium or High; the default is Medium."""
    time_zone: TimeZone = "UTC"
    """timeZone is the IANA name of the zone whose day and week the metric follows; the default is UTC."""


class ZScoreMethod(KubeModel):
    """Mean and standard deviation of the training window."""

    sensitivity: Annotated[Decimal, Bounds(at_least="0.000001", at_most="100")] = "2"
    """sensitivity is how many standard deviations are normal; the default is 2."""
    absolute_floor: Annotated[Decimal, Bounds(above="0")] = "0.000000001"
    """absoluteFloor is the smallest deviation, in the unit of the metric; the default is 0.000000001."""
    relative_floor: Annotated[Decimal, Bounds(at_least="0", at_most="1")] = "0.001"
    """relativeFloor is the smallest deviation, as a share of the mean; the default is 0.001."""


class RobustZScoreMethod(KubeModel):
    """Median and median absolute deviation of the training window."""

    sensitivity: Annotated[Decimal, Bounds(at_least="0.000001", at_most="100")] = "3"
    """sensitivity is how many robust standard deviations are normal; the default is 3."""
    absolute_floor: Annotated[Decimal, Bounds(above="0")] = "0.000000001"
    """absoluteFloor is the smallest deviation, in the unit of the metric; the default is 0.000000001."""
    relative_floor: Annotated[Decimal, Bounds(at_least="0", at_most="1")] = "0.001"
    """relativeFloor is the smallest deviation, as a share of the median; the default is 0.001."""


class ShewhartMethod(KubeModel):
    """Control chart of single values with Western Electric or Nelson rules."""

    rules: Annotated[list[ControlRule], Field(min_length=1, max_length=9, json_schema_extra=list_set())] = Field(
        default_factory=lambda: list(WESTERN_ELECTRIC)
    )
    """rules are the rules that make a point anomalous."""
    sensitivity: Annotated[Decimal, Bounds(at_least="0.000001", at_most="100")] = "3"
    """sensitivity is how many sigmas that count as the three sigma of the rules; the default is 3."""


class EWMAMethod(KubeModel):
    """Exponentially weighted moving average chart: small shifts that last."""

    weight: Annotated[Decimal, Bounds(at_least="0.0001", at_most="1")] = "0.2"
    """weight is lambda, the weight of the newest point; the default is 0.2."""
    sensitivity: Annotated[Decimal, Bounds(at_least="0.000001", at_most="100")] = "3"
    """sensitivity is the limit in standard deviations of the average; the default is 3."""


class CUSUMMethod(KubeModel):
    """Two-sided cumulative sum chart: the quickest way to a shift of known size."""

    slack: Annotated[Decimal, Bounds(at_least="0", at_most="100")] = "0.5"
    """slack is the deviation in sigmas that is let pass, half the shift to find; the default is 0.5."""
    decision: Annotated[Decimal, Bounds(at_least="0.000001", at_most="1000000")] = "5"
    """decision is the sum of excesses in sigmas that is anomalous; the default is 5."""


class SeasonalMethod(KubeModel):
    """The same hour of the day and of the week, robustly."""

    sensitivity: Annotated[Decimal, Bounds(at_least="0.000001", at_most="100")] = "4"
    """sensitivity is how many robust standard deviations are normal; the default is 4."""
    time_zone: TimeZone = "UTC"
    """timeZone is the IANA name of the zone whose day and week the metric follows; the default is UTC."""


class IsolationForestMethod(KubeModel):
    """Isolation forest on value, change, recent mean and spread, and hour."""

    sensitivity: Sensitivity = "Medium"
    """sensitivity is how often ordinary points may score above 1: Low, Medium or High; the default is Medium."""
    trees: Annotated[int, Field(ge=8, le=1000)] = 64
    """trees is the number of trees of each series' forest; the default is 64."""
    seed: Annotated[int, Field(ge=0, le=2147483648)] = 0
    """seed is the seed of the random splits; the default is 0."""
    time_zone: TimeZone = "UTC"
    """timeZone is the IANA name of the zone whose hours the metric follows; the default is UTC."""


class AutoencoderMethod(KubeModel):
    """Windows through a narrow code: linear in closed form, or a small network."""

    kind: Literal["Linear", "Network"] = "Linear"
    """kind is closed-form linear code or trained network: Linear or Network; the default is Linear."""
    window: Annotated[int, Field(ge=8, le=512)] = 24
    """window is the number of samples in a window; the default is 24."""
    code: Annotated[int, Field(ge=1, le=64)] = 4
    """code is the width of the code; the default is 4."""
    epochs: Annotated[int, Field(ge=1, le=10000)] = 150
    """epochs is the number of passes over the training windows (Network); the default is 150."""
    seed: Annotated[int, Field(ge=0, le=2147483648)] = 0
    """seed is the seed of the initial weights (Network); the default is 0."""
    sensitivity: Sensitivity = "Medium"
    """sensitivity is how often ordinary windows may score above 1: Low, Medium or High; the default is Medium."""


class PeerOutlierMethod(KubeModel):
    """A series against the other series of the same query at the same moment."""

    measure: Literal["Median", "Density"] = "Median"
    """measure is distance from the median or to the nearest: Median or Density; the default is Median."""
    sensitivity: Annotated[Decimal, Bounds(at_least="0.000001", at_most="100")] = "5"
    """sensitivity is how many robust standard deviations are normal; the default is 5."""
    min_peers: Annotated[int, Field(ge=2, le=10000)] = 3
    """minPeers is how many other series must have a sample; the default is 3."""


class Method(KubeModel):
    """The method that scores, and its own block of parameters."""

    type: MethodType = "Adaptive"
    """type of the method; the default is Adaptive."""
    adaptive: AdaptiveMethod | None = None
    """adaptive holds the parameters of type Adaptive."""
    z_score: ZScoreMethod | None = None
    """zScore holds the parameters of type ZScore."""
    robust_z_score: RobustZScoreMethod | None = None
    """robustZScore holds the parameters of type RobustZScore."""
    shewhart: ShewhartMethod | None = None
    """shewhart holds the parameters of type Shewhart."""
    ewma: EWMAMethod | None = None
    """ewma holds the parameters of type EWMA."""
    cusum: CUSUMMethod | None = None
    """cusum holds the parameters of type CUSUM."""
    seasonal: SeasonalMethod | None = None
    """seasonal holds the parameters of type Seasonal."""
    isolation_forest: IsolationForestMethod | None = None
    """isolationForest holds the parameters of type IsolationForest."""
    autoencoder: AutoencoderMethod | None = None
    """autoencoder holds the parameters of type Autoencoder."""
    peer_outlier: PeerOutlierMethod | None = None
    """peerOutlier holds the parameters of type PeerOutlier."""

    CEL = tuple(
        Rule(
            f'!has(self.{block}) || self.type == "{kind}"',
            f"method.{block} may be set only when method.type is {kind}",
            f"method.{block} is set and method.type is {{{{self.type}}}}; {block} may be set only when type is {kind}",
        )
        for kind, block in BLOCKS.items()
    )

    def block(self) -> KubeModel:
        """The block of the type; its defaults when it is absent."""
        name, kind = FIELDS[self.type]
        given: KubeModel | None = getattr(self, name)
        return kind() if given is None else given


FIELDS: dict[MethodType, tuple[str, type[KubeModel]]] = {
    "Adaptive": ("adaptive", AdaptiveMethod),
    "ZScore": ("z_score", ZScoreMethod),
    "RobustZScore": ("robust_z_score", RobustZScoreMethod),
    "Shewhart": ("shewhart", ShewhartMethod),
    "EWMA": ("ewma", EWMAMethod),
    "CUSUM": ("cusum", CUSUMMethod),
    "Seasonal": ("seasonal", SeasonalMethod),
    "IsolationForest": ("isolation_forest", IsolationForestMethod),
    "Autoencoder": ("autoencoder", AutoencoderMethod),
    "PeerOutlier": ("peer_outlier", PeerOutlierMethod),
}
"""The attribute and the model of each type."""
