"""``opssight thresholds --step``: the alerts that a threshold would have raised over the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from opssight_detectors.thresholds.base import Bound
from opssight_detectors.thresholds.simulation import AlertRule, simulate
from opssight_detectors.thresholds.summary import VolumeSummary, summary, zone_of
from opssight_operator.api.durations import duration, seconds
from opssight_operator.core.numbers import number_or_none, number_text

from .errors import BadInput
from .samples import Samples
from .writing import table


@dataclass(frozen=True, slots=True)
class Simulated:
    """For machines by the names of the series and of their thresholds, and for people."""

    plain: dict[str, dict[str, Any]]
    table: str


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """The rule as the options of the command give it; ``start`` is the time of the first number."""

    step: str
    for_: str = "5m"
    keep_firing_for: str = "0s"
    start: str | None = None
    time_zone: str = "UTC"
    current: float | None = None
    bound: str = "Upper"
    interval: str | None = None


def simulated(samples: Samples, proposed: Mapping[str, float], options: AlertOptions) -> Simulated:
    """Current and proposed threshold of each list; ``BadInput`` names the option that cannot be."""
    step = _positive("--step", options.step)
    waits = alert_waits(options.for_, options.keep_firing_for)
    interval = None if options.interval is None else _positive("--interval", options.interval)
    start = _start(options)
    plain: dict[str, dict[str, Any]] = {}
    rows = []
    known = samples.times is not None or options.start is not None
    for name, values in samples.series.items():
        times = samples.times if samples.times is not None else start + step * np.arange(len(values), dtype=np.float64)
        wanted = {"current": options.current, "proposed": proposed[name]}
        plain[name] = {}
        for which, threshold in wanted.items():
            if threshold is None or not np.isfinite(threshold) or not len(values):
                continue
            rule = AlertRule(threshold, Bound(options.bound), *waits, interval=interval)
            volume = summary(simulate(times, np.array(values), rule), time_zone=options.time_zone)
            plain[name][which] = _plain(volume, night=known)
            rows.append(_row(name, which, threshold, plain[name][which]))
    named = samples.named
    header = ("metric", "threshold", "is", "episodes/week", "at night", "median", "longest", "share of time")
    shown = table(header, rows, left=("metric", "threshold"))
    if not named:
        shown = table(header[1:], [row[1:] for row in rows], left=("threshold",))
    return Simulated(plain, shown)


def alert_waits(for_: str, keep_firing_for: str) -> tuple[float, float]:
    """Both durations of an alert in seconds; ``BadInput`` names the option that cannot be."""
    return _seconds("--for", for_), _seconds("--keep-firing-for", keep_firing_for)


def _plain(volume: VolumeSummary, *, night: bool) -> dict[str, Any]:
    median, longest = volume.median_seconds, volume.longest_seconds
    return {
        "episodesPerWeek": number_or_none(volume.episodes_per_week),
        "nightEpisodesPerWeek": number_or_none(volume.night_episodes_per_week) if night else None,
        "medianDuration": duration(median) if np.isfinite(median) else None,
        "longestDuration": duration(longest) if np.isfinite(longest) else None,
        "shareOfTime": number_or_none(volume.share_firing),
    }


def _row(name: str, which: str, threshold: float, plain: dict[str, Any]) -> tuple[str, ...]:
    return (name, which, number_text(threshold), *(value or "-" for value in plain.values()))


def _start(options: AlertOptions) -> float:
    try:
        zone_of(options.time_zone)
    except ValueError as error:
        raise BadInput(f"--time-zone: {error}") from None
    if options.start is None:
        return 0.0
    try:
        return datetime.fromisoformat(options.start).timestamp()
    except ValueError:
        raise BadInput(f"--start is {options.start!r}; it must be a time such as 2026-03-29T12:00:00Z") from None


def _positive(option: str, text: str) -> float:
    total = _seconds(option, text)
    if total <= 0:
        raise BadInput(f"{option} is {text}; it must be more than 0")
    return total


def _seconds(option: str, text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None
