"""From ``spec.estimator`` to the configured estimator of ``opssight_detectors``."""

from __future__ import annotations

from collections.abc import Callable

from opssight_detectors.thresholds.base import Estimator
from opssight_detectors.thresholds.registry import estimator_of

from ..api.base import seconds
from ..api.estimators import (
    AlertBudgetEstimator,
    DecayingHistogramEstimator,
    EstimatorType,
    ExceedanceRateEstimator,
    PeaksOverThresholdEstimator,
    PercentileEstimator,
)
from ..api.threshold_policy import ThresholdPolicySpec
from .science import checked

Parameters = dict[str, float | None]


def estimator_for(spec: ThresholdPolicySpec) -> Estimator:
    """The configured estimator of ``spec.estimator``; raises ``InvalidSpec``."""
    return checked("estimator", lambda: estimator_of(spec.estimator.type, **_PARAMETERS[spec.estimator.type](spec)))


def rule_interval(spec: ThresholdPolicySpec) -> float | None:
    """Seconds between two evaluations of the alert; None where Prometheus decides it."""
    interval = spec.delivery.render.interval if spec.delivery.render else None
    return None if interval is None else seconds(interval)


def coarser_interval(spec: ThresholdPolicySpec) -> float | None:
    """The same where it passes over rows of the history."""
    interval = rule_interval(spec)
    return interval if interval is not None and interval > seconds(spec.history.step) else None


def _percentile(spec: ThresholdPolicySpec) -> Parameters:
    block = spec.estimator.percentile or PercentileEstimator()
    return {"percentile": float(block.percentile), "margin": float(block.margin)}


def _decaying_histogram(spec: ThresholdPolicySpec) -> Parameters:
    block = spec.estimator.decaying_histogram or DecayingHistogramEstimator()
    return {
        "percentile": float(block.percentile),
        "half_life": seconds(block.half_life),
        "margin": float(block.margin),
    }


def _peaks_over_threshold(spec: ThresholdPolicySpec) -> Parameters:
    block = spec.estimator.peaks_over_threshold or PeaksOverThresholdEstimator()
    return {"rate": float(block.rate), "level": float(block.level), "margin": float(block.margin)}


def _alert_budget(spec: ThresholdPolicySpec) -> Parameters:
    """The budget, and the durations of the alert that spends it."""
    block = spec.estimator.alert_budget or AlertBudgetEstimator()
    return {
        "episodes_per_week": float(block.episodes_per_week),
        "most_time_firing": float(block.most_time_firing),
        "for_seconds": seconds(spec.alert.for_),
        "keep_firing_for_seconds": seconds(spec.alert.keep_firing_for),
        "interval": coarser_interval(spec),
    }


def _exceedance_rate(spec: ThresholdPolicySpec) -> Parameters:
    block = spec.estimator.exceedance_rate or ExceedanceRateEstimator()
    return {
        "rate": float(block.rate),
        "recent_seconds": seconds(block.recent),
        "hold_seconds": seconds(block.hold),
    }


_PARAMETERS: dict[EstimatorType, Callable[[ThresholdPolicySpec], Parameters]] = {
    "Percentile": _percentile,
    "DecayingHistogram": _decaying_histogram,
    "PeaksOverThreshold": _peaks_over_threshold,
    "AlertBudget": _alert_budget,
    "ExceedanceRate": _exceedance_rate,
}
