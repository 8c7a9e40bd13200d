"""The search for thresholds within a budget of episodes, and how several thresholds share one budget.

The number of episodes does not fall steadily as a threshold rises (two episodes may part where one was),
so the search starts at the outermost peak, goes inwards, and stops before the first threshold that
breaks the budget.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..base import FloatArray
from .simulation import AlertRule, Evaluations, simulate_on
from .summary import share_firing

_ROUNDING = 1e-9  # of shares of a budget
_MOST_CANDIDATES = 128  # thresholds simulated on the way in, evenly by rank of the peaks at first


class InwardSearch:
    """Thresholds of one group of series by the number of episodes that they may have.

    ``seen`` are the evaluations, mirrored for a lower bound, so that outermost is highest. Simulations are
    remembered: asking for one episode more costs a few new ones. Mutable, and private to one estimate.
    """

    def __init__(self, seen: Evaluations, rule: AlertRule, most_time_firing: float) -> None:
        self.seen = seen
        self.peaks = peak_levels(seen, rule.for_seconds)
        self.middle = float(np.nanmedian(seen.values))
        self._rule = rule
        self._most_time_firing = most_time_firing
        self._counted: dict[int, float] = {}

    def level(self, allowed: int) -> float:
        """The lowest of the descending peaks before the first that has more than ``allowed`` episodes."""
        count = len(self.peaks)
        tried = np.unique(np.geomspace(1, count, min(_MOST_CANDIDATES, count)).astype(np.intp)) - 1
        good = 0
        for index in tried.tolist():
            if self._episodes(index) > allowed:
                break
            good = index
        else:
            return float(self.peaks[good])
        bad = index
        while bad - good > 1:
            middle = (good + bad) // 2
            if self._episodes(middle) <= allowed:
                good = middle
            else:
                bad = middle
        return float(self.peaks[good])

    def gain(self, allowed: int) -> float:
        """How far one episode more than ``allowed`` moves the threshold inwards, as a share of its way to the middle
        of all samples."""
        now, then = self.level(allowed), self.level(allowed + 1)
        return (now - then) / (now - self.middle) if now > self.middle else 0.0

    def _episodes(self, index: int) -> float:
        """Episodes at a peak; infinitely many where the alert would fire for too much of the time."""
        if index not in self._counted:
            found = simulate_on(self.seen, replace(self._rule, threshold=float(self.peaks[index])))
            self._counted[index] = math.inf if share_firing(found) > self._most_time_firing else len(found)
        return self._counted[index]


def allowances(searches: Sequence[InwardSearch], episodes_per_week: float) -> tuple[int, ...]:
    """How many episodes each search may have in its own history, so that all together keep the weekly budget.

    All get the same share of the week, in whole episodes of their history. What is left goes one by one to the
    threshold that one episode more moves inwards the furthest, which is where a single old incident keeps a threshold
    far out. An episode of a short history costs more a week than one of a long history.
    """
    share = episodes_per_week / len(searches)
    granted = [math.floor(share * search.seen.weeks + _ROUNDING) for search in searches]
    left = episodes_per_week - sum(count / s.seen.weeks for count, s in zip(granted, searches, strict=True))

    def affordable(search: InwardSearch) -> bool:
        return 1 / search.seen.weeks <= left + _ROUNDING

    offers = [(-s.gain(granted[n]), n) for n, s in enumerate(searches) if affordable(s)]
    heapq.heapify(offers)
    while offers and offers[0][0] < 0:
        _, number = heapq.heappop(offers)
        if affordable(searches[number]):
            granted[number] += 1
            left -= 1 / searches[number].seen.weeks
            heapq.heappush(offers, (-searches[number].gain(granted[number]), number))
    return tuple(granted)


def peak_levels(seen: Evaluations, for_seconds: float) -> FloatArray:
    """The levels below which a further peak fires, descending: local maxima of the lowest value within ``for``."""
    pending = math.ceil(for_seconds / seen.interval - 1e-6)
    values = np.where(np.isnan(seen.values), -np.inf, seen.values)
    if len(values) <= pending:
        return np.zeros(0)
    lasting = values[: len(values) - pending]
    reach = 1  # rows that the minimum spans so far; doubled each time
    spans = values
    while reach <= pending:
        step = min(reach, pending + 1 - reach)
        spans = np.minimum(spans[:-step], spans[step:])
        reach += step
        lasting = spans
    edge = np.full((1, lasting.shape[1]), -np.inf)
    before, after = np.concatenate((edge, lasting[:-1])), np.concatenate((lasting[1:], edge))
    levels = np.unique(lasting[(lasting >= before) & (lasting >= after) & (lasting > -np.inf)])
    return np.asarray(levels[::-1], dtype=np.float64)
