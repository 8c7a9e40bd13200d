"""Several metrics of one thing judged together.

Each query is scored by itself; the joint score is the root of the mean square of the scores, weighted,
times a factor that keeps one metric alone from deciding unless it is far out and lets several mild ones
decide together:

    joint = sqrt(sum_i w_i score_i^2 / sum_i w_i) * sqrt(queries / needed)

With ``needed`` = 2 (or all, where there are fewer), two metrics at their boundary are at the joint one,
and a single metric must reach sqrt(2). The contribution of a query is its share of the sum of squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .base import FloatArray, IntArray, PointState, Scores


@dataclass(frozen=True, slots=True)
class JointScores:
    """``score [time, series]``, ``contribution [query, time, series]`` (sums to 1 where anything deviates)."""

    score: FloatArray
    contribution: FloatArray
    state: IntArray
    queries: tuple[str, ...]

    def loudest(self, row: int, column: int) -> str:
        """The query that contributes most at one point; empty where nothing deviates."""
        share = self.contribution[:, row, column]
        return self.queries[int(np.nanargmax(share))] if np.nansum(share) > 0 else ""


def judge_together(
    scores: Sequence[Scores],
    queries: Sequence[str],
    weights: Sequence[float] | None = None,
    needed: int = 2,
) -> JointScores:
    """The joint judgement of scores that share times and series; a query without a score has no vote."""
    if len(scores) != len(queries) or not scores:
        raise ValueError(f"queries must name each of the {len(scores)} scores, at least one, not {len(queries)}")
    if len({one.score.shape for one in scores}) != 1:
        raise ValueError("scores must share times and series")
    if needed < 1:
        raise ValueError(f"needed must be at least 1, not {needed!r}")
    weight = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (len(scores),) or not (weight > 0).all():
        raise ValueError(f"weights must be {len(scores)} numbers above 0, not {weights!r}")
    stacked = np.stack([one.score for one in scores])
    known = ~np.isnan(stacked)
    votes = known.sum(axis=0)
    square = np.where(known, weight[:, None, None] * np.square(np.where(known, stacked, 0.0)), 0.0)
    total = np.where(known, weight[:, None, None], 0.0).sum(axis=0)
    sums = square.sum(axis=0)
    # two at the boundary make one: mean square * votes / min(needed, votes)
    joint = np.sqrt(sums / np.maximum(total, 1e-300) * votes / np.maximum(np.minimum(needed, votes), 1))
    states = np.stack([one.state for one in scores])
    some = np.where((states == PointState.WARMING_UP).any(axis=0), PointState.WARMING_UP, PointState.NO_DATA)
    return JointScores(
        score=np.where(votes > 0, joint, np.nan),
        contribution=np.where(votes > 0, square / np.maximum(sums, 1e-300), np.nan),
        state=np.where(votes > 0, PointState.SCORED, some).astype(np.int8),
        queries=tuple(queries),
    )
