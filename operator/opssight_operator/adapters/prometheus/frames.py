"""A frame that grows while its answer is read, and never takes more than a fifth of its size on top.

Cells lie in memory as the finished frame has them, ``[time, series]``, with room for some more series on the right.
When the room is used up the memory is lengthened in place and the rows are moved apart; at the end they are moved
together again. So neither the text of the answer nor a second copy of its numbers is ever held.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from opssight_operator.core.observation import FloatArray, Frame, Labels
from opssight_operator.errors import TooManySeries, TooMuchData

from .grid import Grid

_ROOM = 16
_GROWTH = 1.2
_BLOCK = 16_384  # cells that are moved at once
LABEL_BYTES = 6_000  # of the labels of one series, which stand in a status as they are


def too_many_series(limit: int) -> TooManySeries:
    """A query returned more series than it may."""
    return TooManySeries(
        f"the query returned more than {limit} series, which is the limit of its source (limits.maxSeries); "
        "aggregate it, for example with sum by (...)"
    )


def too_long_labels() -> TooMuchData:
    """The labels of a series are more than a status can show."""
    return TooMuchData(
        f"the query returned a series whose labels are longer than {LABEL_BYTES} bytes; "
        "leave the long ones out, for example with sum without (...)"
    )


def too_much_data(limit: int, rows: int) -> TooMuchData:
    """A query returned more points than may be held."""
    return TooMuchData(
        f"the query returned more than {limit} points ({rows} a series); "
        "use a shorter window, a longer step, or fewer series",
        whole=True,
    )


class FrameBuilder:
    """Collects the series of one or more answers on a ``grid``.

    At most ``max_series`` series and ``max_cells`` cells; beyond them ``TooManySeries`` and ``TooMuchData`` are raised.
    """

    def __init__(self, grid: Grid, max_series: int, max_cells: int) -> None:
        self.grid = grid
        self._max_series = max_series
        self._max_cells = max_cells
        self._columns: dict[tuple[tuple[str, str], ...], int] = {}
        self._cells: FloatArray = np.empty(0)
        self._room = 0

    @property
    def n_series(self) -> int:
        """How many series there are so far."""
        return len(self._columns)

    def column(self, labels: Mapping[str, str]) -> int:
        """The column of a series, a new one if it was not seen before."""
        key = tuple(sorted((sys.intern(name), value) for name, value in labels.items()))
        found = self._columns.get(key)
        if found is not None:
            return found
        column = len(self._columns)
        if sum(len(name.encode()) + len(value.encode()) for name, value in key) > LABEL_BYTES:
            raise too_long_labels()
        if column >= self._max_series:
            raise too_many_series(self._max_series)
        if (column + 1) * self.grid.rows > self._max_cells:
            raise too_much_data(self._max_cells, self.grid.rows)
        if column >= self._room:
            self._grow(max(_ROOM, int(self._room * _GROWTH)))
        self._columns[key] = column
        return column

    def put(self, column: int, rows: NDArray[np.intp], values: FloatArray) -> None:
        """Samples of one series at some rows."""
        self._table()[rows, column] = values

    def put_block(self, columns: Sequence[int], first: int, values: FloatArray) -> None:
        """``values [series, time]`` of several series, without a gap from row ``first`` on."""
        rows = slice(first, first + values.shape[1])
        table = self._table()
        if columns[-1] - columns[0] == len(columns) - 1:  # neighbours, as they nearly always are
            table[rows, columns[0] : columns[-1] + 1] = values.T
        else:
            table[rows, list(columns)] = values.T

    def build(self, warnings: Sequence[str] = ()) -> Frame:
        """The frame, its columns sorted by label set. The builder is empty afterwards."""
        series, rows = len(self._columns), self.grid.rows
        labels = list(self._columns)
        self._tighten(series)
        values = self._cells.reshape(rows, series) if series else np.empty((rows, 0))
        order = sorted(range(series), key=labels.__getitem__)
        if order != list(range(series)):
            for block in _blocks(rows, series):
                values[block] = values[block][:, order]
        sorted_labels: tuple[Labels, ...] = tuple(dict(labels[column]) for column in order)
        self._columns, self._cells, self._room = {}, np.empty(0), 0
        values.flags.writeable = False
        return Frame(self.grid.times, values, sorted_labels, tuple(dict.fromkeys(warnings)))

    def _table(self) -> FloatArray:
        return self._cells.reshape(self.grid.rows, self._room)

    def _grow(self, room: int) -> None:
        rows, old = self.grid.rows, self._room
        room = max(old + 1, min(room, self._max_series))
        self._cells.resize(rows * room, refcheck=False)
        wide = self._cells.reshape(rows, room)
        narrow = self._cells[: rows * old].reshape(rows, old)
        for block in reversed(_blocks(rows, room)):  # from the end, so that no row is overwritten before it is moved
            moved = narrow[block].copy()
            wide[block, :old] = moved
            wide[block, old:] = np.nan
        self._room = room

    def _tighten(self, series: int) -> None:
        rows, room = self.grid.rows, self._room
        if series == room:
            return
        wide = self._cells.reshape(rows, room)
        narrow = self._cells[: rows * series].reshape(rows, series)
        for block in _blocks(rows, room):
            narrow[block] = wide[block, :series].copy()
        del wide, narrow
        self._cells.resize(rows * series, refcheck=False)
        self._room = series


def _blocks(rows: int, width: int) -> list[slice]:
    height = max(1, _BLOCK // max(1, width))
    return [slice(first, min(first + height, rows)) for first in range(0, rows, height)]
