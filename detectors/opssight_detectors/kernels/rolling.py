"""Rolling mean, deviation and z-score of every point of many series.

Cumulative sums over blocks of series that fit the cache: memory is a few blocks, never series times
window copies. Values are centred by their column's mean first, so that the sums of squares keep their
digits; a column whose window spans more than 1e6 deviations of itself still loses some.
"""

from __future__ import annotations

import numpy as np

from ..base import FloatArray

BLOCK = 16  # series in a block


def rolling_z(values: FloatArray, window: int, min_samples: int = 2) -> FloatArray:
    """``(x - mean) / population deviation`` over the last ``window`` rows, the point included.

    ``values [time, series]``; NaN where the point or ``min_samples`` of the window are missing, 0 where
    the window is constant. Raises ValueError for a window below 2.
    """
    if window < 2:
        raise ValueError(f"window must be at least 2 rows, not {window!r}")
    out = np.empty_like(values)
    for start in range(0, values.shape[1], BLOCK):
        columns = slice(start, start + BLOCK)
        _block_z(np.ascontiguousarray(values[:, columns]), out[:, columns], window, min_samples)
    return out


def _block_z(x: FloatArray, out: FloatArray, window: int, min_samples: int) -> None:
    missing = np.isnan(x)
    if missing.any():
        count = np.cumsum(~missing, axis=0, dtype=np.float64)
        total = np.maximum(count[-1:], 1.0) if len(x) else 1.0
        x = np.where(missing, 0.0, x - np.where(missing, 0.0, x).sum(axis=0) / total)
        count[window:] = count[window:] - count[:-window]
        samples = np.where(count >= min_samples, count, np.nan)
    else:
        x = x - x.mean(axis=0) if len(x) else x
        rows = np.minimum(np.arange(1.0, len(x) + 1), window)[:, None]
        samples = np.where(rows >= min_samples, rows, np.nan)
    sums = _windowed(x, window)
    np.divide(sums, samples, out=sums)  # the mean
    squares = _windowed(x * x, window)
    np.divide(squares, samples, out=squares)
    largest = squares.copy() if squares.size else squares
    squares -= sums * sums  # the variance
    constant = squares <= 1e-13 * largest  # what cancellation leaves of a window that stands still
    np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
    np.subtract(x, sums, out=sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(sums, squares, out=sums)
    sums[constant] = 0.0
    if missing.any():
        sums[missing] = np.nan
    out[:] = sums


def _windowed(x: FloatArray, window: int) -> FloatArray:
    total = np.cumsum(x, axis=0)
    result = total.copy()
    result[window:] -= total[:-window]
    return result
