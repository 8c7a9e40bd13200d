"""Clusters of window shapes, and how far each window is from the nearest.

k-means (S. Lloyd, 1982) with k-means++ seeds (D. Arthur & S. Vassilvitskii, 2007) on the windows of one
series; deterministic by seed.
"""

from __future__ import annotations

import numpy as np

from ..base import FloatArray

_ROUNDS = 30


def windows_of(series: FloatArray, width: int) -> FloatArray:
    """All windows ``[window, width]`` of ``series [time]``, as a view."""
    return np.lib.stride_tricks.sliding_window_view(series, width)


def cluster(windows: FloatArray, clusters: int, seed: int, starts: int = 3) -> FloatArray:
    """Centres ``[cluster, width]`` of the best of several starts."""
    rng = np.random.default_rng(seed)
    best, best_cost = windows[:1], np.inf
    for _ in range(starts):
        centres = _seeds(windows, min(clusters, len(windows)), rng)
        for _ in range(_ROUNDS):
            nearest = squared_distances(windows, centres).argmin(axis=1)
            sizes = np.bincount(nearest, minlength=len(centres))
            member = (np.arange(len(centres))[:, None] == nearest).astype(np.float64)
            moved = np.where(sizes[:, None] > 0, member @ windows / np.maximum(sizes, 1)[:, None], centres)
            if np.array_equal(moved, centres):
                break
            centres = moved
        cost = float(squared_distances(windows, centres).min(axis=1).sum())
        if cost < best_cost:
            best, best_cost = centres, cost
    return best


def squared_distances(windows: FloatArray, centres: FloatArray) -> FloatArray:
    """``[window, centre]``."""
    norms = np.einsum("ij,ij->i", windows, windows)
    return np.asarray(np.maximum(norms[:, None] + (centres**2).sum(axis=1) - 2.0 * windows @ centres.T, 0.0))


def _seeds(windows: FloatArray, clusters: int, rng: np.random.Generator) -> FloatArray:
    chosen = [windows[rng.integers(len(windows))]]
    nearest = squared_distances(windows, np.array(chosen))[:, 0]
    while len(chosen) < clusters:
        total = nearest.sum()
        index = rng.choice(len(windows), p=nearest / total) if total > 0 else rng.integers(len(windows))
        chosen.append(windows[index])
        nearest = np.minimum(nearest, squared_distances(windows, windows[index][None])[:, 0])
    return np.array(chosen)
