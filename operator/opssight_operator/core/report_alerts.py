"""Alerts that fired, from the series ALERTS: what to ask Prometheus, and episodes of what it answers.

A month of ALERTS is read a day at a time and kept as runs of samples, since a day is bounded and a month of pods that
come and go is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import promql_parser

from opssight_detectors.patterns.episodes import (
    Runs,
    episodes_of_runs,
    incidents_of_episodes,
    joined_runs,
    runs_from_samples,
)
from opssight_detectors.patterns.incidents import Incidents, no_incidents

from ..api.base import seconds
from ..api.pattern_report import AlertsInput
from ..errors import InvalidQuery, InvalidSpec
from .literals import parse
from .observation import Frame
from .rules import LabelItems, label_items
from .timing import on_grid

CHUNK_SECONDS = 86_400.0
SINCE_STEP = 3600.0
GAP_STEPS = 2  # missed evaluations that do not end an episode
SINCE_EXPRESSION = 'count({__name__=~"up|ALERTS"})'
"""Something that a namespace has samples of for as long as Prometheus knows it."""


def alerts_expression(alerts: AlertsInput) -> str:
    """The selector of what fired; raises ``InvalidSpec`` that names a matcher which cannot be."""
    for number, matcher in enumerate(alerts.matchers):
        try:
            tree = parse(f"ALERTS{{{matcher}}}")
        except InvalidQuery as error:
            raise InvalidSpec(f"inputs.alerts.matchers[{number}] is {matcher}: {error}") from None
        single = isinstance(tree, promql_parser.VectorSelector) and len(tree.matchers.matchers) == 1
        if not single or tree.matchers.or_matchers:
            raise InvalidSpec(f'inputs.alerts.matchers[{number}] is {matcher}; it must be one, such as team="shop"')
    return "ALERTS{" + ",".join(['alertstate="firing"', *alerts.matchers]) + "}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Moments from ``start`` to ``end``, both on the grid of the step."""

    start: float
    end: float


def stretches(alerts: AlertsInput, start: float, end: float) -> Iterator[Stretch]:
    """The time before ``end`` a day at a time; it begins a step before ``start``, to see what was there already."""
    step = seconds(alerts.step)
    at, last = on_grid(start, step) - step, on_grid(end, step)
    rows = max(1, int(CHUNK_SECONDS // step))
    while at <= last:
        until = min(at + (rows - 1) * step, last)
        yield Stretch(at, until)
        at = until + step


class AlertLog:
    """Runs of ALERTS, frame by frame in the order of time."""

    def __init__(self, alerts: AlertsInput) -> None:
        self._step = seconds(alerts.step)
        self._gap = GAP_STEPS * self._step
        self._series: dict[LabelItems, int] = {}
        self._runs = joined_runs([], step=self._step)

    def add(self, frame: Frame) -> None:
        """The next stretch."""
        found = runs_from_samples(frame.times, frame.values, step=self._step, max_gap=self._gap)
        if found.series.size == 0:
            return
        names = np.array(
            [self._series.setdefault(label_items(labels), len(self._series)) for labels in frame.labels], dtype=np.int64
        )
        moved = Runs(names[found.series], found.first, found.last)
        self._runs = joined_runs([self._runs, moved], step=self._step, max_gap=self._gap)

    def __len__(self) -> int:
        return int(self._runs.series.size)

    def incidents(self, start: float, end: float) -> Incidents:
        """One for each episode that began after ``start``; what fired before that is no news of this time."""
        if not len(self):
            return no_incidents()
        first = on_grid(start, self._step) - self._step
        episodes = episodes_of_runs(self._runs, start=first, end=on_grid(end, self._step), step=self._step)
        labels: Sequence[dict[str, str]] = [dict(items) for items in self._series]
        return incidents_of_episodes(episodes, labels).take(~episodes.began_before)


def known_since(frame: Frame) -> float | None:
    """The first moment of which there is a sample."""
    rows = np.flatnonzero(~np.isnan(frame.values).all(axis=1)) if frame.n_series else np.empty(0, dtype=np.int64)
    return float(frame.times[rows[0]]) if rows.size else None
