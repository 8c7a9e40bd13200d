"""What history may teach: past incidents left out, and how much the rest allows a threshold to move.

A threshold learned over an outage would call the next one normal. Firing periods of the alert itself and
episodes that a detector found can be cut out of the history; what is cut is "no sample", so that coverage
tells how much was left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base import FloatArray
from .base import as_block, coverage_of


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A period to leave out: ``start <= time < end`` (seconds), of all series or of those in ``columns``."""

    start: float
    end: float
    columns: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise ValueError(f"an exclusion must not end before it starts: {self.start:g} to {self.end:g}")


def without(
    times: FloatArray,
    values: FloatArray,
    exclusions: Sequence[Exclusion],
    before_seconds: float = 0.0,
    after_seconds: float = 0.0,
) -> FloatArray:
    """A copy of ``values [time, series]`` with NaN in every exclusion, each stretched by what led to it and followed.

    An alert fires ``for`` after its incident began: ``before_seconds`` should be at least that.
    """
    if not (before_seconds >= 0 and after_seconds >= 0):
        raise ValueError(f"stretches must be 0 or more seconds, not {before_seconds:g} and {after_seconds:g}")
    cleaned = np.array(as_block(times, values), dtype=np.float64, copy=True)
    for exclusion in exclusions:
        first = int(np.searchsorted(times, exclusion.start - before_seconds, side="left"))
        last = int(np.searchsorted(times, exclusion.end + after_seconds, side="left"))
        if exclusion.columns is None:
            cleaned[first:last] = np.nan
        else:
            cleaned[first:last, list(exclusion.columns)] = np.nan
    return cleaned


@dataclass(frozen=True, slots=True)
class HistoryFacts:
    """How much history there is: what a minimum duration and coverage are judged by.

    ``duration`` is the span from the first to the last sample in seconds, ``coverage`` the share of points in
    it that are there, ``excluded`` the share of the original samples that exclusions took.
    """

    samples: int
    duration: float
    coverage: float
    excluded: float


def facts(times: FloatArray, values: FloatArray, cleaned: FloatArray | None = None) -> HistoryFacts:
    """The facts of a history and of what exclusions left of it (``cleaned``, of the same shape)."""
    values = as_block(times, values)
    kept = values if cleaned is None else as_block(times, cleaned)
    if kept.shape != values.shape:
        raise ValueError(f"cleaned must have the shape {values.shape}, not {kept.shape}")
    before, after = int(np.count_nonzero(~np.isnan(values))), int(np.count_nonzero(~np.isnan(kept)))
    rows = np.flatnonzero((~np.isnan(kept)).any(axis=1))
    duration = float(times[rows[-1]] - times[rows[0]]) if len(rows) else 0.0
    return HistoryFacts(after, duration, coverage_of(kept), 1.0 - after / before if before else 0.0)


def allowed_step(max_step: float, duration: float, window: float) -> float:
    """The largest change (a fraction) that this much history allows: more history narrows it.

    A full window allows ``max_step``. A shorter one allows more, because the threshold that it would change was
    itself learned from little: as the error of an estimate shrinks with the root of the sample size, so does the
    step, from at most twice ``max_step`` on.
    """
    if not max_step > 0 or not window > 0:
        raise ValueError(f"max_step and window must be more than 0, not {max_step:g} and {window:g}")
    share = min(max(duration / window, 0.25), 1.0)
    return max_step / math.sqrt(share)
