"""The series that status shows: the few that matter, in a size that etcd and its watchers can bear."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from opssight_detectors.severity import severity_of

from ..api.base import KubeModel
from ..api.detector_status import SeriesStatus
from .judgement import SeriesJudgement, SeriesKey, series_key
from .numbers import number_or_none
from .observation import Labels

MAX_SERIES = 20
MAX_SERIES_BYTES = 6500

M = TypeVar("M", bound=KubeModel)


def listed_series(
    judged: Sequence[SeriesJudgement],
    states: Mapping[SeriesKey, str],
    open_since: Mapping[SeriesKey, str],
    previous: Sequence[SeriesStatus],
    now: str,
) -> list[SeriesStatus]:
    """The top series: anomalous ones first, each state by falling score, then by labels.

    ``since`` is the start of the open episode, or else what ``previous`` said while the state is the same.
    """
    before = {series_key(s.query, s.labels): s for s in previous}
    order = sorted(judged, key=lambda s: (states[s.key] != "Anomalous", -_or_lowest(s.score), s.key))
    listed = [_listed(s, states[s.key], open_since.get(s.key), before.get(s.key), now) for s in order[:MAX_SERIES]]
    return within_bytes(listed, MAX_SERIES_BYTES)


def _listed(
    series: SeriesJudgement, state: str, open_since: str | None, before: SeriesStatus | None, now: str
) -> SeriesStatus:
    since = open_since if state == "Anomalous" else None
    if since is None and before is not None:
        since = before.since if before.state == state else now
    return SeriesStatus.model_validate(
        {
            "query": series.query,
            "labels": dict(series.labels),
            "state": state,
            "value": number_or_none(series.value),
            "expected": number_or_none(series.expected),
            "lower": number_or_none(series.lower),
            "upper": number_or_none(series.upper),
            "score": number_or_none(series.score),
            "severity": severity_of(series.score).label if math.isfinite(series.score) else None,
            "since": since,
            "contributions": list(series.contributions),
        }
    )


def within_bytes(items: Sequence[M], budget: int) -> list[M]:
    """As many of the first items as fit into ``budget`` bytes of JSON, and one at least."""
    kept: list[M] = []
    for item in items:
        budget -= len(json.dumps(item.dump(), ensure_ascii=False).encode())
        if budget < 0 and kept:
            break
        kept.append(item)
    return kept


def described(query: str, labels: Labels) -> str:
    """A series as people read it: ``p99{service="checkout"}``."""
    shown = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{query}{{{shown}}}" if shown else query


def _or_lowest(score: float) -> float:
    return score if math.isfinite(score) else -1.0
