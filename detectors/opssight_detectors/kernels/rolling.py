"""Rolling z-score of every point of many series.

Window sums come from doubling: the sum of 2 p rows is that of p rows plus the same p rows earlier, and
one row more where the bits of the window's length say so. It takes at most ``2 log2(window)`` additions
a point, all along contiguous memory, and no sum is ever the difference of two large ones. Work goes in
tiles of time and series that stay in the cache, so memory does not grow with the number of series.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

SERIES = 128  # in a tile
ROWS = 1024  # at least so many in a tile, four windows where that is more
LINE, PAGE = 8, 512  # float64 in a cache line and in a page
STANDSTILL = 1e-12  # share of the squares that rounding leaves of a window of equal values


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
    height = min(height, rows)
    # fresh arrays of this size cost more in page faults than the arithmetic: make them once
    scratch = _aligned(4, (window + height) * min(SERIES, series))
    for left in range(0, series, SERIES):
        columns = slice(left, left + SERIES)
        width = min(SERIES, series - left)
        for top in range(0, rows, height):
            tile = values[max(top - window, 0) : top + height, columns]
            target = out[top : top + height, columns]
            shape = (4, window + len(target), width)
            _tile_z(tile, window, min_samples, top, target, scratch[:, : shape[1] * width].reshape(shape))
    return out


def _tile_z(
    tile: FloatArray,
    window: int,
    min_samples: int,
    top: int,
    out: FloatArray,
    scratch: FloatArray,
    missing: NDArray[np.bool_] | None = None,
) -> None:
    """``(n x - sum) / sqrt(n * squares - sum ** 2)`` of the last ``len(out)`` rows of ``tile``."""
    height = len(out)
    x, first, second, third = scratch
    lead = len(x) - len(tile)
    x[:lead] = 0.0  # rows before the first add nothing to any sum
    count: FloatArray | int = window
    if missing is not None:
        count = _fill_missing(tile, missing, window, scratch)
    else:
        np.subtract(tile, tile[len(tile) // 2], out=x[lead:])
        if top + 1 < window:
            count = np.minimum(np.arange(top + 1.0, top + height + 1.0), window)[:, None]
    np.multiply(x, x, out=third)
    squares = _sum_windows(third, window, first, second)
    total = _sum_windows(x, window, second if squares is first else first, third)[window:]
    z, power = x[window:], squares[window:]
    power *= count
    z *= count
    z -= total
    np.multiply(total, total, out=total)
    power -= total
    smallest = power.min()
    if np.isnan(smallest) and missing is None:  # the first pass tells for nothing that samples are missing
        _tile_z(tile, window, min_samples, top, out, scratch, np.isnan(tile))
        return
    # what cancellation leaves of a window that stands still counts as nothing; most tiles have none
    if not smallest > STANDSTILL * (power.max() + total.max()):
        power[power <= STANDSTILL * (power + total)] = np.inf
    np.sqrt(power, out=power)
    np.divide(z, power, out=out)
    if missing is not None:
        out[(count < min_samples) | missing[-height:]] = np.nan
    elif top + 1 < min_samples:
        out[: min_samples - 1 - top] = np.nan


def _aligned(arrays: int, size: int) -> FloatArray:
    """Uninitialised ``[array, size]``, each at a cache line of its own, and no two at the same place of a page."""
    stride = -(-size // PAGE) * PAGE + PAGE // arrays
    memory = np.empty(arrays * stride + LINE)
    start = -(memory.ctypes.data // 8) % LINE
    return memory[start : start + arrays * stride].reshape(arrays, stride)[:, :size]


def _fill_missing(tile: FloatArray, missing: NDArray[np.bool_], window: int, scratch: FloatArray) -> FloatArray:
    """Centre the tile into the last rows of ``scratch[0]``, 0 for a missing sample; how many each window has."""
    x, first, second, _ = scratch
    body = x[len(x) - len(tile) :]
    np.logical_not(missing, out=body, casting="unsafe")
    count = _sum_windows(x, window, first, second)[window:].copy()
    known = np.where(missing, 0.0, tile)
    body[:] = np.where(missing, 0.0, tile - known.sum(axis=0) / np.maximum(body.sum(axis=0), 1.0))
    return count


def _sum_windows(x: FloatArray, window: int, first: FloatArray, second: FloatArray) -> FloatArray:
    """Sum of the last ``window`` rows at each row of ``x [time, series]``, from row ``window - 1`` on.

    The result is ``first`` or ``second``, its earlier rows are left over; ``x`` stays as it is.
    """
    sums, span = x, 1
    for bit in f"{window:b}"[1:]:
        wider = second if sums is first else first
        np.add(sums[2 * span - 1 :], sums[span - 1 : len(x) - span], out=wider[2 * span - 1 :])
        sums, span = wider, 2 * span
        if bit == "1":
            sums[span:] += x[: len(x) - span]
            span += 1
    return sums
