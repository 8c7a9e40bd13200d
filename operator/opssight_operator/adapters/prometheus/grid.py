"""The moments that a range query is evaluated at, in whole milliseconds, which is what Prometheus counts in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from opssight_operator.core.observation import FloatArray
from opssight_operator.errors import InvalidSpec


@dataclass(frozen=True, slots=True)
class Grid:
    """``rows`` moments, ``step`` apart, from ``start`` on; milliseconds since the epoch."""

    start: int
    step: int
    rows: int

    @classmethod
    def of(cls, start: float, end: float, step: float) -> Grid:
        """The moments ``start, start + step, ...`` up to and including ``end``, given in seconds."""
        first, last, width = (round(seconds * 1000) for seconds in (start, end, step))
        if width <= 0:
            raise InvalidSpec(f"step is {step:g} s; it must be at least 0.001 s")
        if last < first:
            raise InvalidSpec(f"the window ends at {end:.3f}, before it begins at {start:.3f}")
        return cls(first, width, (last - first) // width + 1)

    @property
    def end(self) -> int:
        """The last moment."""
        return self.start + (self.rows - 1) * self.step

    @property
    def times(self) -> FloatArray:
        """All moments, ``[rows]``, seconds."""
        return (self.start + self.step * np.arange(self.rows, dtype=np.int64)) / 1000.0

    def part(self, first: int, rows: int) -> Grid:
        """``rows`` moments from number ``first`` on."""
        return Grid(self.start + first * self.step, self.step, rows)

    def row_of(self, moment: int) -> int:
        """The number of a moment that is on the same lattice; it may lie outside."""
        return (moment - self.start) // self.step

    def halves(self) -> Iterator[Grid]:
        """Two parts of about equal length; this one alone when it has a single moment."""
        first = (self.rows + 1) // 2
        yield self.part(0, first)
        if first < self.rows:
            yield self.part(first, self.rows - first)
