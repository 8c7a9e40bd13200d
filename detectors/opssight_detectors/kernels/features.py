"""Features of each point of a series, standardised robustly by the training window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base import FloatArray
from ..calibration import floored
from .order import NORMAL_CONSISTENCY, median_and_mad, median_of
from .windows import WindowSums

WINDOW = 12
NAMES = ("value", "change", "against the last 12", "spread of the last 12", "against the hour")
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Centres and spreads ``[feature, series]``, the median of each hour ``[24, series]``, newest rows."""

    centre: FloatArray
    spread: FloatArray
    hours: FloatArray
    tail: FloatArray  # [WINDOW, series], the newest samples, missing ones filled


def fit_features(values: FloatArray, hour: FloatArray) -> tuple[FeatureScale, FloatArray]:
    """The scale of ``values [time, series]`` at ``hour [time]`` (0 to 23), and their features."""
    middle = median_of(values)
    hours = np.stack([median_of(values[hour == each]) for each in range(24)])
    hours = np.where(np.isnan(hours), middle, hours)
    start = np.broadcast_to(middle, (WINDOW, values.shape[1]))
    start = np.where(np.isnan(start), 0.0, start)
    raw, tail = _raw(values, hours[hour.astype(np.intp)], start)
    shape = raw.shape[1:]
    centre, mad = median_and_mad(raw.reshape(len(raw), shape[0] * shape[1]))
    smallest = np.broadcast_to(middle, shape)
    spread = floored(NORMAL_CONSISTENCY * mad.reshape(shape), smallest)
    scale = FeatureScale(np.where(np.isnan(centre), 0.0, centre).reshape(shape), spread, hours, tail)
    return scale, _standardised(scale, raw)


def features_of(scale: FeatureScale, values: FloatArray, hour: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Features ``[time, series, feature]`` of new rows, and the tail after them; NaN where there is no sample."""
    raw, tail = _raw(values, scale.hours[hour.astype(np.intp)], scale.tail)
    return _standardised(scale, raw), tail


def _raw(values: FloatArray, of_hour: FloatArray, tail: FloatArray) -> tuple[FloatArray, FloatArray]:
    there = ~np.isnan(values)
    history = np.concatenate([tail, values])
    index = np.where(np.isnan(history), 0, np.arange(len(history))[:, None])
    filled = history[np.maximum.accumulate(index, axis=0), np.arange(values.shape[1])]
    sums = WindowSums(filled, len(values), tail[-1])
    _, variance = sums.mean_and_variance(np.array([WINDOW]))
    before = sums.mean(np.array([WINDOW]), 1)[:, 0] + tail[-1]
    change = filled[WINDOW:] - filled[WINDOW - 1 : -1]
    raw = np.stack([values, change, values - before, np.sqrt(variance[:, 0]), values - of_hour], axis=1)
    return np.where(there[:, None], raw, np.nan), filled[-WINDOW:]


def _standardised(scale: FeatureScale, raw: FloatArray) -> FloatArray:
    features = (raw - scale.centre) / scale.spread
    return np.clip(features, -_LARGEST, _LARGEST).transpose(0, 2, 1)
