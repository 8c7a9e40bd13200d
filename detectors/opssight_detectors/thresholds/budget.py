"""The threshold that keeps to an alert budget: so many episodes a week, and no more.

People are woken by episodes, not by points, so the threshold is searched on simulated episodes, with
the duration and the keep-firing time of the rule that will use it. How it is searched, and how
several thresholds share one budget, is in ``budget_search``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base import FloatArray
from .base import Bound, Columns, Estimate, as_block, coverage_of, unknown
from .budget_search import InwardSearch, allowances
from .simulation import AlertRule, evaluations


@dataclass(frozen=True, slots=True)
class AlertBudget:
    """The innermost threshold with at most ``episodes_per_week`` simulated episodes, over all series.

    ``for_seconds``, ``keep_firing_for_seconds`` and ``interval`` (None: the step of the history) are those of
    the rule. ``most_time_firing`` (a share from 0 to 1) refuses thresholds that would keep the budget by never
    resolving. The interval holds the thresholds whose simulated volume is what a true volume of the budget
    may show by chance (Poisson, 95 %).
    """

    episodes_per_week: float = 1.0
    for_seconds: float = 300.0
    keep_firing_for_seconds: float = 0.0
    interval: float | None = None
    most_time_firing: float = 0.1

    def __post_init__(self) -> None:
        if not (self.episodes_per_week > 0 and math.isfinite(self.episodes_per_week)):
            raise ValueError(f"episodes_per_week must be more than 0, not {self.episodes_per_week:g}")
        if not 0 < self.most_time_firing <= 1:
            raise ValueError(f"most_time_firing must be above 0 and at most 1, not {self.most_time_firing:g}")
        self._rule(0.0)  # refuses impossible durations

    def estimate(self, times: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The threshold of ``values [time, series]``; the budget is for all series together."""
        values = as_block(times, values)
        return self.estimate_groups(times, values, bound, (np.arange(values.shape[1]),))[0]

    def estimate_groups(
        self, times: FloatArray, values: FloatArray, bound: Bound, groups: Sequence[Columns]
    ) -> tuple[Estimate, ...]:
        """One threshold for each group of columns; the budget is for all groups together (see ``allowances``)."""
        values = as_block(times, values)
        searches = [self._search(times, values[:, columns], bound) for columns in groups]
        alive = [search for search in searches if isinstance(search, InwardSearch)]
        if not alive:
            return tuple(search for search in searches if not isinstance(search, InwardSearch))
        granted = iter(allowances(alive, self.episodes_per_week))
        made: list[Estimate] = []
        for search, columns in zip(searches, groups, strict=True):
            if isinstance(search, InwardSearch):
                allowed, weeks = next(granted), search.seen.weeks
                total = math.floor(self.episodes_per_week * weeks + 1e-9)
                whole = f"the {total} episodes that the whole budget allows in {weeks:.2g} weeks"
                notes = () if len(alive) == 1 else (f"its share is {allowed} of {whole}",)
                mean = max(float(allowed), self.episodes_per_week * weeks / len(alive))
                made.append(self._estimate(search, allowed, mean, weeks, values[:, columns], bound, notes))
            else:
                made.append(search)
        return tuple(made)

    def _search(self, times: FloatArray, values: FloatArray, bound: Bound) -> InwardSearch | Estimate:
        """The search for one threshold, or why there can be none."""
        if not np.any(~np.isnan(values)):
            return unknown(values, "there is no sample")
        seen = evaluations(np.asarray(times, dtype=np.float64), bound.sign * values, self.interval)
        search = InwardSearch(seen, self._rule(0.0), self.most_time_firing)
        if not len(search.peaks):
            reason = f"no sample lasts for {self.for_seconds:g} s, so that no threshold would ever fire"
            return unknown(values, reason)
        return search

    def _estimate(
        self,
        search: InwardSearch,
        allowed: int,
        mean: float,
        weeks: float,
        values: FloatArray,
        bound: Bound,
        notes: tuple[str, ...],
    ) -> Estimate:
        """The answer of a search with ``allowed`` episodes, of which ``mean`` are expected."""
        low, high = _poisson_bounds(mean)
        best = search.level(allowed)
        inner = min(search.level(high), best)
        outer = search.level(low) if low > 0 else math.nan
        if self.episodes_per_week * weeks < 1.0:
            notes += (
                f"a history of {weeks:.2g} weeks is shorter than the time between two episodes of the budget: "
                "the threshold is the outermost peak, and how far beyond it should be is not known",
            )
        ends = (bound.sign * inner, bound.sign * outer)
        ends = ends if bound is Bound.UPPER else ends[::-1]
        samples = int(np.count_nonzero(~np.isnan(values)))
        return Estimate(bound.sign * best, *ends, samples, coverage_of(values), notes)

    def _rule(self, threshold: float) -> AlertRule:
        return AlertRule(threshold, Bound.UPPER, self.for_seconds, self.keep_firing_for_seconds, interval=self.interval)


def _poisson_bounds(mean: float) -> tuple[int, int]:
    """The 2.5 % and 97.5 % quantiles of a Poisson distribution."""
    if mean > 200.0:
        half = 1.959963984540054 * math.sqrt(mean)
        return math.floor(mean - half), math.ceil(mean + half)
    mass = total = math.exp(-mean)
    count, low = 0, 0 if total >= 0.025 else -1
    while total < 0.975:
        count += 1
        mass *= mean / count
        total += mass
        if low < 0 and total >= 0.025:
            low = count
    return low, count
