"""A baseline that incidents do not poison, and that accepts what lasts.

``Guarded`` wraps any detector. Points that score above 1 are withheld from learning, so they do not
widen the band that they broke. When a series has stayed anomalous for ``accept_after`` seconds, what
it does now is the new normal: its model is fitted anew on the points of that time, and the model says
since when (``moved_at``: "baseline moved").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .base import Detector, FloatArray, Model, PointState, Scores, as_block


@dataclass(frozen=True, slots=True)
class Guarded:
    """A detector whose updates skip anomalous points until they have lasted ``accept_after`` seconds."""

    detector: Detector
    accept_after: float = 6 * 3600.0
    recover_after: int = 3  # normal points in a row that end an anomalous time

    def __post_init__(self) -> None:
        if not self.accept_after > 0:
            raise ValueError(f"acceptAfter must be above 0 seconds, not {self.accept_after!r}")
        if self.recover_after < 1:
            raise ValueError(f"recoverAfter must be at least 1, not {self.recover_after!r}")

    def fit(self, times: FloatArray, values: FloatArray) -> GuardedModel:
        times, values = as_block(times, values)
        series = values.shape[1]
        nothing = np.full(series, np.nan)
        return GuardedModel(
            self, self.detector.fit(times, values), (), (), nothing, np.zeros(series, np.intp), nothing.copy()
        )


@dataclass(frozen=True, slots=True)
class _Moved:
    """A later model that speaks for some series."""

    model: Model
    speaks: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GuardedModel:
    """The wrapped model, the withheld points, and the models of baselines that have moved."""

    guard: Guarded
    base: Model
    moved: tuple[_Moved, ...]
    held: tuple[tuple[float, FloatArray], ...]  # withheld rows, NaN where a point was learned
    anomalous_since: FloatArray  # [series], NaN while normal
    normal_run: NDArray[np.intp]
    moved_at: FloatArray  # [series], NaN for a baseline that never moved

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        return _spoken(self.base.score(times, values), [(it, it.model.score(times, values)) for it in self.moved])

    def update(self, times: FloatArray, values: FloatArray) -> GuardedModel:
        times, values = as_block(times, values)
        model = self
        for row in range(len(values)):
            model = model._with_row(times[row : row + 1], values[row : row + 1])
        return model

    def _with_row(self, times: FloatArray, row: FloatArray) -> GuardedModel:
        now = float(times[0])
        scores = self.score(times, row)
        there = ~np.isnan(row[0])
        anomalous = there & (scores.score[0] > 1)
        learned = np.where(anomalous, np.nan, row)
        since = np.where(anomalous & np.isnan(self.anomalous_since), now, self.anomalous_since)
        normal_run = np.where(anomalous, 0, self.normal_run + there)
        since = np.where(normal_run >= self.guard.recover_after, np.nan, since)
        held = self.held
        if anomalous.any():
            held = (*held, (now, np.where(anomalous, row[0], np.nan)))
        earliest = np.nanmin(since) if not np.isnan(since).all() else np.inf
        held = tuple(item for item in held if item[0] >= earliest)
        model = replace(
            self,
            base=self.base.update(times, learned),
            moved=tuple(_Moved(it.model.update(times, learned), it.speaks) for it in self.moved),
            held=held,
            anomalous_since=since,
            normal_run=normal_run,
        )
        accepted = anomalous & (now - since >= self.guard.accept_after)
        return model._accept(accepted, now) if accepted.any() else model

    def _accept(self, accepted: NDArray[np.bool_], now: float) -> GuardedModel:
        times = np.array([moment for moment, _ in self.held])
        rows = np.stack([row for _, row in self.held])
        in_run = times[:, None] >= np.where(accepted, self.anomalous_since, np.inf)
        fitted = self.guard.detector.fit(times, np.where(in_run, rows, np.nan))
        scores = fitted.score(times[-1:], rows[-1:])
        knows = accepted & (scores.state[0] != PointState.WARMING_UP)  # too few points to judge: wait for more
        if not knows.any():
            return self
        older = tuple(_Moved(it.model, it.speaks & ~knows) for it in self.moved)
        return replace(
            self,
            moved=(*(it for it in older if it.speaks.any()), _Moved(fitted, knows)),
            anomalous_since=np.where(knows, np.nan, self.anomalous_since),
            moved_at=np.where(knows, now, self.moved_at),
        )


def _spoken(scores: Scores, others: Sequence[tuple[_Moved, Scores]]) -> Scores:
    """The scores, with the columns of moved baselines taken from their own models."""
    for moved, other in others:
        cause = scores.cause
        if cause is not None and other.cause is not None:
            cause = np.where(moved.speaks, other.cause, cause).astype(np.int8)
        scores = Scores(
            score=np.where(moved.speaks, other.score, scores.score),
            expected=np.where(moved.speaks, other.expected, scores.expected),
            lower=np.where(moved.speaks, other.lower, scores.lower),
            upper=np.where(moved.speaks, other.upper, scores.upper),
            state=np.where(moved.speaks, other.state, scores.state).astype(np.int8),
            cause=cause,
            causes=scores.causes,
        )
    return scores
