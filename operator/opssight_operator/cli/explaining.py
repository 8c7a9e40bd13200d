"""``opssight explain``: one point of a list, judged and put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opssight_detectors.base import PointState
from opssight_detectors.engine import Detection
from opssight_detectors.explain import explain_point
from opssight_detectors.severity import severity_of
from opssight_operator.core.answers import plain_number

from .detection import detections
from .errors import BadInput
from .samples import Samples
from .writing import moment, number


@dataclass(frozen=True, slots=True)
class Told:
    """For machines and for people."""

    plain: dict[str, Any]
    text: str


def explained(
    samples: Samples, *, at: str | None, series: str | None, method: str, given: Sequence[str], direction: str
) -> Told:
    """The point at ``at`` (an index, or a time), or that with the highest score; ``BadInput`` when there is none."""
    found = detections(_chosen(samples, series), method=method, given=given, direction=direction)
    if at is None:
        name, row = _highest(found)
    else:
        if len(found) > 1:
            raise BadInput(f"--at needs --series, because there are {len(found)} lists: {', '.join(found)}")
        name, row = next(iter(found)), _row(samples, at, len(next(iter(found.values())).scores.score))
    return _told(samples, name, row, found[name])


def _chosen(samples: Samples, series: str | None) -> Samples:
    if series is None:
        return samples
    if series not in samples.series:
        raise BadInput(
            f"--series is {series!r}; there are {', '.join(name or 'one without a name' for name in samples.series)}"
        )
    return Samples({series: samples.series[series]}, samples.times)


def _highest(found: dict[str, Detection]) -> tuple[str, int]:
    best: tuple[float, str, int] | None = None
    for name, detection in found.items():
        score = detection.scores.score[:, 0]
        if np.isnan(score).all():
            continue
        row = int(np.nanargmax(score))
        if best is None or score[row] > best[0]:
            best = (float(score[row]), name, row)
    if best is None:
        raise BadInput("there is no point that can be judged: too few values")
    return best[1], best[2]


def _row(samples: Samples, at: str, rows: int) -> int:
    if at.isdigit():
        if int(at) >= rows:
            raise BadInput(f"--at is {at}; it must be an index from 0 to {rows - 1}")
        return int(at)
    if samples.times is None:
        raise BadInput(f"--at is {at!r}; it must be an index from 0 to {rows - 1}, for the numbers have no times")
    from opssight_detectors.patterns.timestamps import parse_times

    try:
        wanted = float(parse_times([at], "--at", None)[0])
    except ValueError as error:
        raise BadInput(f"--at: {error}") from None
    nearest = int(np.argmin(np.abs(samples.times - wanted)))
    step = float(np.median(np.diff(samples.times))) if rows > 1 else 0.0
    if abs(samples.times[nearest] - wanted) > step:
        raise BadInput(f"--at is {at}; the samples are from {moment(samples.times[0])} to {moment(samples.times[-1])}")
    return nearest


def _told(samples: Samples, name: str, row: int, detection: Detection) -> Told:
    value = samples.series[name][row]
    scores = detection.scores
    expected, lower, upper, score = (
        float(array[row, 0]) for array in (scores.expected, scores.lower, scores.upper, scores.score)
    )
    state = PointState(int(scores.state[row, 0]))
    episode = next((e for e in detection.episodes if e.start_row <= row <= e.end_row), None)
    timed = samples.times is not None
    since = None if episode is None or not timed else episode.start
    cause = scores.cause_at(row, 0)
    if state is PointState.SCORED:
        words = explain_point(
            value=value, expected=expected, lower=lower, upper=upper, score=score, cause=cause, since=since
        )
    else:
        words = "there is no sample" if state is PointState.NO_DATA else "too few samples before it to judge it"
    plain = {
        "series": name or None,
        "index": row,
        "time": moment(float(samples.times[row])) if samples.times is not None else None,
        "method": detection.method,
        "state": {PointState.SCORED: "Scored", PointState.WARMING_UP: "WarmingUp"}.get(state, "NoData"),
        "value": plain_number(value),
        "expected": plain_number(expected),
        "lower": plain_number(lower),
        "upper": plain_number(upper),
        "deviation": plain_number(value - expected),
        "score": plain_number(round(score, 4)),
        "severity": severity_of(score).label if state is PointState.SCORED else None,
        "anomalous": bool(score > 1),
        "cause": cause or None,
        "since_index": None if episode is None else episode.start_row,
        "explanation": words,
    }
    where = f"{name}: " if name else ""
    place = moment(float(samples.times[row])) if samples.times is not None else f"value {row}"
    judged = "anomalous" if score > 1 else ("normal" if state is PointState.SCORED else "not judged")
    told = f"{where}{place} is {judged} by {detection.method}: {words}"
    if episode is not None and episode.start_row != row and not timed:
        told += f", since value {episode.start_row}"
    return Told(plain, f"{told}\nin its list: {detection.samples} samples, highest score {_highest_score(detection)}")


def _highest_score(detection: Detection) -> str:
    score = detection.scores.score
    return "unknown" if np.isnan(score).all() else number(float(np.nanmax(score)), 3)
