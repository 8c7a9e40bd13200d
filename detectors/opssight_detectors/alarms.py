"""When an anomaly is worth telling again: one alarm an episode, and another only for something bigger.

A score above 1 raises an alarm unless the last alarm was just now, or was higher and has not faded
yet. It is for counting and notifying; the score itself stays above 1 as long as the anomaly lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray


@dataclass(frozen=True, slots=True)
class AlarmRules:
    """``quiet_rows``: no second alarm within so many rows; ``fade_rows``: how fast a past peak is forgotten."""

    quiet_rows: int = 24
    fade_rows: float = 50.0

    def __post_init__(self) -> None:
        if self.quiet_rows < 0:
            raise ValueError(f"quiet_rows must be 0 or more, not {self.quiet_rows!r}")
        if not self.fade_rows > 0:
            raise ValueError(f"fade_rows must be above 0, not {self.fade_rows!r}")


def alarm_rows(score: FloatArray, rules: AlarmRules | None = None) -> NDArray[np.intp]:
    """The rows of one series ``score [time]`` that raise an alarm; NaN never does.

    After an alarm of score ``p``, ``k`` rows ago, only a score of at least ``1 + (p - 1) exp(-k / fade_rows)``
    raises the next.
    """
    rules = rules or AlarmRules()
    alarms: list[int] = []
    peak = 1.0
    for row in np.flatnonzero(score > 1.0):
        since = row - alarms[-1] if alarms else np.inf
        needed = 1.0 + (peak - 1.0) * np.exp(-since / rules.fade_rows)
        if since > rules.quiet_rows and score[row] >= needed:
            alarms.append(int(row))
            peak = float(score[row])
    return np.array(alarms, dtype=np.intp)
