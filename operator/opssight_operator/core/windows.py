"""Which stretch of time is learned from and which is judged, in seconds on the grid of the query's step.

The judged window reaches back over the last two intervals and five steps at least: a missed evaluation
loses nothing, and a sample that arrives late is judged when it is there. While an episode is open the
window reaches back to its beginning, so that an incident never trains the model that judges it; after
``acceptAfter`` it may, because then it is the new normal.

A method that is costly to fit starts at an anchor that moves on a few times in a training window, and learns
point by point from there: whoever starts at the same anchor has the same model, also after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..api.anomaly_detector import AnomalyDetectorSpec
from ..api.base import duration, seconds
from ..api.threshold_policy import ThresholdPolicySpec
from ..errors import InvalidSpec
from ..settings import Settings
from .science import LEARNS_SHAPES
from .timing import on_grid

MIN_JUDGED_STEPS = 5
MISSING_STEPS = 15  # an episode outlives so many missing samples
GAP_STEPS = 3  # and a return to normal that is not longer than this
ANCHORS = 7  # a model that is costly to fit starts so many times in a training window


@dataclass(frozen=True, slots=True)
class DetectorWindows:
    """``start <= training < judged_from <= judged <= now``; ``lookback`` is the shortest judged window."""

    step: float
    interval: float
    start: float
    judged_from: float
    now: float
    lookback: float
    training: float = 0.0  # of which a model that is costly to fit learns at once; the rest it learns point by point
    accept_after: float = math.inf  # seconds after which an open episode is the new normal

    @property
    def gap_tolerance(self) -> float:
        """A return to normal that is not longer does not end an episode."""
        return GAP_STEPS * self.step

    @property
    def missing_tolerance(self) -> float:
        """Missing samples for so long do not end an episode."""
        return max(MISSING_STEPS * self.step, self.lookback)


def detector_windows(
    spec: AnomalyDetectorSpec,
    now: float,
    open_since: Iterable[float],
    settings: Settings,
    *,
    share: float = 1.0,
    place: float = 0.0,
) -> DetectorWindows:
    """The windows of a detector at ``now``; ``share`` of the training window is used (less when it is too heavy).

    ``place``, from 0 to 1, is the detector's own among all, so that not all of them fit their models anew at once.
    ``open_since`` are the starts of the open episodes. Raises ``InvalidSpec``.
    """
    step = _step("step", spec.step)
    interval = _interval(spec.interval, settings)
    training = seconds(spec.training_window)
    if training < step * spec.min_training_samples:
        raise InvalidSpec(
            f"trainingWindow {spec.training_window} holds {math.floor(training / step)} points at step {spec.step}, "
            f"and minTrainingSamples asks for {spec.min_training_samples}; "
            f"make it at least {duration(step * spec.min_training_samples)}"
        )
    _check_points("trainingWindow", spec.training_window, training / step, spec.step, settings)
    training = max(math.floor(training * share / step), spec.min_training_samples) * step
    at = on_grid(now, step)
    lookback = math.ceil(max(2 * interval / step, MIN_JUDGED_STEPS)) * step
    oldest_open = min((since for since in open_since if since <= at), default=at)
    accept_after = max(on_grid(min(seconds(spec.accept_after), training), step), step)
    furthest = at - lookback + step - accept_after
    judged_from = max(min(at - lookback + step, on_grid(oldest_open, step)), furthest)
    start = judged_from - training
    if spec.method.type in LEARNS_SHAPES:
        anchors = max(on_grid(training / ANCHORS, step), step)
        own = on_grid(place * anchors, step)
        start = on_grid(start - own, anchors) + own
    return DetectorWindows(step, interval, start, judged_from, at, lookback, training, accept_after)


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """History from ``start`` to ``now``, both included."""

    step: float
    interval: float
    start: float
    now: float


def history_window(spec: ThresholdPolicySpec, now: float, settings: Settings) -> HistoryWindow:
    """The history of a policy at ``now``; raises ``InvalidSpec``."""
    history = spec.history
    step = _step("history.step", history.step)
    window = seconds(history.window)
    if window < step:
        raise InvalidSpec(f"history.window {history.window} is shorter than history.step {history.step}")
    if seconds(history.min_duration) > window:
        raise InvalidSpec(
            f"history.minDuration {history.min_duration} is longer than history.window {history.window}, "
            "so that no history could ever be enough"
        )
    _check_points("history.window", history.window, window / step, history.step, settings)
    at = on_grid(now, step)
    return HistoryWindow(step, _interval(spec.interval, settings), at - on_grid(window, step), at)


def _step(field: str, text: str) -> float:
    step = seconds(text)
    if step < 1:
        raise InvalidSpec(f"{field} is {text}; it must be at least 1s")
    return step


def _interval(text: str, settings: Settings) -> float:
    interval = seconds(text)
    if interval < settings.min_interval_seconds:
        raise InvalidSpec(f"interval is {text}; it must be at least {duration(settings.min_interval_seconds)}")
    return interval


def _check_points(field: str, text: str, points: float, step: str, settings: Settings) -> None:
    if points > settings.max_training_points:
        raise InvalidSpec(
            f"{field} {text} at step {step} is {points:.0f} points a series; "
            f"at most {settings.max_training_points} are allowed"
        )
