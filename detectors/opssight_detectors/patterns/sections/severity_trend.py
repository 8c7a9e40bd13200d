"""Whether incidents became more or less severe, over the window and from day to day.

The mean severity of each slice of time (a 24th of the window, or a day) that had incidents is tested for a monotone
trend by Mann and Kendall; ten slices or more are needed. The slope is Theil's and Sen's; a change of less than half a
severity is not told.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..evidence import Evidence
from ..findings import Finding, Outcome, Statistic, TrendPlot, nothing
from ..incidents import SEVERITY_WORDS, Incidents
from ..phrases import count, duration
from ..stats import benjamini_hochberg, mann_kendall, theil_sen_slope
from ..timestamps import DAY

SECTION = "SeverityTrend"
MIN_SLICES = 10
MIN_CHANGE = 0.5
_SLICES = 24


def severity_trend(evidence: Evidence) -> Outcome:
    """At most two findings: over the window, and over the days up to its end."""
    window, candidates = evidence.window, []
    over_window = _trend(evidence.incidents, window.start, window.end, window.seconds / _SLICES, "Window")
    if over_window:
        candidates.append(over_window)
    days = int((window.end - evidence.history_start) / DAY)
    if evidence.has_history and days >= MIN_SLICES:
        over_days = _trend(evidence.all, window.end - days * DAY, window.end, DAY, "Days")
        if over_days:
            candidates.append(over_days)
    if not candidates:
        return nothing(f"fewer than {MIN_SLICES} slices of time have incidents with a severity")
    p_values = np.array([finding.p_value for finding in candidates], dtype=np.float64)
    findings = tuple(
        replace(finding, adjusted_p_value=float(q))
        for finding, q in zip(candidates, benjamini_hochberg(p_values), strict=True)
        if q <= evidence.alpha
    )
    return Outcome(findings) if findings else nothing("severity neither rose nor fell steadily")


def _trend(incidents: Incidents, start: float, end: float, width: float, kind: str) -> Finding | None:
    means, support = _mean_severity(incidents, start, end, width)
    known = np.flatnonzero(~np.isnan(means))
    if known.size < MIN_SLICES:
        return None
    tau, p = mann_kendall(means)
    slope = theil_sen_slope(means)
    middle = float(np.median(means[known] - slope * known))
    first, last = middle + slope * float(known[0]), middle + slope * float(known[-1])
    if abs(last - first) < MIN_CHANGE or (last - first) * tau <= 0.0:
        p = 1.0
    rose = tau > 0
    verb = "rose" if rose else "fell"
    return Finding(
        section=SECTION,
        kind=kind,
        subject="rising" if rose else "falling",
        sentence=(
            f"Severity {verb} over {duration(end - start)}: from about {_word(first)} to about {_word(last)} "
            f"({count(support, 'incident')} in {count(int(known.size), 'slice')} of {duration(width)})."
        ),
        support=support,
        statistic=Statistic("Kendall's tau", tau),
        p_value=p,
        highlight=rose,
        plot=TrendPlot(
            title="Mean severity of each slice of time",
            start=start,
            end=end,
            times=tuple(float(start + (i + 0.5) * width) for i in known),
            values=tuple(float(means[i]) for i in known),
            line_from=first,
            line_to=last,
            unit="severity",
        ),
    )


def _mean_severity(incidents: Incidents, start: float, end: float, width: float) -> tuple[NDArray[np.float64], int]:
    ranks = incidents.severity_rank()
    rows = ~np.isnan(ranks) & (incidents.start >= start) & (incidents.start < end)
    slices = max(1, round((end - start) / width))
    index = np.minimum(np.floor_divide(incidents.start[rows] - start, width).astype(np.int64), slices - 1)
    n = np.bincount(index, minlength=slices)
    total = np.bincount(index, weights=ranks[rows], minlength=slices)
    return np.divide(total, n, out=np.full(slices, np.nan), where=n > 0), int(rows.sum())


def _word(rank: float) -> str:
    return SEVERITY_WORDS[int(np.clip(round(rank), 0, 4))]
