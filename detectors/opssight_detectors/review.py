"""Looking back: which stretches of a recorded series were the strangest?

An alarm must decide at the moment; a review may know the whole record, and a ranking may smear a
moment over its surroundings. Both functions rank and do not judge: their numbers have no boundary.

``rank_past`` uses the whole record: 1.5 times the distance of each window to the nearest of ten typical
shapes, averaged over the windows that hold the point and over three widths, plus the highest Adaptive
score nearby, read forwards and backwards. ``rank_live`` uses no later point: shapes come from the
training rows alone.
"""

from __future__ import annotations

import numpy as np

from .base import FloatArray, as_block
from .kernels.first_samples import ENOUGH
from .kernels.shapes import cluster, squared_distances, windows_of
from .methods.adaptive import Adaptive

WIDTHS = (50, 100, 150)  # of the windows of rank_past
WIDTH = 100  # of those of rank_live
REACH = 75  # rows to either side that a score speaks for in rank_past
SHAPE_WEIGHT = 1.5
CLUSTERS = 10
LIVE_REACH = 50  # rows that a live score is remembered for


def rank_past(times: FloatArray, values: FloatArray, *, seed: int = 0) -> FloatArray:
    """Strangeness of each point of ``values [time]``, higher is stranger; missing samples are bridged."""
    times, filled = _filled(times, values)
    forward = _adaptive(times, filled)
    backward = _adaptive(times, filled[::-1])[::-1]
    near = _trailing_max(_trailing_max(forward + backward, REACH)[::-1], REACH)[::-1]
    if len(filled) < 8:
        return _standardised(near)
    shapes = [_shape_distance(filled, min(width, len(filled) // 4), seed) for width in WIDTHS]
    return np.asarray(SHAPE_WEIGHT * np.mean(shapes, axis=0) + _standardised(near))


def _shape_distance(series: FloatArray, width: int, seed: int) -> FloatArray:
    """Mean distance to the nearest typical shape over the windows that hold each point, standardised."""
    windows = np.ascontiguousarray(windows_of(series, width))
    distance = np.sqrt(squared_distances(windows, cluster(windows, CLUSTERS, seed)).min(axis=1))
    kernel = np.ones(width)
    return _standardised(np.convolve(distance, kernel) / np.convolve(np.ones(len(distance)), kernel))


def rank_live(times: FloatArray, values: FloatArray, training: int, *, seed: int = 0) -> FloatArray:
    """The same without later points: the first ``training`` rows teach the shapes. Logarithms are added."""
    times, filled = _filled(times, values)
    if not 0 < training <= len(filled):
        raise ValueError(f"training must be between 1 and {len(filled)} rows, not {training!r}")
    near = _trailing_max(_adaptive(times, filled), LIVE_REACH)
    width = min(WIDTH, training // 3)
    if width < 2:
        return np.asarray(np.log1p(near))
    windows = windows_of(filled, width)
    centres = cluster(np.ascontiguousarray(windows[: training - width + 1]), CLUSTERS, seed)
    distance = np.sqrt(squared_distances(windows, centres).min(axis=1))
    shape = np.concatenate([np.full(width - 1, distance.min()), distance])
    usual = np.median(shape[:training])
    high = np.quantile(shape[:training], 0.9)
    unit = max(high - usual, 1e-3 * abs(high), 1e-9)
    return np.asarray(np.log1p(np.maximum(shape - usual, 0.0) / unit) + np.log1p(near))


def _filled(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    times, block = as_block(times, values)
    if block.shape[1] != 1:
        raise ValueError(f"values must be one series, not {block.shape[1]}")
    series = block[:, 0]
    there = np.flatnonzero(~np.isnan(series))
    if len(there) == 0:
        return times, np.zeros(len(series))
    latest = np.maximum.accumulate(np.where(np.isnan(series), there[0], np.arange(len(series))))
    return times, series[latest]


def _adaptive(times: FloatArray, series: FloatArray) -> FloatArray:
    # the band of the first samples alarms well, but its numbers are not on the views' scale
    model = Adaptive(min_samples=ENOUGH).fit(times[:0], series[:0, None])
    return np.nan_to_num(model.score(times, series[:, None]).score[:, 0])


def _trailing_max(series: FloatArray, rows: int) -> FloatArray:
    """Highest of the last ``rows`` values and the value itself."""
    if len(series) == 0:
        return series
    padded = np.concatenate([np.full(rows, -np.inf), series])
    return np.asarray(windows_of(padded, rows + 1).max(axis=1))


def _standardised(series: FloatArray) -> FloatArray:
    if len(series) == 0:
        return series
    return np.asarray((series - np.median(series)) / (series.std() + 1e-9))
