"""Slow and obvious twins of the fast functions in ``opssight_detectors.patterns``."""

from __future__ import annotations

import numpy as np


def slow_episodes(times: np.ndarray, values: np.ndarray, step: float, max_gap: float) -> list[tuple[float, ...]]:
    """(series, start, end or -1 while it lasts, began_before), sorted; one loop over the samples of each series."""
    found = []
    for series in range(values.shape[1]):
        start = last = None
        began_before = False
        for row, time in enumerate(times):
            if np.isnan(values[row, series]):
                continue
            if last is not None and time - last > step + max_gap:
                found.append((float(series), start, last + step, float(began_before)))
                start = None
            if start is None:
                start, began_before = time, row == 0
            last = time
        if start is not None:
            found.append((float(series), start, -1.0 if last == times[-1] else last + step, float(began_before)))
    return sorted(found)
