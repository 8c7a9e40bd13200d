"""Everything a section may look at, worked out once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .association import Association, Onsets, onsets, together
from .columns import UNKNOWN, Column
from .incidents import Incidents
from .templates import Template, TemplateMiner
from .timestamps import DAY, HOUR, day_number, hour_of_day, local_seconds

MIN_HISTORY_DAYS = 7.0
_QUARTER = 900.0


@dataclass(frozen=True, slots=True)
class Window:
    """``[start, end)`` in seconds since the epoch."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"the window must start before it ends, not {self.start:g} to {self.end:g}")

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long each hour of the day (``hours [24]``) and of the week (``week [7, 24]``) was watched, in hours."""

    hours: NDArray[np.float64]
    week: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Incidents of the window and before it.

    ``incidents`` started in ``window``, ``history`` in ``[history_start, window.start)``, ``all`` is both, history
    first. ``local`` are the wall-clock starts of ``all``. ``item`` says for each row of ``all`` what it is an incident
    of: the alert's name, else the template of its message, else the resource type. ``template_of`` indexes
    ``templates`` (-1 without message). ``known_templates`` are those that an earlier report knew. ``alpha`` is the
    chance of any false claim that one section may take.
    """

    window: Window
    history_start: float
    incidents: Incidents
    history: Incidents
    all: Incidents
    local: NDArray[np.float64]
    item: Column
    template_of: NDArray[np.int64]
    templates: tuple[Template, ...]
    known_templates: NDArray[np.bool_]
    template_state: Mapping[str, Any]
    zone: tzinfo
    alpha: float
    onsets: Onsets
    pairs: tuple[Association, ...]

    @property
    def in_window(self) -> NDArray[np.bool_]:
        """Which rows of ``all`` started in the window, ``[n]``."""
        inside: NDArray[np.bool_] = np.arange(len(self.all)) >= len(self.history)
        return inside

    @property
    def has_history(self) -> bool:
        """Whether the past is long enough to say what is usual."""
        return self.window.start - self.history_start >= MIN_HISTORY_DAYS * DAY and len(self.history) > 0

    @property
    def history_days(self) -> float:
        """Length of the history in days."""
        return (self.window.start - self.history_start) / DAY

    def daily_counts(self, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How many of ``rows`` (a mask over ``history``) fell on each whole 24 hours before the window, ``[days]``."""
        days = int(self.history_days)
        ago = np.floor_divide(self.window.start - self.history.start[rows], DAY).astype(np.int64)
        return np.bincount(ago[(ago >= 0) & (ago < days)], minlength=days).astype(np.float64)

    def exposure(self, start: float, end: float) -> Exposure:
        """The wall-clock hours between two times, to the quarter of an hour."""
        local = local_seconds(np.arange(start, end, _QUARTER), self.zone)
        slot = ((day_number(local) + 3) % 7) * 24 + hour_of_day(local)
        week = np.bincount(slot, minlength=168).reshape(7, 24).astype(np.float64) * (_QUARTER / HOUR)
        return Exposure(week.sum(axis=0), week)


def gather(
    incidents: Incidents,
    window: Window,
    *,
    history_start: float | None = None,
    zone: tzinfo = UTC,
    alpha: float = 0.05,
    template_state: Mapping[str, Any] | None = None,
) -> Evidence:
    """Split a table at the window and work out what the sections share.

    ``history_start`` is since when incidents were recorded (default: the first of them); rows outside of
    ``[history_start, window.end)`` are left out. ``template_state`` is that of the report before.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha:g}")
    if history_start is None:
        history_start = float(incidents.start[0]) if len(incidents) else window.start
    history_start = min(history_start, window.start)
    history = incidents.between(history_start, window.start)
    inside = incidents.between(window.start, window.end)
    everything = incidents.between(history_start, window.end)
    templates, template_of, known, state = _templates(everything.message, template_state)
    texts = Column(template_of.astype(np.int32), tuple(template.text for template in templates))
    item = everything.name.or_else(texts).or_else(everything.resource_type)
    found = onsets(item, everything.start, history_start, window.end)
    return Evidence(
        window=window,
        history_start=history_start,
        incidents=inside,
        history=history,
        all=everything,
        local=local_seconds(everything.start, zone),
        item=item,
        template_of=template_of,
        templates=templates,
        known_templates=known,
        template_state=state,
        zone=zone,
        alpha=alpha,
        onsets=found,
        pairs=tuple(together(found, alpha)),
    )


def _templates(
    messages: Column, state: Mapping[str, Any] | None
) -> tuple[tuple[Template, ...], NDArray[np.int64], NDArray[np.bool_], Mapping[str, Any]]:
    miner = TemplateMiner() if state is None else TemplateMiner.from_state(state)
    counts = messages.counts()
    used = np.flatnonzero(counts)
    rows = miner.learn((messages.values[i] for i in used), counts[used].tolist())
    mined = miner.mined()
    of_value = np.full(counts.size + 1, UNKNOWN, dtype=np.int64)  # the last one is for unknown messages
    of_value[used] = mined.of_row[rows]
    known = np.array([template.past_count > 0 for template in mined.templates], dtype=bool)
    return mined.templates, of_value[messages.codes], known, miner.state()
