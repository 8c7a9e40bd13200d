"""What a detector's method says of each series: scores, the newest point, the episodes in the judged window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opssight_detectors.base import Detector, PointState, Scores
from opssight_detectors.episodes import Episode, EpisodeRules, episodes_of
from opssight_detectors.explain import explain_episode
from opssight_detectors.policy import Policy, apply_policy

from ..api.anomaly_detector import AnomalyDetectorSpec, Query, SeriesState
from .observation import DetectorObservation, FloatArray, Frame, Labels, QueryObservation
from .rules import LabelItems, label_items
from .science import detector_for, policy_for
from .windows import DetectorWindows

BLOCK_SERIES = 64  # judged together, so that the methods' temporaries do not grow with the number of series
MAX_LABEL_VALUE = 256  # in status; longer values are cut

SeriesKey = tuple[str, LabelItems]


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


def judge(
    spec: AnomalyDetectorSpec, observation: DetectorObservation, windows: DetectorWindows
) -> tuple[QueryJudgement, ...]:
    """Fit on the training windows and judge the judged ones, query by query."""
    detector = detector_for(spec)
    queries = {query.name: query for query in spec.queries}
    return tuple(_judge_query(detector, queries[seen.name], seen, windows) for seen in observation.queries)


def _judge_query(detector: Detector, query: Query, seen: QueryObservation, windows: DetectorWindows) -> QueryJudgement:
    policy, enough = policy_for(query), _enough_volume(query, seen)
    series: list[SeriesJudgement] = []
    for start in range(0, seen.judged.n_series, BLOCK_SERIES):
        columns = slice(start, start + BLOCK_SERIES)
        volume = None if enough is None else enough[:, columns]
        series.extend(_judge_block(detector, policy, seen, columns, volume, windows))
    no_volume = 0 if seen.volume is None else int(np.isnan(seen.volume).all(axis=0).sum())
    samples = int(np.isfinite(seen.training.values).sum())
    return QueryJudgement(query.name, tuple(series), samples, no_volume, seen.training.warnings)


def _judge_block(
    detector: Detector,
    policy: Policy,
    seen: QueryObservation,
    columns: slice,
    enough: NDArray[np.bool_] | None,
    windows: DetectorWindows,
) -> list[SeriesJudgement]:
    times = seen.judged.times
    values = np.ascontiguousarray(seen.judged.values[:, columns])
    values = np.where(np.isfinite(values), values, np.nan)
    model = detector.fit(seen.training.times, np.ascontiguousarray(seen.training.values[:, columns]))
    scores = apply_policy(model.score(times, values), values, policy, enough)
    rules = EpisodeRules(gap_tolerance=windows.gap_tolerance, missing_tolerance=windows.missing_tolerance)
    episodes = episodes_of(times, values, scores, rules)
    return [
        _series(seen.name, labels, column, times, values, scores, [e for e in episodes if e.series == column], windows)
        for column, labels in enumerate(seen.judged.labels[columns])
    ]


def _series(
    query: str,
    labels: Labels,
    column: int,
    times: FloatArray,
    values: FloatArray,
    scores: Scores,
    episodes: Sequence[Episode],
    windows: DetectorWindows,
) -> SeriesJudgement:
    recent = np.flatnonzero(~np.isnan(values[:, column]) & (times > windows.now - windows.lookback))
    row = int(recent[-1]) if len(recent) else None
    shown = {"expected": scores.expected, "lower": scores.lower, "upper": scores.upper, "score": scores.score}
    known = {name: float("nan") if row is None else float(array[row, column]) for name, array in shown.items()}
    return SeriesJudgement(
        query=query,
        labels=shown_labels(labels),
        state=_state(scores, row, column),
        value=float("nan") if row is None else float(values[row, column]),
        episodes=tuple(episodes),
        explanations=tuple(explain_episode(episode, scores) for episode in episodes),
        **known,
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
