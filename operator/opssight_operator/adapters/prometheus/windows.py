"""What has been fetched of one expression, lengthened at its end from tick to tick.

A window is a value: lengthening gives another one. Both may share their memory, since rows that somebody has seen are
never written again; new rows go behind them, and where an older row did change, all is copied first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from opssight_operator.core.observation import FloatArray, Frame, Labels

from .grid import Grid

Fetch = Callable[[Grid], Frame]
Key = tuple[tuple[str, str], ...]

_ABSENT = np.float64(np.nan).view(np.int64)  # a sample that is NaN has other bits, see decimals.NORMAL_NAN
_SPARE = 8  # room for one row more in so many
_ABOUT_QUERY = "PromQL "  # begins what the engine says of an expression
_LABELS_BYTES = 512  # of the labels of one series, roughly


@dataclass(frozen=True, slots=True)
class Window:
    """Rows ``first`` to ``first + grid.rows`` of ``memory [time, series]`` are what stands at ``grid``.

    ``labels`` are sorted. Moments up to ``settled`` are not asked for again. ``longest`` is how many rows the longest
    request needed, which is what is kept.
    """

    grid: Grid
    memory: FloatArray
    first: int
    labels: tuple[Labels, ...]
    warnings: tuple[str, ...]
    settled: int
    longest: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.memory.nbytes + _LABELS_BYTES * len(self.labels)

    @property
    def values(self) -> FloatArray:
        """What stands at ``grid``, ``[time, series]``."""
        return self.memory[self.first : self.first + self.grid.rows]

    def covers(self, grid: Grid) -> bool:
        """Whether all moments of ``grid``, which is on the same lattice, are known."""
        return self.grid.start <= grid.start and grid.end <= self.grid.end

    def touches(self, grid: Grid) -> bool:
        """Whether nothing would be missing between this and ``grid``."""
        return self.grid.start - self.grid.step <= grid.end and grid.start <= self.grid.end + self.grid.step

    def cut(self, grid: Grid) -> Frame:
        """What stands at ``grid``: the series that have a sample there, as a fetch would have found them."""
        begin = self.grid.row_of(grid.start)
        values = self.values[begin : begin + grid.rows]
        present, labels = _present(values), self.labels
        if not present.all():
            values = values[:, present]
            labels = tuple(label for label, here in zip(labels, present, strict=True) if here)
        values.flags.writeable = False
        return Frame(grid.times, values, labels, self.warnings)


def is_whole(warnings: Sequence[str]) -> bool:
    """Whether data may be kept that came with these warnings: they speak of the expression, not of missing data."""
    return all(warning.startswith(_ABOUT_QUERY) for warning in warnings)


def lengthened(window: Window | None, grid: Grid, fetch: Fetch, overlap: int) -> Window:
    """A window that covers ``grid``; only what ``window`` does not know is fetched.

    The last ``overlap`` milliseconds before the end of what was known are fetched again, for samples that came late.
    """
    if window is None or not window.touches(grid):
        frame = fetch(grid)
        return Window(grid, frame.values, 0, frame.labels, frame.warnings, grid.end - overlap, grid.rows)
    old, step, settled = window.grid, grid.step, window.settled
    parts: list[tuple[Grid, Frame]] = []
    if grid.start < old.start:
        before = Grid(grid.start, step, (old.start - grid.start) // step)
        parts.append((before, fetch(before)))
    if grid.end > old.end:
        # from the first moment on that is not settled, or all anew where the window is shorter than that
        behind = old.start + step * max(0, (settled - old.start) // step + 1)
        again = Grid(behind, step, (grid.end - behind) // step + 1)
        parts.append((again, fetch(again)))
        settled = grid.end - overlap
    end = max(old.end, grid.end)
    longest = max(window.longest, (end - grid.start) // step + 1)
    start = max(min(old.start, grid.start), end - (longest - 1) * step)
    new = Window(
        grid=Grid(start, step, (end - start) // step + 1),
        memory=window.memory,
        first=window.first + old.row_of(start),
        labels=window.labels,
        warnings=tuple(dict.fromkeys(warning for _, frame in parts for warning in frame.warnings)),
        settled=settled,
        longest=longest,
    )
    if len(parts) == 1 and _appended(window, new, *parts[0]):
        return new
    return _copied(new, [(old, window.cut(old)), *parts])


def _appended(window: Window, new: Window, part: Grid, frame: Frame) -> bool:
    """Write what was fetched behind ``window``, in its own memory, if that is all that there is to do.

    It is not when an older row or a series is new, when the memory is full, and when the result will not be kept: then
    the same rows would be written again, although somebody has seen them.
    """
    columns = {_key(labels): column for column, labels in enumerate(window.labels)}
    seen = window.grid.row_of(part.start)
    fits = 0 <= seen <= window.grid.rows and new.first + new.grid.rows <= len(window.memory)
    if not fits or not is_whole(frame.warnings) or any(_key(labels) not in columns for labels in frame.labels):
        return False
    arrived = np.full((part.rows, len(columns)), np.nan)
    arrived[:, [columns[_key(labels)] for labels in frame.labels]] = frame.values
    known = window.values[seen:]
    if not np.array_equal(_bits(known), _bits(arrived[: len(known)])):
        return False
    behind = window.first + window.grid.rows
    window.memory[behind : behind + part.rows - len(known)] = arrived[len(known) :]
    return True


def _copied(new: Window, parts: Sequence[tuple[Grid, Frame]]) -> Window:
    """``new`` in memory of its own, with room behind it; later parts win."""
    grid = new.grid
    labels = {_key(labels): labels for _, frame in parts for labels in frame.labels}
    columns = {key: column for column, key in enumerate(sorted(labels))}
    memory = np.full((grid.rows + grid.rows // _SPARE + 1, len(columns)), np.nan)
    for part, frame in parts:
        shift = grid.row_of(part.start)
        target = memory[max(0, shift) : max(0, min(grid.rows, shift + part.rows))]
        target[:] = np.nan
        source = frame.values[max(0, -shift) :][: len(target)]
        target[:, [columns[_key(series)] for series in frame.labels]] = source
    return replace(new, memory=memory, first=0, labels=tuple(labels[key] for key in columns))


def _present(values: FloatArray) -> NDArray[np.bool_]:
    """Which series have a sample, looked for from the end, where nearly all have one."""
    present = np.zeros(values.shape[1], dtype=np.bool_)
    missing = np.arange(values.shape[1])
    end, height = len(values), 1
    while end > 0 and len(missing):
        here = (_bits(values[max(0, end - height) : end, missing]) != _ABSENT).any(axis=0)
        present[missing[here]] = True
        missing = missing[~here]
        end, height = end - height, 8 * height
    return present


def _key(labels: Labels) -> Key:
    return tuple(sorted(labels.items()))


def _bits(values: FloatArray) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)
