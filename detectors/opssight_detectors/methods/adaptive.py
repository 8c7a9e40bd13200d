"""The default: many causal views of a series, averaged, and judged by the series' own past alarms.

    measure = 0.6 * mean of the tail surprises of the views + 0.4 * mean of the novelties of the contexts
    score   = (3 * measure / (2 + its past 99th percentile) - 0.6 * log10(1 + past peaks as high)) / boundary

The views (``kernels.views``) are residuals against the long level, windows of several lengths, the
spread, the same time of day and hour of the week; each becomes a surprise by its own past tail
(``kernels.tails``). The contexts (``kernels.contexts``) ask how often such a value came after such
values, at such an hour. Averaging beats the loudest view: agreement is what tells an anomaly from
noise. ``kernels.alarm_budget`` brings restless and quiet series to one boundary.

Works for nearly any metric with one setting. The views speak from 60 samples on; up to 200, while tails
are guesses, a plain band around the median speaks too (``kernels.first_samples``), and the louder wins.
It gets used to what keeps happening; a slow drift over weeks is not its matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, IntArray, Scores, as_block, join
from ..calibration import RATE_OF, states_of
from ..kernels import alarm_budget, contexts, first_samples, symbols, tails, view_memory, views
from ..kernels.alarm_budget import Budget
from ..kernels.contexts import ContextPlan, Contexts, Place
from ..kernels.local_time import local_seconds, zone_of
from ..kernels.symbols import Scale
from ..kernels.tails import Tails
from ..kernels.views import Clock, Seen, Views
from ..parameters import check_parameters, parameter

_ALL = ("none", "last", "hour", "last2", "hour-last")
_FEW = ("none", "last", "hour")
_DERIVED = ("none", "last", "hour", "last2")
PLAN: ContextPlan = contexts.plan_contexts(symbols.ALPHABETS, (_ALL, _ALL, _ALL, _FEW, _FEW, _DERIVED, _DERIVED))
CONTEXT_SHARE = 0.4
REFRESH_ROWS = 32  # the tables are renewed after so many rows, sooner while the model is young

# The measure at which score is 1. Medium is where public labelled data put the best trade; Low and
# High move the boundary by about half and twice the alarms.
BOUNDARY = {"Low": 1.10, "Medium": 0.92, "High": 0.76}
VIEWS_FROM = 60  # samples before which the views have nothing to say


@dataclass(frozen=True, slots=True)
class Adaptive:
    """The default: many views of a series and its own past alarms decide together."""

    sensitivity: str = parameter("Medium", "how easily it alarms", choices=tuple(BOUNDARY))
    min_samples: int = parameter(3, "how many samples a series needs before it is judged", low=3, high=1_000_000)
    time_zone: str = parameter("UTC", "IANA name of the zone whose day and week the metric follows")

    judges_history = True  # each row of a block is judged by the rows before it

    def __post_init__(self) -> None:
        check_parameters(self)
        zone_of(self.time_zone)

    def fit(self, times: FloatArray, values: FloatArray) -> AdaptiveModel:
        times, values = as_block(times, values)
        return _empty_model(self, values.shape[1]).update(times, values)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A judged block that the slow memory does not know yet."""

    seen: Seen
    clock: Clock
    bins: NDArray[np.int8]
    place: Place
    measure: FloatArray
    steps: FloatArray  # change since the sample before, NaN where there is none


@dataclass(slots=True)
class _State:
    """Everything learned; the last axis of every array is the series."""

    views: Views
    tails: Tails
    contexts: Contexts
    budget: Budget
    scale: Scale
    band: FloatArray  # mean absolute deviation from what was expected
    counted: FloatArray  # samples judged
    first: FloatArray  # the newest rows while any series has few samples, [row, series]
    pending: list[_Judged]
    pending_rows: int
    rows: int
    last_time: float
    step: float  # smallest gap among the first hundred rows, seconds

    def copy(self) -> _State:
        values = (getattr(self, name) for name in self.__slots__)
        return _State(*(value.copy() if hasattr(value, "copy") else value for value in values))


@dataclass(frozen=True, slots=True)
class AdaptiveModel:
    """The learned state: about 65 kB a series, and 1 kB for each of up to 32 rows that are not learned yet.

    ``score`` judges each row by all rows before it.
    """

    detector: Adaptive
    state: _State

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        times, values = as_block(times, values)
        return _run(self.detector, self.state.copy(), times, values)

    def update(self, times: FloatArray, values: FloatArray) -> AdaptiveModel:
        times, values = as_block(times, values)
        state = self.state.copy()
        _run(self.detector, state, times, values)
        return AdaptiveModel(self.detector, state)


def _empty_model(detector: Adaptive, series: int) -> AdaptiveModel:
    return AdaptiveModel(
        detector,
        _State(
            views=views.empty_views(series),
            tails=tails.empty_tails(views.STREAMS, series),
            contexts=contexts.empty_contexts(PLAN, series),
            budget=alarm_budget.empty_budget(series),
            scale=symbols.empty_scale(series),
            band=np.zeros(series),
            counted=np.zeros(series),
            first=np.empty((0, series)),
            pending=[],
            pending_rows=0,
            rows=0,
            last_time=np.nan,
            step=np.nan,
        ),
    )


def _run(detector: Adaptive, state: _State, times: FloatArray, values: FloatArray) -> Scores:
    """Judge and learn in blocks that end where the slow memory learns, in place."""
    seconds = local_seconds(times, detector.time_zone)
    parts = []
    start = 0
    while start < len(values):
        batch = min(REFRESH_ROWS, 1 + (state.rows - state.pending_rows) // 16)
        stop = min(start + batch - state.pending_rows, len(values))
        for time in times[start:stop] if state.rows < 100 else ():
            _learn_step(state, float(time))
        parts.append(_block(detector, state, seconds[start:stop], values[start:stop]))
        if state.pending_rows >= batch:
            _learn(state)
        start = stop
    if not parts:
        nothing = np.empty_like(values)
        none = np.empty(values.shape, np.int8)
        return Scores(nothing, nothing, nothing, nothing, none, none, _CAUSES)
    return join(parts)


def _block(detector: Adaptive, state: _State, seconds: FloatArray, x: FloatArray) -> Scores:
    there = ~np.isnan(x)
    clock = views.clock_of(seconds, 60.0 if np.isnan(state.step) else state.step)
    past = state.views
    spread = np.sqrt(past.squares / np.maximum(past.count, 1.0))
    letters, steps = symbols.symbols_of(state.scale, x, there, past.mean, spread, past.count > 1)
    hours = clock.day_slot // (views.SLOTS_A_DAY // contexts.HOURS)
    place = contexts.place_of(PLAN, state.contexts, letters, hours, there)
    novelty = contexts.novelty(PLAN, state.contexts, place)
    seen = views.look(state.views, x, clock)
    bins = tails.bins_of(seen.magnitudes)
    surprise = tails.surprise(state.tails, seen.magnitudes, bins)
    mean_novelty = novelty.mean(axis=1)
    measure = (1 - CONTEXT_SHARE) * surprise.mean(axis=1) + CONTEXT_SHARE * mean_novelty
    measure = np.where(there, measure, np.nan)
    corrected = alarm_budget.judge(state.budget, measure)
    state.pending.append(_Judged(seen, clock, bins, place, measure, steps))
    state.pending_rows += len(x)
    state.rows += len(x)

    before = state.counted + np.cumsum(there, axis=0) - there
    state.counted = state.counted + there.sum(axis=0)
    viewed = before >= max(detector.min_samples, VIEWS_FROM)
    score = np.where(viewed & there, np.maximum(corrected, 0.0) / BOUNDARY[detector.sensitivity], np.nan)
    expected = np.where(viewed, seen.expected, np.nan)
    usual = np.broadcast_to(3.0 * state.band, x.shape)
    cause = np.where(viewed & there, _cause(surprise, mean_novelty), -1)
    if (before < first_samples.ENOUGH).any() or len(state.first):
        plain, centre, width = _judge_first(detector, state, x, before)
        cause = np.where(plain > np.fmax(score, 0.0), len(_CAUSES) - 1, cause)
        score = np.fmax(score, plain)
        few = ~np.isnan(width)
        viewed = viewed | few
        expected, usual = np.where(few, centre, expected), np.where(few, width, usual)
    half_width = _half_width(np.abs(x - expected), score, usual)
    return Scores(
        score=score,
        expected=expected,
        lower=expected - half_width,
        upper=expected + half_width,
        state=states_of(x, viewed),
        cause=cause.astype(np.int8),
        causes=_CAUSES,
    )


def _judge_first(detector: Adaptive, state: _State, x: FloatArray, before: FloatArray) -> FloatArray:
    """Score, centre and half width ``[3, row, series]`` of each row by the few rows before it; keeps those rows.

    NaN for a series that has many.
    """
    found = np.full((3, *x.shape), np.nan)
    history = np.concatenate([state.first, x])
    judged = (before >= detector.min_samples) & (before < first_samples.ENOUGH)
    for row in np.flatnonzero(judged.any(axis=1)):
        stop = len(state.first) + row
        few = np.flatnonzero(judged[row])
        past = history[max(stop - first_samples.ENOUGH, 0) : stop, few]
        one = first_samples.judge(past, x[row, few], RATE_OF[detector.sensitivity])
        found[:, row, few] = one.score, one.centre, one.half_width
    young = (state.counted < first_samples.ENOUGH).any()
    state.first = history[-first_samples.ENOUGH :].copy() if young else history[:0]
    return found


def _learn(state: _State) -> None:
    """Take the pending blocks into the slow memory, in place."""
    judged = state.pending
    tails.learn(state.tails, [it.bins for it in judged])
    contexts.learn(state.contexts, [it.place for it in judged])
    view_memory.learn(state.views, [(it.seen, it.clock) for it in judged])
    alarm_budget.learn(state.budget, [it.measure for it in judged])
    filled = np.concatenate([it.seen.filled for it in judged])
    there = np.concatenate([it.seen.there for it in judged])
    deviation = np.abs(filled - np.concatenate([it.seen.expected for it in judged]))
    new = there.sum(axis=0)
    weight = new / np.maximum(np.minimum(state.counted, 1000.0), 1.0)
    mean = np.where(there, deviation, 0.0).sum(axis=0) / np.maximum(new, 1)
    state.band = state.band + np.minimum(weight, 1.0) * (mean - state.band)
    symbols.learn(state.scale, [it.steps for it in judged], state.counted)
    state.pending, state.pending_rows = [], 0


def _learn_step(state: _State, time: float) -> None:
    gap = time - state.last_time
    state.last_time = time
    if gap > 0:
        state.step = float(np.fmin(state.step, gap))


_CAUSES = (*(name for name, _ in views.GROUPS), "a value that is new in its context", "the first samples")
_GROUP_STARTS = np.cumsum([0, *(count for _, count in views.GROUPS)])[:-1]
_GROUP_SIZES = np.array([count for _, count in views.GROUPS])[:, None]


def _half_width(deviation: FloatArray, score: FloatArray, usual: FloatArray) -> FloatArray:
    """The half width of the shown band: usual, but never at odds with the score."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(score > 1, np.minimum(usual, deviation / score), np.fmax(usual, deviation))


def _cause(surprise: FloatArray, novelty: FloatArray) -> IntArray:
    """The group of views, or the contexts, with the highest mean: ``[row, series]``."""
    groups = np.add.reduceat(surprise, _GROUP_STARTS, axis=1) / _GROUP_SIZES
    loudest = np.argmax(np.concatenate([groups, novelty[:, None]], axis=1), axis=1)
    return np.asarray(loudest, dtype=np.int8)
