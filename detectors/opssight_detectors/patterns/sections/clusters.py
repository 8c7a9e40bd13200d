"""What kinds of incident there were: alerts that belong together are one kind, every other alert is its own.

Alerts belong together when they begin together beyond chance (``association.together``). Each kind names an exemplar:
the occasion with the most of its alerts, the latest of those.
"""

from __future__ import annotations

import numpy as np

from ..association import BIN_SECONDS
from ..evidence import Evidence
from ..findings import Finding, Outcome, Table, TimelinePlot, TimelineRow, nothing
from ..incidents import Incidents
from ..phrases import clock, count, duration, listing, moment, mostly, where

SECTION = "Clusters"
MAX_KINDS = 10
_NAMED = 3
_SAME_OCCASION_SECONDS = 2 * BIN_SECONDS
_MAX_DRAWN = 200


def clusters(evidence: Evidence) -> Outcome:
    """One finding with a row for each kind, the largest first; its sentence names the most severe of them first."""
    if not len(evidence.incidents):
        return nothing("no incidents in the window")
    kind_of = np.arange(len(evidence.item.values) + 1)
    for pair in evidence.pairs:
        one, other = kind_of[evidence.onsets.items[pair.first]], kind_of[evidence.onsets.items[pair.second]]
        kind_of[kind_of == max(one, other)] = min(one, other)
    codes = evidence.item.codes[evidence.in_window]
    kinds = np.where(codes >= 0, kind_of[codes], -1)
    occasions = {
        int(kind): _occasions(evidence, np.flatnonzero(kinds == kind)) for kind in np.unique(kinds[kinds >= 0])
    }
    if not occasions:
        return nothing("the incidents have neither a name nor a message nor a resource type")
    order = sorted(occasions, key=lambda kind: (-sum(map(len, occasions[kind])), -len(occasions[kind]), kind))
    shown = order[:MAX_KINDS]
    rows = tuple(_row(evidence, occasions[kind]) for kind in shown)
    worst = sorted(range(len(shown)), key=lambda place: (-_severity(evidence, occasions[shown[place]]), place))
    named = [_named(evidence, rows[place], occasions[shown[place]]) for place in worst[:_NAMED]]
    more = f" and {len(order) - _NAMED} more" if len(order) > _NAMED else ""
    finding = Finding(
        section=SECTION,
        kind="Kinds",
        highlight=True,
        subject="kinds of incident",
        sentence=(
            f"There {'was' if len(order) == 1 else 'were'} {count(len(order), 'kind')} of incident: "
            f"{'; '.join(named)}{more}."
        ),
        support=len(evidence.incidents),
        table=Table(("kind", "where", "incidents", "occasions", "when", "longest", "exemplar"), rows),
        plot=_timeline(evidence, [(row[0], occasions[kind]) for row, kind in zip(rows, shown, strict=True)]),
    )
    return Outcome((finding,))


def _named(evidence: Evidence, row: tuple[str, ...], occasions: list[np.ndarray]) -> str:
    """``DiskFull in shop/orders (3 incidents: 02:10, 04:00 and 06:30)``."""
    incidents = evidence.incidents.take(np.concatenate(occasions))
    return f"{row[0]}{where(incidents)} ({count(len(incidents), 'incident')}: {row[4]})"


def _severity(evidence: Evidence, occasions: list[np.ndarray]) -> float:
    """The highest severity of a kind, -1 when none is known."""
    ranks = evidence.incidents.severity_rank()[np.concatenate(occasions)]
    return float(np.max(ranks, initial=-1.0, where=~np.isnan(ranks)))


def _occasions(evidence: Evidence, rows: np.ndarray) -> list[np.ndarray]:
    """Rows of one kind, cut where more than five minutes pass without a new one."""
    gaps = np.diff(evidence.incidents.start[rows]) > _SAME_OCCASION_SECONDS
    return np.split(rows, np.flatnonzero(gaps) + 1)


def _row(evidence: Evidence, occasions: list[np.ndarray]) -> tuple[str, ...]:
    everything = np.concatenate(occasions)
    incidents, items = evidence.incidents.take(everything), evidence.item.take(evidence.in_window)
    counts = items.take(everything).counts()
    present = [items.values[i] for i in np.argsort(-counts, kind="stable") if counts[i]]
    best = occasions[-1] if len(present) == 1 else max(occasions, key=lambda r: (np.unique(items.codes[r]).size, r[0]))
    begins = [float(evidence.incidents.start[rows[0]]) for rows in occasions]
    lasted = incidents.duration[~np.isnan(incidents.duration)]
    exemplar = evidence.incidents.message[int(best[0])] or ""
    return (
        listing(present, most=5),
        where(incidents).removeprefix(" in ") or _resource(incidents),
        f"{everything.size:,}",
        f"{len(occasions):,}",
        listing([clock(begin, evidence.zone) for begin in begins], most=3),
        duration(float(lasted.max())) if lasted.size else "still going on",
        f"{moment(float(evidence.incidents.start[best[0]]), evidence.zone)}"
        + (f": {exemplar[:200]}" if exemplar else ""),
    )


def _resource(incidents: Incidents) -> str:
    known = incidents.resource_type.known.any() or incidents.namespace.known.any() or incidents.service.known.any()
    return mostly(incidents.resource_type) or ("various" if known else "—")


def _timeline(evidence: Evidence, kinds: list[tuple[str, list[np.ndarray]]]) -> TimelinePlot:
    rows = []
    for name, occasions in kinds:
        members = np.concatenate(occasions)[:_MAX_DRAWN]
        ends = evidence.incidents.end[members]
        ends = np.where(np.isnan(ends), evidence.window.end, np.minimum(ends, evidence.window.end))
        rows.append(TimelineRow(name, tuple(evidence.incidents.start[members].tolist()), tuple(ends.tolist())))
    return TimelinePlot("When each kind went on", evidence.window.start, evidence.window.end, tuple(rows))
