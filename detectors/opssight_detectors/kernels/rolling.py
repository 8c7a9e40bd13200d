"""Rolling z-score of every point of many series.

Window sums come from doubling: the sum of 2 p rows is that of p rows plus the same p rows earlier, and
the bits of the window's length say which to add. It takes about ``1.5 log2(window)`` additions a point,
all along contiguous memory, and no sum is ever the difference of two large ones. Work goes in tiles of
time and series that stay in the cache, so memory does not grow with the number of series.
"""

from __future__ import annotations

import numpy as np

from ..base import FloatArray

SERIES = 32  # in a tile
ROWS = 2048  # at least so many in a tile, four windows where that is more


def rolling_z(values: FloatArray, window: int, min_samples: int = 2) -> FloatArray:
    """``(x - mean) / population deviation`` over the last ``window`` rows, the point included.

    ``values [time, series]``; NaN where the point or ``min_samples`` of the window are missing, 0 where
    the window is constant. Raises ValueError for a window below 2.
    """
    if window < 2:
        raise ValueError(f"window must be at least 2 rows, not {window!r}")
    rows, series = values.shape
    out = np.empty((rows, series))
    height = max(ROWS, 4 * window)
    # fresh arrays of this size cost more in page faults than the arithmetic: make them once
    scratch = np.empty((5, window + min(height, rows), min(SERIES, series)))
    for left in range(0, series, SERIES):
        columns = slice(left, left + SERIES)
        width = min(SERIES, series - left)
        for top in range(0, rows, height):
            tile = values[max(top - window, 0) : top + height, columns]
            target = out[top : top + height, columns]
            _tile_z(tile, window, min_samples, top, target, scratch[:, : window + len(target), :width])
    return out


def _tile_z(tile: FloatArray, window: int, min_samples: int, top: int, out: FloatArray, scratch: FloatArray) -> None:
    """``(n x - sum) / sqrt(n * squares - sum ** 2)`` of the last ``len(out)`` rows of ``tile``."""
    height = len(out)
    x, sums, squares, *spare = scratch
    missing = np.isnan(tile)
    some_missing = bool(missing.any())
    lead = len(x) - len(tile)
    x[:lead] = 0.0  # rows before the first add nothing to any sum
    body = x[lead:]
    count: FloatArray | int
    if some_missing:
        there = np.zeros_like(x)
        np.logical_not(missing, out=there[lead:], casting="unsafe")
        count = window_sums(there, window)[window:]
        known = np.where(missing, 0.0, tile)
        centre = known.sum(axis=0) / np.maximum(len(tile) - missing.sum(axis=0), 1)
        body[:] = np.where(missing, 0.0, tile - centre)
    else:
        np.subtract(tile, tile[len(tile) // 2], out=body)
        count = window if top + 1 >= window else np.minimum(np.arange(top + 1.0, top + height + 1.0), window)[:, None]
    squared = np.multiply(x, x, out=sums)
    _sum_windows(squared, window, squares, spare)
    _sum_windows(x, window, sums, spare)
    z, total, power, work = x[window:], sums[window:], squares[window:], spare[0][window:]
    power *= count
    np.multiply(power, 1e-12, out=work)  # what cancellation leaves of a window that stands still
    z *= count
    z -= total
    np.multiply(total, total, out=total)
    power -= total
    constant = power <= work
    if constant.any():
        power[constant] = np.inf
    np.sqrt(power, out=power)
    np.divide(z, power, out=out)
    unknown = (count < min_samples) | missing[-height:] if some_missing else count < min_samples
    if np.any(unknown):
        out[np.broadcast_to(unknown, out.shape)] = np.nan


def window_sums(x: FloatArray, window: int) -> FloatArray:
    """Sum of the last ``window`` rows at each row of ``x [time, series]``; rows before the first count 0."""
    total = np.empty_like(x)
    _sum_windows(x, window, total, [np.empty_like(x), np.empty_like(x)])
    return total


def _sum_windows(x: FloatArray, window: int, total: FloatArray, spare: list[FloatArray]) -> None:
    """``window_sums`` into ``total``, which is not ``x``."""
    doubled, span, taken = x, 1, 0
    rows = len(x)
    while True:
        if window & span and taken == 0:
            total[:] = doubled
            taken = span
        elif window & span:
            total[taken:] += doubled[: rows - taken]
            taken += span
        if taken == window:
            return
        wider = spare[1] if doubled is spare[0] else spare[0]
        wider[:span] = doubled[:span]
        np.add(doubled[span:], doubled[: rows - span], out=wider[span:])
        doubled, span = wider, 2 * span
