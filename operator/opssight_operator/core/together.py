"""The queries of a detector judged as one: series that measure one thing are matched, their scores joined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from opssight_detectors.base import FloatArray, PointState, Scores
from opssight_detectors.episodes import Episode, episodes_of
from opssight_detectors.explain import moment, number
from opssight_detectors.joint import JointScores, judge_together
from opssight_detectors.severity import severity_of

from ..api.anomaly_detector import AnomalyDetectorSpec
from ..api.detector_status import SeriesState
from ..api.together import Contribution
from .judgement import Points, QueryJudgement, SeriesJudgement, episode_rules
from .numbers import number_or_none, number_text
from .rules import LabelItems, label_items
from .windows import DetectorWindows

NAN = float("nan")
_Parts = dict[str, list[SeriesJudgement]]  # the series of one thing, by query


def judged_together(
    spec: AnomalyDetectorSpec, queries: Sequence[QueryJudgement], windows: DetectorWindows
) -> list[SeriesJudgement] | None:
    """The joint series, one for each thing, ordered by its labels; None when the spec does not ask for them."""
    together = spec.together
    if together is None:
        return None
    times = _all_times(queries)
    weights = {one.query: float(one.weight) for one in together.weights}
    found: list[SeriesJudgement] = []
    for thing, parts in sorted(_things(queries, together.by).items()):
        columns = [_highest(parts.get(query.name, []), times) for query in queries]
        joint = judge_together(
            [_as_scores(column) for column in columns],
            [query.name for query in queries],
            [weights.get(query.name, 1.0) for query in queries],
            min(together.needed, len(queries)),
        )
        found.append(_series(together.name, dict(thing), times, joint, columns, windows))
    return found


def _all_times(queries: Sequence[QueryJudgement]) -> FloatArray:
    every = [series.points.times for query in queries for series in query.series if series.points is not None]
    return np.unique(np.concatenate(every)) if every else np.empty(0)


def _things(queries: Sequence[QueryJudgement], by: Sequence[str]) -> Mapping[LabelItems, _Parts]:
    """Series by what they measure. A series without one of the labels of ``by`` has it empty, as in PromQL."""
    things: dict[LabelItems, _Parts] = {}
    for query in queries:
        for series in query.series:
            kept = by or [name for name in series.labels if name != "__name__"]
            thing = label_items({name: series.labels[name] for name in kept if series.labels.get(name)})
            things.setdefault(thing, {}).setdefault(query.name, []).append(series)
    return things


def _highest(series: Sequence[SeriesJudgement], times: FloatArray) -> Points:
    """At each of ``times`` the point of the series with the highest score; no series is no data."""
    value, expected, score = (np.full(len(times), NAN) for _ in range(3))
    state = np.full(len(times), PointState.NO_DATA, dtype=np.int8)
    for one in series:
        if one.points is None:
            continue
        rows = np.searchsorted(times, one.points.times)
        warming = (one.points.state == PointState.WARMING_UP) & (state[rows] == PointState.NO_DATA)
        state[rows[warming]] = PointState.WARMING_UP
        higher = ~np.isnan(one.points.score) & ~(score[rows] >= one.points.score)
        at = rows[higher]
        value[at], expected[at] = one.points.values[higher], one.points.expected[higher]
        score[at], state[at] = one.points.score[higher], PointState.SCORED
    return Points(times, value, expected, score, state)


def _as_scores(points: Points) -> Scores:
    unknown = np.full((len(points.times), 1), NAN)
    return Scores(points.score[:, None], points.expected[:, None], unknown, unknown, points.state[:, None])


def _series(
    name: str,
    labels: dict[str, str],
    times: FloatArray,
    joint: JointScores,
    columns: Sequence[Points],
    windows: DetectorWindows,
) -> SeriesJudgement:
    unknown = np.full_like(joint.score, NAN)
    scores = Scores(joint.score, unknown, unknown, unknown, joint.state)
    episodes = episodes_of(times, joint.score, scores, episode_rules(windows))
    told = [_contributions(joint, columns, episode.peak_row) for episode in episodes]
    recent = np.flatnonzero((joint.state[:, 0] != PointState.NO_DATA) & (times > windows.now - windows.lookback))
    row = int(recent[-1]) if len(recent) else None
    return SeriesJudgement(
        query=name,
        labels=labels,
        state=_state(joint, row),
        value=NAN,
        expected=NAN,
        lower=NAN,
        upper=NAN,
        score=NAN if row is None else float(joint.score[row, 0]),
        episodes=episodes,
        explanations=tuple(_explained(e, parts) for e, parts in zip(episodes, told, strict=True)),
        contributions=() if row is None else _contributions(joint, columns, row),
        at_peaks=tuple(told),
    )


def _state(joint: JointScores, row: int | None) -> SeriesState:
    if row is None:
        return "NoData"
    return "WarmingUp" if joint.state[row, 0] == PointState.WARMING_UP else "Normal"


def _contributions(joint: JointScores, columns: Sequence[Points], row: int) -> tuple[Contribution, ...]:
    """The queries with a score at ``row``, the largest share first."""
    known = [
        (float(joint.contribution[number, row, 0]), name, points)
        for number, (name, points) in enumerate(zip(joint.queries, columns, strict=True))
        if math.isfinite(points.score[row])
    ]
    return tuple(
        Contribution(
            query=name,
            share=number_text(round(share, 4)),
            score=number_text(float(points.score[row])),
            value=number_or_none(float(points.values[row])),
            expected=number_or_none(float(points.expected[row])),
        )
        for share, name, points in sorted(known, key=lambda one: (-one[0], one[1]))
    )


def _explained(episode: Episode, parts: Sequence[Contribution]) -> str:
    shares = "; ".join(
        f"{one.query} contributes {100 * float(one.share):.0f} %: observed {_short(one.value)}, "
        f"expected {_short(one.expected)}"
        for one in parts
    )
    severity = severity_of(episode.peak_score).label
    return f"{shares}; joint score {number(episode.peak_score)} ({severity}), since {moment(episode.start)}"[:1024]


def _short(text: str | None) -> str:
    return "unknown" if text is None else number(float(text))
