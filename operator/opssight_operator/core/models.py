"""Models that are costly to fit, kept between evaluations.

A model is a function of what it was fitted on, so that nothing is lost when one is forgotten: it is fitted and brought
up to date again from the same anchor, with the same scores. That costs ten evaluations and more, though, so where there
are many they are packed before any is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from opssight_detectors.base import Model

from .packing import Parcel, pack, unpack

SERIES_BYTES = 100_000  # of the adaptive method, as it is
MEMORY_BYTES = 134_217_728


@dataclass(frozen=True, slots=True)
class Learned:
    """The models of one query, a block of series each, which have learned everything before ``until`` (seconds)."""

    key: str  # says what they were fitted on: method, anchor, series, what was left out
    until: float
    models: tuple[Model, ...]
    series: int

    @property
    def size(self) -> int:
        """Bytes, about."""
        return self.series * SERIES_BYTES


@dataclass(frozen=True, slots=True)
class Packed:
    """The same in a half of the memory, and while a model is young in a tenth of it."""

    parcel: Parcel
    series: int

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.parcel.data)


Kept = Learned | Packed


def packed(learned: Mapping[str, Learned]) -> dict[str, Kept]:
    """Every query packed; a fraction of a millisecond of CPU for a young series, 1.6 ms for one of a week."""
    return {name: Packed(pack(one), one.series) for name, one in learned.items()}


def unpacked(kept: Mapping[str, Kept]) -> dict[str, Learned]:
    """What ``packed`` was given."""
    return {name: one if isinstance(one, Learned) else _unpacked(one) for name, one in kept.items()}


def _unpacked(one: Packed) -> Learned:
    found = unpack(one.parcel)
    assert isinstance(found, Learned)
    return found


@dataclass(slots=True)
class ModelMemory:
    """What detectors have learned, by their uid; beyond ``max_bytes`` those used least lately go."""

    max_bytes: int = MEMORY_BYTES
    _kept: OrderedDict[str, Mapping[str, Kept]] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _series: int = 0
    crowded: bool = False
    """Whether what is put should be packed, as there is no room for all of it as it is."""

    def get(self, uid: str) -> Mapping[str, Kept]:
        """By the name of the query; empty when nothing is kept."""
        found = self._kept.get(uid)
        if found is None:
            return {}
        self._kept.move_to_end(uid)
        return found

    def put(self, uid: str, learned: Mapping[str, Kept]) -> None:
        """Replace what is kept of a detector; nothing forgets it."""
        self._count(self._kept.pop(uid, {}), -1)
        if learned:
            self._kept[uid] = learned
            self._count(learned, 1)
        wanted = self._series * SERIES_BYTES  # were nothing packed
        self.crowded = wanted > self.max_bytes or (self.crowded and 2 * wanted > self.max_bytes)
        while len(self._kept) > 1 and self._bytes > self.max_bytes:
            self._count(self._kept.popitem(last=False)[1], -1)

    def _count(self, kept: Mapping[str, Kept], sign: int) -> None:
        self._bytes += sign * sum(one.size for one in kept.values())
        self._series += sign * sum(one.series for one in kept.values())
