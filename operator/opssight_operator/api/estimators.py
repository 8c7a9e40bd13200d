"""How a ThresholdPolicy learns: the estimator and its own block of parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from .base import (
    Decimal,
    Duration,
    KubeModel,
)
from .durations import seconds_in_cel
from .validation import Bounds, Rule, unless_malformed

EstimatorType = Literal["Percentile", "DecayingHistogram", "PeaksOverThreshold", "AlertBudget", "ExceedanceRate"]

Margin = Annotated[Decimal, Bounds(at_least="0", at_most="10")]


class PercentileEstimator(KubeModel):
    """A percentile of history, and a margin on top."""

    percentile: Annotated[Decimal, Bounds(above="0", below="100")] = "95"
    """percentile of the history; the default is 95. A lower bound uses 100 minus this."""
    margin: Margin = "0"
    """margin as a fraction of the percentile, away from normal; 0.1 means 10 %. The default is 0."""


class DecayingHistogramEstimator(KubeModel):
    """A percentile of a history in which old samples count less and less."""

    percentile: Annotated[Decimal, Bounds(above="0", below="100")] = "95"
    """percentile of the weighted history; the default is 95. A lower bound uses 100 minus this."""
    half_life: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "1d"
    """halfLife is the age at which a sample counts half; the default is 1d."""
    margin: Margin = "0"
    """margin as a fraction of the percentile, away from normal; 0.1 means 10 %. The default is 0."""


class PeaksOverThresholdEstimator(KubeModel):
    """The threshold of a rare rate, from a generalised Pareto tail."""

    rate: Annotated[Decimal, Bounds(above="0", below="1")] = "0.001"
    """rate is the share of samples that shall be beyond the threshold; the default is 0.001."""
    level: Annotated[Decimal, Bounds(at_least="0.5", below="1")] = "0.98"
    """level is the quantile of history from which on the tail is fitted; the default is 0.98."""
    margin: Margin = "0"
    """margin as a fraction of the threshold, away from normal; 0.1 means 10 %. The default is 0."""


class AlertBudgetEstimator(KubeModel):
    """As many alert episodes a week as you will take, for the whole policy."""

    episodes_per_week: Annotated[Decimal, Bounds(above="0", at_most="10000")] = "1"
    """episodesPerWeek is how many alert episodes a week the policy may have, all thresholds of perLabels together;
    the default is 1."""
    most_time_firing: Annotated[Decimal, Bounds(above="0", at_most="1")] = "0.1"
    """mostTimeFiring is the largest share of time in which a threshold may be firing, so that none keeps the budget
    by never resolving; the default is 0.1."""


class ExceedanceRateEstimator(KubeModel):
    """A limit that moves with the metric and is exceeded at the rate that was asked for."""

    rate: Annotated[Decimal, Bounds(above="0", at_most="0.1")] = "0.001"
    """rate is the share of samples that shall be beyond the threshold of their time; the default is 0.001."""
    recent: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "1h"
    """recent is the time from which the present level is taken; the default is 1h."""
    hold: Annotated[Duration, Bounds(at_least="1s", of="duration")] = "1d"
    """hold is how long one exceedance raises the threshold; the default is 1d."""

    CEL = (
        Rule(
            unless_malformed(
                f"{seconds_in_cel('self.recent')} <= {seconds_in_cel('self.hold')}",
                durations=["self.recent", "self.hold"],
            ),
            "exceedanceRate.recent must not be longer than exceedanceRate.hold",
            "exceedanceRate.recent is {{self.recent}} and exceedanceRate.hold is {{self.hold}}; "
            "recent must not be longer than hold",
            field=".recent",
        ),
    )


def _only_with(block: str, kind: EstimatorType) -> Rule:
    return Rule(
        f'!has(self.{block}) || self.type == "{kind}"',
        f"estimator.{block} may be set only when estimator.type is {kind}",
        f"estimator.{block} is set and estimator.type is {{{{self.type}}}}; "
        f"{block} may be set only when type is {kind}",
    )


class Estimator(KubeModel):
    """How the threshold is learned."""

    type: EstimatorType = "Percentile"
    """type of the estimator: Percentile (the default), DecayingHistogram, PeaksOverThreshold, AlertBudget or
    ExceedanceRate."""
    percentile: PercentileEstimator | None = None
    """percentile holds the parameters of type Percentile."""
    decaying_histogram: DecayingHistogramEstimator | None = None
    """decayingHistogram holds the parameters of type DecayingHistogram."""
    peaks_over_threshold: PeaksOverThresholdEstimator | None = None
    """peaksOverThreshold holds the parameters of type PeaksOverThreshold."""
    alert_budget: AlertBudgetEstimator | None = None
    """alertBudget holds the parameters of type AlertBudget."""
    exceedance_rate: ExceedanceRateEstimator | None = None
    """exceedanceRate holds the parameters of type ExceedanceRate."""

    CEL = (
        _only_with("percentile", "Percentile"),
        _only_with("decayingHistogram", "DecayingHistogram"),
        _only_with("peaksOverThreshold", "PeaksOverThreshold"),
        _only_with("alertBudget", "AlertBudget"),
        _only_with("exceedanceRate", "ExceedanceRate"),
    )
