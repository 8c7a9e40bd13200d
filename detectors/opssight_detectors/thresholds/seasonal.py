"""A threshold for each hour of the week.

Each hour borrows from what is like it while it has little of its own: the hour itself over all weeks and
its neighbours, then the same hour on other days of the same kind (working days, weekend), then everything.
The pooling stops at the first level with enough samples, so a short history gives a coarser table and never
a table of noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .base import Bound, Estimate, Estimator, as_block, coverage_of, unknown
from .calendar import HOURS_OF_WEEK, hours_of_week
from .summary import zone_of

DAY_KINDS = {"week": range(5), "weekend": range(5, 7)}


@dataclass(frozen=True, slots=True)
class SeasonalTable:
    """Thresholds by hour of the week, ``hours[0]`` being Monday 00:00 local time.

    ``pooled`` says for each hour what its threshold rests on: ``hour``, ``neighbours``, ``day kind`` or ``all``.
    """

    hours: tuple[Estimate, ...]
    pooled: tuple[str, ...]
    time_zone: str

    def at(self, times: FloatArray) -> FloatArray:
        """The thresholds that hold at UTC ``times [time]``."""
        table = np.array([estimate.value for estimate in self.hours])
        return np.asarray(table[hours_of_week(np.asarray(times, dtype=np.float64), zone_of(self.time_zone))])

    def in_utc(self, now: float) -> FloatArray:
        """The thresholds of the 168 UTC hours of the week that begins at ``now``, Monday 00:00 UTC first.

        PromQL's ``hour()`` and ``day_of_week()`` know UTC alone, so a rule needs this table, anew after each
        change of daylight saving. An hour that a zone cuts in two takes the threshold of its beginning.
        """
        starts = 3600.0 * (np.floor(now / 3600.0) + np.arange(HOURS_OF_WEEK))
        table = np.empty(HOURS_OF_WEEK)
        table[hours_of_week(starts, zone_of("UTC"))] = self.at(starts)
        return table


@dataclass(frozen=True, slots=True)
class Seasonal:
    """``estimator`` applied to each hour of the week in ``time_zone``, with at least ``min_samples`` from
    ``min_weeks`` different weeks behind each threshold."""

    estimator: Estimator
    time_zone: str = "UTC"
    min_samples: int = 100
    min_weeks: int = 2

    def __post_init__(self) -> None:
        zone_of(self.time_zone)
        if self.min_samples < 1:
            raise ValueError(f"min_samples must be 1 or more, not {self.min_samples}")
        if self.min_weeks < 1:
            raise ValueError(f"min_weeks must be 1 or more, not {self.min_weeks}")

    def table(self, times: FloatArray, values: FloatArray, bound: Bound) -> SeasonalTable:
        """The thresholds of ``values [time, series]``, pooled over series."""
        times = np.asarray(times, dtype=np.float64)
        values = as_block(times, values)
        hour_of_row = hours_of_week(times, zone_of(self.time_zone))
        samples = np.count_nonzero(~np.isnan(values), axis=1)
        per_hour = np.zeros(HOURS_OF_WEEK, dtype=np.int64)
        np.add.at(per_hour, hour_of_row, samples)
        visits = np.zeros(HOURS_OF_WEEK, dtype=np.int64)  # different weeks in which the hour has samples
        week_of_row = (times // (7 * 86400)).astype(np.int64)
        seen = np.unique(np.column_stack((hour_of_row[samples > 0], week_of_row[samples > 0])), axis=0)
        np.add.at(visits, seen[:, 0], 1)
        known: dict[tuple[int, ...], Estimate] = {}
        hours: list[Estimate] = []
        pooled: list[str] = []
        for hour in range(HOURS_OF_WEEK):
            name, chosen = self._pool_of(hour, per_hour, visits)
            key = tuple(sorted(chosen.tolist()))
            if key not in known:
                known[key] = self._of_rows(times, values, np.isin(hour_of_row, chosen), bound)
            hours.append(known[key])
            pooled.append(name)
        return SeasonalTable(tuple(hours), tuple(pooled), self.time_zone)

    def _of_rows(self, times: FloatArray, values: FloatArray, rows: NDArray[np.bool_], bound: Bound) -> Estimate:
        """The estimate of some rows; the others are "no sample", so that time goes on between them."""
        if not rows.any():
            return unknown(values[:0], "there is no sample")
        estimate = self.estimator.estimate(times, np.where(rows[:, None], values, np.nan), bound)
        return replace(estimate, coverage=coverage_of(values[rows]))

    def _pool_of(
        self, hour: int, per_hour: NDArray[np.int64], visits: NDArray[np.int64]
    ) -> tuple[str, NDArray[np.int64]]:
        """The first pool that holds enough samples from enough different times."""
        pools = _pools(hour)
        for name, chosen in pools[:-1]:
            enough_visits = visits[chosen].sum() >= self.min_weeks * (1 if name == "hour" else 2)
            if per_hour[chosen].sum() >= self.min_samples and enough_visits:
                return name, chosen
        return pools[-1]


def _pools(hour: int) -> tuple[tuple[str, NDArray[np.int64]], ...]:
    """Pools of one hour, from the narrowest to the widest."""
    day, clock = divmod(hour, 24)
    kind = next(days for days in DAY_KINDS.values() if day in days)
    neighbours = np.array([(hour + step) % HOURS_OF_WEEK for step in (-1, 0, 1)])
    same_kind = np.array([other * 24 + clock for other in kind])
    return (
        ("hour", np.array([hour])),
        ("neighbours", neighbours),
        ("day kind", same_kind),
        ("all", np.arange(HOURS_OF_WEEK)),
    )
