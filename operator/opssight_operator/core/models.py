"""Models that are costly to fit, kept between evaluations.

A model is a function of what it was fitted on, so that nothing is lost when one is forgotten: it is fitted and brought
up to date again from the same anchor, with the same scores.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from opssight_detectors.base import Model


@dataclass(frozen=True, slots=True)
class Learned:
    """The models of one query, a block of series each, which have learned everything before ``until`` (seconds)."""

    key: str  # says what they were fitted on: method, anchor, series, what was left out
    until: float
    models: tuple[Model, ...]
    series: int


@dataclass(slots=True)
class ModelMemory:
    """What detectors have learned, by their uid; those used least lately go when there are too many series."""

    max_series: int = 1000  # of the adaptive method a series takes about 100 kB
    _kept: OrderedDict[str, Mapping[str, Learned]] = field(default_factory=OrderedDict)

    def get(self, uid: str) -> Mapping[str, Learned]:
        """By the name of the query; empty when nothing is kept."""
        found = self._kept.get(uid)
        if found is None:
            return {}
        self._kept.move_to_end(uid)
        return found

    def put(self, uid: str, learned: Mapping[str, Learned]) -> None:
        """Replace what is kept of a detector."""
        self._kept.pop(uid, None)
        if learned:
            self._kept[uid] = learned
        while len(self._kept) > 1 and self._series() > self.max_series:
            self._kept.popitem(last=False)

    def _series(self) -> int:
        return sum(one.series for learned in self._kept.values() for one in learned.values())
