"""Isolation forest on features of each point, one forest a series, all scored in one call.

The features (``kernels.features``) are the value, its change, its distance from the last 12 samples,
their spread, and its distance from the usual value of the hour, all in robust standard deviations of
the training window. The forest (``kernels.forest``) isolates strange combinations in few random
splits; ``calibration.tail_boundary`` puts 1 where the training window's own tail reaches the wanted rate.

Every tree also holds two points at +-4 standard deviations, so what lies outside of all that was
seen, or off a constant, is isolated too. Works where several mild oddities together are the anomaly;
needs some 100 samples. Scores saturate: far away and very far away look alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base import FloatArray, Scores, as_block
from ..calibration import RATE_OF, calibrate, states_of, tail_boundary
from ..kernels.features import NAMES, FeatureScale, features_of, fit_features
from ..kernels.forest import Forest, build_forest, score_forest
from ..kernels.local_time import local_seconds, zone_of
from ..parameters import check_parameters, parameter

SUBSAMPLE = 128
GUARD = 4.0  # standard deviations of the two added points
LEAST_DISTANCE = 0.05  # of the isolation score between median and boundary
TRAINING_ROWS = 2048  # rows of the window that give the boundary, evenly spread


@dataclass(frozen=True, slots=True)
class IsolationForest:
    """Isolation forest on value, change, recent mean and spread, and hour."""

    sensitivity: str = parameter("Medium", "how often ordinary points may score above 1", choices=tuple(RATE_OF))
    trees: int = parameter(64, "trees of each series' forest", low=8, high=1000)
    seed: int = parameter(0, "seed of the random splits", low=0, high=2**31)
    time_zone: str = parameter("UTC", "IANA name of the zone whose hours the metric follows")
    min_samples: int = parameter(64, "how many samples a series needs before it is judged", low=16, high=1_000_000)

    def __post_init__(self) -> None:
        check_parameters(self)
        zone_of(self.time_zone)

    def fit(self, times: FloatArray, values: FloatArray) -> IsolationForestModel:
        times, values = as_block(times, values)
        scale, features = fit_features(values, _hour(times, self.time_zone))
        count = (~np.isnan(values)).sum(axis=0).astype(np.float64)
        forest = build_forest(_training(features), self.trees, SUBSAMPLE, self.seed)
        rows = np.unique(np.linspace(0, max(len(values) - 1, 0), min(len(values), TRAINING_ROWS)).astype(np.intp))
        raw = score_forest(forest, features[rows])
        centre, boundary = tail_boundary(raw, RATE_OF[self.sensitivity])
        # the measure is bounded, so its tail must not be drawn beyond what was ever seen
        boundary = np.fmin(boundary, np.fmax.reduce(raw, axis=0, initial=-np.inf))
        return IsolationForestModel(self, scale, forest, centre, boundary, count)


@dataclass(frozen=True, slots=True)
class IsolationForestModel:
    """64 trees of 128 leaves: 66 kB a series. ``update`` follows the newest samples; trees are grown at ``fit``."""

    detector: IsolationForest
    scale: FeatureScale
    forest: Forest
    centre: FloatArray
    boundary: FloatArray
    count: FloatArray

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        times, values = as_block(times, values)
        features, _ = features_of(self.scale, values, _hour(times, self.detector.time_zone))
        score = calibrate(score_forest(self.forest, features), self.centre, self.boundary, LEAST_DISTANCE)
        ready = self.count >= self.detector.min_samples
        known = ready & ~np.isnan(values)
        hours = _hour(times, self.detector.time_zone).astype(np.intp)
        expected = np.where(ready, self.scale.hours[hours], np.nan)
        nothing = np.full_like(values, np.nan)
        loudest = np.abs(np.where(np.isnan(features), 0.0, features)).argmax(axis=2)
        return Scores(
            score=np.where(known, score, np.nan),
            expected=expected,
            lower=nothing,
            upper=nothing.copy(),
            state=states_of(values, ready),
            cause=np.where(known, loudest, -1).astype(np.int8),
            causes=NAMES,
        )

    def update(self, times: FloatArray, values: FloatArray) -> IsolationForestModel:
        times, values = as_block(times, values)
        _, tail = features_of(self.scale, values, _hour(times, self.detector.time_zone))
        count = self.count + (~np.isnan(values)).sum(axis=0)
        return replace(self, scale=replace(self.scale, tail=tail), count=count)


def _hour(times: FloatArray, zone: str) -> FloatArray:
    return np.floor(np.mod(local_seconds(times, zone), 86400.0) / 3600.0) % 24


def _training(features: FloatArray) -> FloatArray:
    """Rows for the trees: every series' own samples, repeated in order where some are missing, and the guards."""
    rows, series, number = features.shape
    wanted = max(min(rows, TRAINING_ROWS), SUBSAMPLE)
    out = np.zeros((wanted, series, number))
    for column in range(series):
        there = np.flatnonzero(~np.isnan(features[:, column]).any(axis=1))
        if len(there):
            out[:, column] = features[there[np.linspace(0, len(there) - 1, wanted).astype(np.intp)], column]
    guards = max(wanted * 2 // SUBSAMPLE, 2)
    side = np.where(np.arange(guards) % 2 == 0, GUARD, -GUARD)
    return np.concatenate([out, np.broadcast_to(side[:, None, None], (guards, series, number))])
