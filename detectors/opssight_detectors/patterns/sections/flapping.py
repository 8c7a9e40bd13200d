"""Alerts that resolve and fire again within minutes.

A series flaps when more of its gaps between two episodes are short than starts scattered at random over the same time
would give: of ``m`` random starts, a gap is shorter than ``g`` with probability ``1 - (1 - g / T) ** m``.
"""

from __future__ import annotations

import numpy as np

from ..evidence import Evidence
from ..findings import Finding, Outcome, Statistic, Suggestion, TimelinePlot, TimelineRow, nothing
from ..phrases import count, duration, prometheus_duration, where
from ..stats import benjamini_hochberg, binomial_tail

SECTION = "Flapping"
MAX_GAP_SECONDS = 900.0
MIN_RESTARTS = 3
_MAX_DRAWN = 200


def flapping(evidence: Evidence) -> Outcome:
    """One finding for each alert, with its worst series as the example."""
    incidents, window = evidence.incidents, evidence.window
    items = evidence.item.take(evidence.in_window)
    key = items.codes.astype(np.int64) * max(1, len(incidents.labels.sets)) + incidents.labels.codes
    series, of_row = np.unique(key, return_inverse=True)
    if not series.size:
        return nothing("no incidents in the window")
    order = np.lexsort((incidents.start, of_row))
    bounds = np.searchsorted(of_row[order], np.arange(series.size + 1))
    p_values = np.ones(series.size)
    restarts: list[np.ndarray] = []
    for i in range(series.size):
        rows = order[bounds[i] : bounds[i + 1]]
        start = incidents.start[rows]
        end = np.where(np.isnan(incidents.end[rows]), start, incidents.end[rows])
        gaps = start[1:] - end[:-1]
        short = gaps[(gaps >= 0) & (gaps <= MAX_GAP_SECONDS)]
        restarts.append(short)
        if short.size < MIN_RESTARTS or items.codes[rows[0]] < 0:
            continue
        quiet = max(window.seconds - float((end - start).sum()), 2.0 * MAX_GAP_SECONDS)
        chance = 1.0 - (1.0 - MAX_GAP_SECONDS / quiet) ** rows.size
        p_values[i] = binomial_tail(int(short.size), rows.size - 1, chance)
    adjusted = benjamini_hochberg(p_values)
    worst: dict[int, tuple[float, int]] = {}
    for i in np.flatnonzero((adjusted <= evidence.alpha) & (p_values < 1.0)).tolist():
        item = int(items.codes[order[bounds[i]]])
        worst[item] = min(worst.get(item, (np.inf, i)), (float(p_values[i]), i))
    findings = [
        _finding(evidence, order[bounds[i] : bounds[i + 1]], restarts[i], p, float(adjusted[i]), items.values[item])
        for item, (p, i) in worst.items()
    ]
    findings.sort(key=lambda finding: (finding.p_value or 0.0, -finding.support))
    return Outcome(tuple(findings)) if findings else nothing("no alert fired again and again within minutes")


def _finding(evidence: Evidence, rows: np.ndarray, restarts: np.ndarray, p: float, q: float, name: str) -> Finding:
    incidents, window = evidence.incidents.take(rows), evidence.window
    keep = prometheus_duration(float(restarts.max()))
    ends = np.where(np.isnan(incidents.end), window.end, np.minimum(incidents.end, window.end))
    first, last = float(incidents.start[0]), float(ends.max())
    margin = max(0.05 * (last - first), 300.0)
    return Finding(
        section=SECTION,
        kind="Flapping",
        subject=name,
        sentence=(
            f"{name}{where(incidents)} fired {count(rows.size, 'time')} and came back {count(restarts.size, 'time')} "
            f"within {duration(float(restarts.max()))} of having resolved."
        ),
        support=int(restarts.size),
        statistic=Statistic("share of short gaps", restarts.size / max(1, rows.size - 1)),
        p_value=p,
        adjusted_p_value=q,
        highlight=True,
        plot=TimelinePlot(
            title=f"{name}: when it fired",
            start=first - margin,
            end=last + margin,
            rows=(TimelineRow(name, tuple(incidents.start[:_MAX_DRAWN].tolist()), tuple(ends[:_MAX_DRAWN].tolist())),),
        ),
        suggestion=Suggestion(
            target=f"alerting rule {name}: stay firing across the short gaps", text=f"keep_firing_for: {keep}\n"
        ),
    )
