"""The same hour on earlier days.

    score = |x - expected| / (sensitivity * spread)

The level is the median of the training window; each hour of the day, and each hour of the week where
the window holds two weeks or more, adds the median of its own deviations, shrunk towards the coarser
one while it has few samples: ``offset = coarse + n / (n + 12) * (median - coarse)``. Spread is the MAD
of what remains, of the hour where it has 24 samples and of all hours together otherwise, whichever is
larger than half the other. Hours follow the wall clock of ``time_zone``, so a daylight saving change
moves nothing. Medians after R. B. Cleveland et al., "STL" (1990), without its iterations.

Works for metrics that follow people: traffic, load, sales. It needs no full season to start (an hour
that was never seen is judged by the level alone, and ``missing_hours`` says how many those are). It
does not see slow drift: the level is that of the training window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, Scores, as_block
from ..calibration import ABSOLUTE_FLOOR, RELATIVE_FLOOR, floored, score_band
from ..kernels.local_time import local_seconds, zone_of
from ..kernels.order import NORMAL_CONSISTENCY, median_and_mad, median_of
from ..parameters import check_parameters, parameter

HOURS_A_DAY = 24
HOURS_A_WEEK = 168
TRUSTED = 3  # samples from which an hour's own spread says how uncertain its median is
OWN_SPREAD = 24  # samples from which an hour has its own spread
REFRESH_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Seasonal:
    """The same hour of the day and of the week, robustly."""

    sensitivity: float = parameter(4.0, "how many robust standard deviations are normal", low=1e-6, high=100)
    time_zone: str = parameter("UTC", "IANA name of the zone whose day and week the metric follows")
    min_samples: int = parameter(24, "how many samples a series needs before it is judged", low=3, high=1_000_000)

    def __post_init__(self) -> None:
        check_parameters(self)
        zone_of(self.time_zone)

    def fit(self, times: FloatArray, values: FloatArray) -> SeasonalModel:
        times, values = as_block(times, values)
        return _learned(self, times, values)


@dataclass(frozen=True, slots=True)
class SeasonalModel:
    """Two profiles (about 3 kB a series) and the samples they came from (8 bytes a sample)."""

    detector: Seasonal
    times: FloatArray
    samples: FloatArray
    recent: tuple[tuple[float, FloatArray], ...]
    level: FloatArray  # [series]
    offset: FloatArray  # [hour of week, series]
    spread: FloatArray  # [hour of week, series]
    count: NDArray[np.intp]
    missing_hours: NDArray[np.intp]  # hours of the day that were never seen, [series]

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        times, values = as_block(times, values)
        hour = _hour_of_week(times, self.detector.time_zone)
        expected = self.level + self.offset[hour]
        spread = floored(self.spread[hour], self.level, ABSOLUTE_FLOOR, RELATIVE_FLOOR)
        ready = self.count >= self.detector.min_samples
        return score_band(values, expected, self.detector.sensitivity * spread, ready)

    def update(self, times: FloatArray, values: FloatArray) -> SeasonalModel:
        times, values = as_block(times, values)
        model = self
        for time, row in zip(times, values, strict=True):
            model = model._with_row(float(time), row)
        return model

    def _with_row(self, time: float, row: FloatArray) -> SeasonalModel:
        recent = (*self.recent, (time, row))
        if len(recent) < REFRESH_SHARE * len(self.samples):
            rest = (self.level, self.offset, self.spread, self.count, self.missing_hours)
            return SeasonalModel(self.detector, self.times, self.samples, recent, *rest)
        times = np.concatenate([self.times, [moment for moment, _ in recent]])
        return _learned(self.detector, times, np.concatenate([self.samples, np.stack([row for _, row in recent])]))


def _hour_of_week(times: FloatArray, zone: str) -> NDArray[np.intp]:
    seconds = local_seconds(times, zone)
    return (np.mod(seconds, HOURS_A_WEEK * 3600.0) / 3600.0).astype(np.intp) % HOURS_A_WEEK


def _learned(detector: Seasonal, times: FloatArray, values: FloatArray) -> SeasonalModel:
    hour = _hour_of_week(times, detector.time_zone)
    level = median_of(values)
    deviation = values - level
    _, overall = median_and_mad(values)
    typical = NORMAL_CONSISTENCY * np.where(np.isnan(overall), 0.0, overall)
    nothing = np.zeros((HOURS_A_DAY, values.shape[1]))
    daily, daily_count = _shrunk(deviation, hour % HOURS_A_DAY, HOURS_A_DAY, nothing, typical)
    offset = np.tile(daily, (HOURS_A_WEEK // HOURS_A_DAY, 1))
    two_weeks = len(times) > 0 and times[-1] - times[0] >= 14 * 86400 - 3600
    if two_weeks:
        offset, _ = _shrunk(deviation, hour, HOURS_A_WEEK, offset, typical)
    _, mad = median_and_mad(deviation - offset[hour]) if len(values) else (level, np.full(values.shape[1], np.nan))
    spread = np.tile(_spreads(deviation - offset[hour], hour % HOURS_A_DAY, mad), (HOURS_A_WEEK // HOURS_A_DAY, 1))
    return SeasonalModel(
        detector,
        times,
        values,
        (),
        np.where(np.isnan(level), 0.0, level),
        np.where(np.isnan(offset), 0.0, offset),
        NORMAL_CONSISTENCY * spread,
        (~np.isnan(values)).sum(axis=0),
        (daily_count == 0).sum(axis=0),
    )


def _shrunk(
    deviation: FloatArray, slot: NDArray[np.intp], slots: int, coarse: FloatArray, typical: FloatArray
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Median of each slot drawn towards ``coarse [slots, series]``, and the samples of each slot.

    ``typical [series]`` is the spread that a slot with fewer than three samples is believed to have.
    """
    offset = coarse.copy()
    count = np.zeros(coarse.shape, np.intp)
    for each in range(slots):
        rows = deviation[slot == each]
        count[each] = (~np.isnan(rows)).sum(axis=0)
        own, mad = median_and_mad(rows)
        spread = np.where(count[each] >= TRUSTED, NORMAL_CONSISTENCY * mad, typical)
        noise = np.square(spread) / np.maximum(count[each], 1)
        distance = np.where(count[each] > 0, own - coarse[each], 0.0)
        weight = np.square(distance) / np.maximum(np.square(distance) + noise, 1e-300)
        offset[each] += weight * distance
    return offset, count


def _spreads(residual: FloatArray, slot: NDArray[np.intp], overall: FloatArray) -> FloatArray:
    spread = np.tile(overall, (HOURS_A_DAY, 1))
    for each in range(HOURS_A_DAY):
        rows = residual[slot == each]
        enough = (~np.isnan(rows)).sum(axis=0) >= OWN_SPREAD
        _, own = median_and_mad(rows)
        spread[each] = np.where(enough, np.fmax(own, 0.5 * overall), overall)
    return spread
