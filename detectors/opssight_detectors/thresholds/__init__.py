"""Thresholds: learned from history, simulated before they are delivered."""

from .base import BatchEstimator, Bound, Estimate, Estimator, estimate_many
from .budget import AlertBudget
from .decaying import DecayingHistogram
from .hygiene import Exclusion, HistoryFacts, allowed_step, facts, without
from .peaks import PeaksOverThreshold
from .percentile import Percentile
from .prediction import predicted_range
from .registry import ESTIMATORS, estimator_of
from .seasonal import Seasonal, SeasonalTable
from .simulation import AlertRule, Episodes, Evaluations, evaluations, simulate, simulate_on
from .summary import VolumeSummary, summary
from .tracking import ExceedanceRate, Track

__all__ = [
    "ESTIMATORS",
    "AlertBudget",
    "AlertRule",
    "BatchEstimator",
    "Bound",
    "DecayingHistogram",
    "Episodes",
    "Estimate",
    "Estimator",
    "Evaluations",
    "ExceedanceRate",
    "Exclusion",
    "HistoryFacts",
    "PeaksOverThreshold",
    "Percentile",
    "Seasonal",
    "SeasonalTable",
    "Track",
    "VolumeSummary",
    "allowed_step",
    "estimate_many",
    "estimator_of",
    "evaluations",
    "facts",
    "predicted_range",
    "simulate",
    "simulate_on",
    "summary",
    "without",
]
