"""Episodes across evaluations: what was known before goes on, so that a restart gives the same answer.

The judged window is judged anew each time. An episode that it shows is matched with the one in status
that it overlaps: start and peak are kept, an open one may close, a closed one may go on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opssight_detectors.episodes import Episode
from opssight_detectors.explain import moment
from opssight_detectors.severity import severity_of

from ..api.detector_status import Anomaly
from .judgement import SeriesJudgement, SeriesKey, series_key
from .numbers import number_or_none, number_text
from .timing import rfc3339, seconds_of
from .windows import DetectorWindows

MAX_EPISODES = 20

_Pair = tuple[Anomaly | None, Anomaly]  # as it was known, as it is now


@dataclass(frozen=True, slots=True)
class Episodes:
    """``all`` episodes of the detector, and which of them began or ended since the last evaluation."""

    all: tuple[Anomaly, ...]
    started: tuple[Anomaly, ...]
    ended: tuple[Anomaly, ...]
    moved: tuple[Anomaly, ...] = ()
    """Those whose level was accepted as the new baseline just now."""

    @property
    def open_since(self) -> dict[SeriesKey, str]:
        """The start of each open episode by its series."""
        return {series_key(a.query, a.labels): a.start for a in self.all if a.end is None}


def merged(previous: Sequence[Anomaly], judged: Iterable[SeriesJudgement], windows: DetectorWindows) -> Episodes:
    """The episodes of the judged window merged with the ``previous`` ones of the status."""
    before: dict[SeriesKey, list[Anomaly]] = defaultdict(list)
    for anomaly in previous:
        before[series_key(anomaly.query, anomaly.labels)].append(anomaly)
    pairs: list[_Pair] = []
    for series in judged:
        pairs.extend(_merge_series(series, before.pop(series.key, []), windows))
    for gone in before.values():  # series that the query no longer returns
        pairs.extend((anomaly, _closed(anomaly, windows.judged_from)) for anomaly in gone)
    pairs = [(was, _accepted(now, windows)) for was, now in pairs]
    # One that began before the shortest judged window was forgotten by a full list and is no news.
    fresh = windows.now - windows.lookback
    return Episodes(
        all=tuple(now for _, now in pairs),
        started=tuple(now for was, now in pairs if was is None and seconds_of(now.start) > fresh),
        ended=tuple(now for was, now in pairs if was is not None and was.end is None and now.end is not None),
        moved=tuple(now for was, now in pairs if now.moved_at and (was is None or not was.moved_at)),
    )


def newest(episodes: Iterable[Anomaly], limit: int = MAX_EPISODES) -> list[Anomaly]:
    """At most ``limit`` episodes, the newest first; an open one is never dropped for a closed one."""
    by_time = sorted(episodes, key=lambda a: (a.query, sorted(a.labels.items())))
    by_time.sort(key=lambda a: a.start, reverse=True)
    kept = sorted(by_time, key=lambda a: a.end is not None)[:limit]
    return [a for a in by_time if any(a is k for k in kept)]


def _merge_series(series: SeriesJudgement, known: Sequence[Anomaly], windows: DetectorWindows) -> list[_Pair]:
    left = sorted(known, key=lambda a: a.start)
    pairs: list[_Pair] = []
    for number, (episode, explanation) in enumerate(zip(series.episodes, series.explanations, strict=True)):
        seen = _anomaly(series, number, episode, explanation, windows)
        match = next((a for a in left if _same(a, seen, windows)), None)
        if match is not None:
            left.remove(match)
        pairs.append((match, seen if match is None else _continued(match, seen)))
    pairs.extend((a, _closed(a, windows.judged_from)) for a in left)
    return pairs


def _same(known: Anomaly, seen: Anomaly, windows: DetectorWindows) -> bool:
    """Whether both are one episode: they overlap, or an open one is seen again after no more than a gap."""
    start, end = seconds_of(known.start), seconds_of(known.end) if known.end else math.inf
    seen_start, seen_end = seconds_of(seen.start), seconds_of(seen.end) if seen.end else math.inf
    if known.end is None and start < windows.judged_from:
        return seen_start <= windows.judged_from + windows.gap_tolerance
    if known.end is None:
        return seen_end >= start and seen_start <= start + windows.gap_tolerance
    return seen_start <= end and seen_end >= start


def _continued(known: Anomaly, seen: Anomaly) -> Anomaly:
    """``known`` as it is now: its own start, the higher of both peaks, the later end."""
    if known.end is not None and seen.end is not None and seconds_of(seen.end) <= seconds_of(known.end):
        return known
    # While the whole episode is in the window the peak is measured anew, else the one that was seen counts.
    whole = seconds_of(seen.start) <= seconds_of(known.start)
    peak = seen if whole or float(seen.peak_score) > float(known.peak_score) else known
    explanation = peak.explanation.replace(moment(seconds_of(peak.start)), moment(seconds_of(known.start)))
    return peak.model_copy(
        update={"start": known.start, "end": seen.end, "moved_at": known.moved_at, "explanation": explanation}
    )


def _accepted(anomaly: Anomaly, windows: DetectorWindows) -> Anomaly:
    """An episode that is open for as long as ``acceptAfter`` says is the new baseline from now on."""
    lasted = windows.now - seconds_of(anomaly.start)
    if anomaly.end is not None or anomaly.moved_at is not None or lasted < windows.accept_after:
        return anomaly
    return anomaly.model_copy(update={"moved_at": rfc3339(windows.now)})


def _closed(anomaly: Anomaly, at: float) -> Anomaly:
    """An open episode that is not seen any more has ended by ``at``."""
    if anomaly.end is not None:
        return anomaly
    return anomaly.model_copy(update={"end": rfc3339(max(at, seconds_of(anomaly.start)))})


def _anomaly(
    series: SeriesJudgement, number: int, episode: Episode, explanation: str, windows: DetectorWindows
) -> Anomaly:
    silent = windows.now - episode.end > windows.missing_tolerance
    return Anomaly(
        query=series.query,
        labels=dict(series.labels),
        start=rfc3339(episode.start),
        end=None if episode.is_open and not silent else rfc3339(episode.end),
        peak=number_text(episode.peak),
        peak_score=number_text(episode.peak_score),
        expected=number_or_none(episode.expected),
        deviation=number_or_none(episode.deviation),
        severity=severity_of(episode.peak_score).label,
        contributions=list(series.at_peaks[number]) if series.at_peaks else [],
        explanation=explanation,
    )
