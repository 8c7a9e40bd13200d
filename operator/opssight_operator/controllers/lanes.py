"""Who may start: of all that wait, the next one whose lanes all have room.

An entry runs in several lanes at once, for example those of its namespace and of its MetricsSource. Waiting entries
take no room, so that a source that hangs fills its own lane and nobody else's.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Mapping

Lane = tuple[str, str]
"""A kind of lane and its name, such as ``("namespace", "shop")``."""


class Lanes:
    """At most ``overall`` entries run at once, and in each lane as many as ``limits`` says for its kind.

    Entries of the same lanes are served in the order of their arrival, different lanes in turn, so that a namespace
    with a thousand resources does not keep one with a single resource waiting.
    """

    def __init__(self, overall: int, limits: Mapping[str, int]) -> None:
        self._overall = overall
        self._limits = dict(limits)
        self._waiting: OrderedDict[tuple[Lane, ...], dict[Hashable, None]] = OrderedDict()
        self._lanes_of: dict[Hashable, tuple[Lane, ...]] = {}
        self._running: Counter[Lane] = Counter()
        self._count = 0

    def add(self, key: Hashable, lanes: tuple[Lane, ...]) -> None:
        """Let ``key`` wait; one that waits already keeps its place, or goes to the end of other lanes."""
        if self._lanes_of.get(key, lanes) != lanes:
            self.discard(key)
        self._lanes_of[key] = lanes
        self._waiting.setdefault(lanes, {})[key] = None

    def discard(self, key: Hashable) -> None:
        """Let ``key`` wait no more."""
        lanes = self._lanes_of.pop(key, None)
        if lanes is None:
            return
        group = self._waiting[lanes]
        del group[key]
        if not group:
            del self._waiting[lanes]

    def take(self) -> tuple[Hashable, tuple[Lane, ...]] | None:
        """The next one to start, and the lanes to ``free`` when it has ended; None when nobody may start."""
        if self._count >= self._overall:
            return None
        lanes = next((lanes for lanes in self._waiting if all(map(self._has_room, lanes))), None)
        if lanes is None:
            return None
        key = next(iter(self._waiting[lanes]))
        self._waiting.move_to_end(lanes)
        self.discard(key)
        self._count += 1
        self._running.update(lanes)
        return key, lanes

    def free(self, lanes: tuple[Lane, ...]) -> None:
        """One that ran in ``lanes`` has ended."""
        self._count -= 1
        self._running.subtract(lanes)
        for lane in lanes:
            if not self._running[lane]:
                del self._running[lane]

    @property
    def running(self) -> int:
        """How many run."""
        return self._count

    def __len__(self) -> int:
        """How many wait."""
        return len(self._lanes_of)

    def __contains__(self, key: object) -> bool:
        """Whether ``key`` waits."""
        return key in self._lanes_of

    def _has_room(self, lane: Lane) -> bool:
        return self._running[lane] < self._limits[lane[0]]
