"""Isolation forests for many series at once, built and scored as flat arrays.

F. T. Liu, K. M. Ting & Z.-H. Zhou, "Isolation Forest" (2008). Every tree is a complete binary tree of
fixed depth; the chosen features and the random fractions of the splits are the same for all series,
the split values are each series' own, so one pass over ``[tree, series]`` walks all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

EULER = 0.5772156649015329


def expected_path(count: FloatArray) -> FloatArray:
    """c(n): mean path length of an unsuccessful search in a binary tree of ``count`` points."""
    n = np.maximum(count, 2.0)
    path = 2.0 * (np.log(n - 1.0) + EULER) - 2.0 * (n - 1.0) / n
    return np.where(count > 2, path, np.where(count == 2, 1.0, 0.0))


@dataclass(frozen=True, slots=True)
class Forest:
    """``features [tree, node]``, ``splits [tree, node, series]``, ``paths [tree, leaf, series]``."""

    features: NDArray[np.intp]
    splits: NDArray[np.float32]
    paths: NDArray[np.float32]
    normal_path: float

    @property
    def depth(self) -> int:
        """Levels of splits in every tree."""
        return int(np.log2(self.paths.shape[1]))


def build_forest(samples: FloatArray, trees: int, subsample: int, seed: int) -> Forest:
    """Forests on ``samples [row, series, feature]`` (no NaN), the same random draws for every series."""
    rows, series, features = samples.shape
    depth = int(np.ceil(np.log2(subsample)))
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, features, size=(trees, 2**depth - 1))
    fractions = rng.random((trees, 2**depth - 1))
    splits = np.full((trees, 2**depth - 1, series), np.inf, np.float32)
    paths = np.zeros((trees, 2**depth, series), np.float32)
    for tree in range(trees):
        picked = rng.choice(rows, size=subsample, replace=rows < subsample)
        _build_tree(samples[picked], chosen[tree], fractions[tree], splits[tree], paths[tree])
    return Forest(chosen, splits, paths, float(expected_path(np.array(float(subsample)))))


def _build_tree(
    points: FloatArray,
    chosen: NDArray[np.intp],
    fractions: FloatArray,
    splits: NDArray[np.float32],
    paths: NDArray[np.float32],
) -> None:
    count, series, _ = points.shape
    each = np.arange(series)
    node = np.zeros((count, series), np.intp)  # within the level
    length = np.full((1, series), np.nan)  # path length of nodes that are leaves already
    for level in range(int(np.log2(paths.shape[0])) + 1):
        width = 2**level
        size = np.zeros((width, series))
        np.add.at(size, (node, each), 1.0)
        bottom = width == paths.shape[0]
        if bottom:
            paths[:] = np.where(np.isnan(length), level + expected_path(size), length)
            return
        first = width - 1
        x = np.take_along_axis(points, chosen[first + node][:, :, None], axis=2)[:, :, 0]
        low, high = np.full((width, series), np.inf), np.full((width, series), -np.inf)
        np.minimum.at(low, (node, each), x)
        np.maximum.at(high, (node, each), x)
        leaf = np.isnan(length) & ((size <= 1) | ~(high > low))
        length = np.where(leaf, level + expected_path(size), length)
        with np.errstate(invalid="ignore"):
            split = low + fractions[first : first + width, None] * (high - low)
        open_node = np.isnan(length)
        splits[first : first + width] = np.where(open_node, split, np.inf)
        node = 2 * node + (x >= splits[first + node, each])
        length = np.repeat(length, 2, axis=0)


def score_forest(forest: Forest, points: FloatArray) -> FloatArray:
    """Isolation score in (0, 1) of ``points [row, series, feature]``; higher is stranger; NaN gives NaN.

    One walk over all trees and series a row: ``2 ** (-mean path / c(subsample))``.
    """
    trees, nodes, series = forest.splits.shape
    out = np.empty(points.shape[:2])
    splits, paths = forest.splits.reshape(-1), forest.paths.reshape(-1)
    tree = np.arange(trees)[:, None]
    each = np.arange(series)
    for row, features in enumerate(points):
        flat = features.T.astype(np.float32).reshape(-1)  # feature * series
        node = np.zeros((trees, series), np.intp)
        for _ in range(forest.depth):
            feature = forest.features[tree, node]
            goes_right = flat[feature * series + each] >= splits[(tree * nodes + node) * series + each]
            node = 2 * node + 1 + goes_right
        leaf = node - nodes
        out[row] = paths[(tree * (nodes + 1) + leaf) * series + each].mean(axis=0, dtype=np.float64)
    result = 2.0 ** (-out / forest.normal_path)
    return np.where(np.isnan(points).any(axis=2), np.nan, result)
