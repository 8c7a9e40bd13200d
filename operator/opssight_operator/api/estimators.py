"""How a ThresholdPolicy learns: the estimator and its own block of parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from .base import (
    Decimal,
    KubeModel,
)
from .validation import Bounds

EstimatorType = Literal["Percentile"]


class PercentileEstimator(KubeModel):
    """A percentile of history, and a margin on top."""

    percentile: Annotated[Decimal, Bounds(above="0", below="100")] = "95"
    """percentile of the history; the default is 95. A lower bound uses 100 minus this."""
    margin: Annotated[Decimal, Bounds(at_least="0", at_most="10")] = "0"
    """margin as a fraction of the percentile, away from normal; 0.1 means 10 %. The default is 0."""


class Estimator(KubeModel):
    """How the threshold is learned."""

    type: EstimatorType = "Percentile"
    """type of the estimator: Percentile (the default)."""
    percentile: PercentileEstimator | None = None
    """percentile holds the parameters of type Percentile."""
