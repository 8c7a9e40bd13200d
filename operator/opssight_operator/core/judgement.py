"""What a detector's method says of each series: scores, the newest point, the episodes in the judged window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opssight_detectors.base import Detector, Model, PointState, Scores
from opssight_detectors.episodes import Episode, EpisodeRules, episodes_of
from opssight_detectors.explain import explain_episode
from opssight_detectors.policy import Policy, apply_policy

from ..api.anomaly_detector import AnomalyDetectorSpec, Query
from ..api.detector_status import Anomaly, SeriesState
from ..api.together import Contribution
from .models import Learned
from .observation import DetectorObservation, FloatArray, Frame, Labels, QueryObservation
from .rules import LabelItems, label_items
from .science import LEARNS_SHAPES, detector_for, method_parameters, policy_for
from .training import brought_up_to_date, for_all_of, learned_key, left_out, training_values
from .windows import DetectorWindows

MAX_PEERS = 5000
BLOCK_SERIES = 64  # judged together, so that the methods' temporaries do not grow with the number of series
MAX_LABEL_VALUE = 256  # in status; longer values are cut

SeriesKey = tuple[str, LabelItems]


@dataclass(frozen=True, slots=True)
class Points:
    """Every judged point of one series ``[time]``, for who judges it together with others."""

    times: FloatArray
    values: FloatArray
    expected: FloatArray
    score: FloatArray
    state: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class SeriesJudgement:
    """One series now. Numbers are NaN where they are unknown; ``episodes`` are those of the judged window."""

    query: str
    labels: Labels
    state: SeriesState  # never Anomalous here: that follows from the merged episodes
    value: float
    expected: float
    lower: float
    upper: float
    score: float
    episodes: tuple[Episode, ...]
    explanations: tuple[str, ...]  # one for each episode
    points: Points | None = None  # kept only where series are judged together
    contributions: tuple[Contribution, ...] = ()  # to the newest joint score
    at_peaks: tuple[tuple[Contribution, ...], ...] = ()  # the same for each episode, or nothing

    @property
    def key(self) -> SeriesKey:
        """What tells the series from all others of the detector, as it stands in status."""
        return series_key(self.query, self.labels)


@dataclass(frozen=True, slots=True)
class QueryJudgement:
    """All series of one query; ``samples`` are those it was trained on, ``no_volume`` series have no known volume."""

    name: str
    series: tuple[SeriesJudgement, ...]
    samples: int
    no_volume: int
    warnings: tuple[str, ...]
    learned: Learned | None = None  # what is worth keeping for the next evaluation


def judge(
    spec: AnomalyDetectorSpec,
    observation: DetectorObservation,
    windows: DetectorWindows,
    known: Sequence[Anomaly] = (),
) -> tuple[QueryJudgement, ...]:
    """Learn from the training windows and judge the judged ones, query by query; ``known`` episodes teach nothing."""
    judge_one = _Judge(spec, detector_for(spec), method_parameters(spec), windows, known)
    queries = {query.name: query for query in spec.queries}
    return tuple(
        judge_one(queries[seen.name], seen, observation.learned.get(seen.name)) for seen in observation.queries
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    spec: AnomalyDetectorSpec
    detector: Detector
    parameters: dict[str, Any]
    windows: DetectorWindows
    known: Sequence[Anomaly]

    def __call__(self, query: Query, seen: QueryObservation, kept: Learned | None) -> QueryJudgement:
        policy, enough, joint = policy_for(query), _enough_volume(query, seen), self.spec.together is not None
        columns = [slice(at, at + self._block) for at in range(0, seen.judged.n_series, self._block)]
        learned = self._learn(query, seen, columns, kept)
        series: list[SeriesJudgement] = []
        for block, model in zip(columns, learned.models, strict=True):
            volume = None if enough is None else enough[:, block]
            series.extend(_judge_block(model, policy, seen, block, volume, self.windows, joint=joint))
        no_volume = 0 if seen.volume is None else int(np.isnan(seen.volume).all(axis=0).sum())
        samples = int(np.isfinite(seen.training.values).sum())
        kept_on = learned if self.spec.method.type in LEARNS_SHAPES else None
        return QueryJudgement(query.name, tuple(series), samples, no_volume, seen.training.warnings, kept_on)

    @property
    def _block(self) -> int:
        """Peers are judged against each other and stay together."""
        return MAX_PEERS if self.spec.method.type == "PeerOutlier" else BLOCK_SERIES

    def _learn(self, query: Query, seen: QueryObservation, columns: Sequence[slice], kept: Learned | None) -> Learned:
        labels = [shown_labels(one) for one in seen.training.labels]
        own_past = bool(getattr(self.detector, "judges_history", False))
        spans = left_out(query.name, self.known, self.windows, moved_only=own_past)
        if self.spec.together is not None:
            name = self.spec.together.name
            spans = for_all_of(labels, left_out(name, self.known, self.windows, moved_only=own_past))
        values = training_values(seen.training, labels, spans, int(self.parameters["min_samples"]))
        blocks = [np.ascontiguousarray(values[:, block]) for block in columns]
        if self.spec.method.type not in LEARNS_SHAPES:
            models = tuple(self.detector.fit(seen.training.times, block) for block in blocks)
            return Learned("", self.windows.judged_from, models, values.shape[1])
        key = learned_key([self.spec.method.type, self.parameters], seen.training.labels, spans, self.windows)
        return brought_up_to_date(self.detector, kept, key, seen.training.times, blocks, self.windows)


def _judge_block(
    model: Model,
    policy: Policy,
    seen: QueryObservation,
    columns: slice,
    enough: NDArray[np.bool_] | None,
    windows: DetectorWindows,
    *,
    joint: bool,
) -> list[SeriesJudgement]:
    times = seen.judged.times
    values = np.ascontiguousarray(seen.judged.values[:, columns])
    values = np.where(np.isfinite(values), values, np.nan)
    scores = apply_policy(model.score(times, values), values, policy, enough)
    episodes = () if joint else episodes_of(times, values, scores, episode_rules(windows))
    return [
        _series(
            seen.name,
            labels,
            column,
            times,
            values,
            scores,
            [e for e in episodes if e.series == column],
            windows,
            _points(times, values, scores, column) if joint else None,
        )
        for column, labels in enumerate(seen.judged.labels[columns])
    ]


def episode_rules(windows: DetectorWindows) -> EpisodeRules:
    """When the episodes of a detector end."""
    return EpisodeRules(gap_tolerance=windows.gap_tolerance, missing_tolerance=windows.missing_tolerance)


def _points(times: FloatArray, values: FloatArray, scores: Scores, column: int) -> Points:
    return Points(
        times, values[:, column], scores.expected[:, column], scores.score[:, column], scores.state[:, column]
    )


def _series(
    query: str,
    labels: Labels,
    column: int,
    times: FloatArray,
    values: FloatArray,
    scores: Scores,
    episodes: Sequence[Episode],
    windows: DetectorWindows,
    points: Points | None,
) -> SeriesJudgement:
    recent = np.flatnonzero(~np.isnan(values[:, column]) & (times > windows.now - windows.lookback))
    row = int(recent[-1]) if len(recent) else None

    def newest(array: FloatArray) -> float:
        return float("nan") if row is None else float(array[row, column])

    return SeriesJudgement(
        query=query,
        labels=shown_labels(labels),
        state=_state(scores, row, column),
        value=newest(values),
        expected=newest(scores.expected),
        lower=newest(scores.lower),
        upper=newest(scores.upper),
        score=newest(scores.score),
        episodes=tuple(episodes),
        explanations=tuple(explain_episode(episode, scores) for episode in episodes),
        points=points,
    )


def _state(scores: Scores, row: int | None, column: int) -> SeriesState:
    if row is None:
        return "NoData"
    return "WarmingUp" if scores.state[row, column] == PointState.WARMING_UP else "Normal"


def _enough_volume(query: Query, seen: QueryObservation) -> NDArray[np.bool_] | None:
    """Where there is enough traffic to judge; an unknown volume excuses nothing."""
    if query.volume is None or seen.volume is None:
        return None
    return ~(seen.volume < float(query.volume.min))


def volume_of(labels: Sequence[Labels], times: FloatArray, volume: Frame) -> FloatArray:
    """The volume ``[time, series]`` of series with these ``labels`` at ``times``; NaN where none is known.

    A series of the volume belongs to those that agree with it in every label both have. Where several belong
    to one series they are added up: they are parts of its traffic.
    """
    _, ours, theirs = np.intersect1d(times, volume.times, assume_unique=True, return_indices=True)
    result = np.full((len(times), len(labels)), np.nan)
    for column, series in enumerate(labels):
        parts = [i for i, other in enumerate(volume.labels) if _agree(series, other)]
        found = volume.values[theirs][:, parts]
        known = ~np.isnan(found).all(axis=1)
        result[ours[known], column] = np.nansum(found[known], axis=1)
    return result


def _agree(series: Labels, other: Labels) -> bool:
    return all(series[name] == value for name, value in other.items() if name != "__name__" and name in series)


def shown_labels(labels: Labels) -> dict[str, str]:
    """Labels as status holds them: long values cut."""
    return {name: value if len(value) <= MAX_LABEL_VALUE else value[:MAX_LABEL_VALUE] for name, value in labels.items()}


def series_key(query: str, labels: Labels) -> SeriesKey:
    """The key of a series that stands in a status."""
    return query, label_items(labels)
