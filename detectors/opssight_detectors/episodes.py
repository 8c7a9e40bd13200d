"""Consecutive anomalous points are one episode.

An episode opens at a score above 1 and lasts until the score has come back below a lower level
(hysteresis), so a score that hovers at the boundary is one episode and not twenty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import FloatArray, Scores
from .severity import Severity, severity_of

OPEN_ABOVE = 1.0


@dataclass(frozen=True, slots=True)
class EpisodeRules:
    """When an episode ends; seconds.

    ``close_below``: the score at which it is over. ``gap_tolerance``: a return to normal that is not
    longer is bridged. ``missing_tolerance``: missing samples are bridged for so long.
    """

    close_below: float = 0.8
    gap_tolerance: float = 0.0
    missing_tolerance: float = 3600.0

    def __post_init__(self) -> None:
        if not 0 < self.close_below <= OPEN_ABOVE:
            raise ValueError(f"close_below must be above 0 and at most 1, not {self.close_below!r}")
        for name in ("gap_tolerance", "missing_tolerance"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 seconds or more, not {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Episode:
    """One anomaly of one series; rows index the block, times are seconds since the epoch."""

    series: int
    start_row: int
    end_row: int
    peak_row: int
    start: float
    end: float
    peak_time: float
    peak: float
    peak_score: float
    expected: float
    is_open: bool

    @property
    def severity(self) -> Severity:
        """The severity of the peak."""
        return severity_of(self.peak_score)

    @property
    def deviation(self) -> float:
        """How far the peak is from what was expected, in the unit of the metric."""
        return self.peak - self.expected


def episodes_of(
    times: FloatArray, values: FloatArray, scores: Scores, rules: EpisodeRules | None = None
) -> tuple[Episode, ...]:
    """The episodes of a block ``[time, series]``, by start and then by series."""
    rules = rules or EpisodeRules()
    found = [
        episode
        for column in np.flatnonzero((scores.score > OPEN_ABOVE).any(axis=0))
        for episode in _episodes_of_series(times, values, scores, int(column), rules)
    ]
    return tuple(sorted(found, key=lambda episode: (episode.start, episode.series)))


def _episodes_of_series(
    times: FloatArray, values: FloatArray, scores: Scores, column: int, rules: EpisodeRules
) -> list[Episode]:
    score = scores.score[:, column]
    scored = ~np.isnan(score)
    high = np.flatnonzero(scored & (score >= rules.close_below))
    scored_so_far = np.cumsum(scored)
    normal_between = np.diff(scored_so_far[high]) > 1
    seconds_between = np.diff(times[high])
    tolerance = np.where(normal_between, rules.gap_tolerance, max(rules.missing_tolerance, rules.gap_tolerance))
    adjacent = (np.diff(high) == 1) & ~normal_between  # the step of the block itself is never a gap
    breaks = np.flatnonzero(~adjacent & (seconds_between > tolerance)) + 1
    last_scored = int(np.flatnonzero(scored)[-1])
    found = []
    for run in np.split(high, breaks):
        opening = np.flatnonzero(score[run] > OPEN_ABOVE)
        if len(opening) == 0:
            continue
        first, last = int(run[opening[0]]), int(run[-1])
        peak = int(run[np.argmax(score[run])])
        found.append(
            Episode(
                series=column,
                start_row=first,
                end_row=last,
                peak_row=peak,
                start=float(times[first]),
                end=float(times[last]),
                peak_time=float(times[peak]),
                peak=float(values[peak, column]),
                peak_score=float(score[peak]),
                expected=float(scores.expected[peak, column]),
                is_open=last == last_scored or times[last_scored] - times[last] <= rules.gap_tolerance,
            )
        )
    return found
