"""Which alerts take up the most attention: their share of the episodes, and how soon they go away by themselves.

A share is tested against an even spread over the alerts of the window. That an alert never lasted longer than X is an
observation; after ``n`` episodes, at most ``3 / n`` of them last longer, with 95% confidence (the rule of three). A
longer ``for`` is suggested for informational alerts and warnings alone: of a worse one, people want to know at once.
"""

from __future__ import annotations

import numpy as np

from ..evidence import Evidence
from ..findings import BarPlot, Finding, Outcome, Statistic, Suggestion, Table, nothing
from ..phrases import count, duration, percent, prometheus_duration, where
from ..stats import benjamini_hochberg, binomial_tail

SECTION = "NoisyAlerts"
MIN_EPISODES = 5
MIN_SHARE = 0.2
MIN_RATIO = 2.0
SHORT_LIVED_SECONDS = 900.0
MIN_SHORT_LIVED = 10
WARNING = 2.0
_TOP = 10


def noisy_alerts(evidence: Evidence) -> Outcome:
    """Alerts with far more than their share, and alerts that always go away soon."""
    items = evidence.item.take(evidence.in_window)
    counts, n = items.counts(), int(items.known.sum())
    present = np.flatnonzero(counts)
    if n < MIN_EPISODES:
        return nothing(f"{count(n, 'episode')} in the window, at least {MIN_EPISODES} are needed")
    findings = [*_large_share(evidence, counts, present, n), *_short_lived(evidence, counts, present)]
    return Outcome(tuple(findings)) if findings else nothing("no alert had much more than its share")


def _large_share(evidence: Evidence, counts: np.ndarray, present: np.ndarray, n: int) -> list[Finding]:
    items = evidence.item.take(evidence.in_window)
    even = 1.0 / present.size
    p_values = np.array(
        [
            binomial_tail(int(counts[i]), n, even)
            if present.size > 1 and counts[i] >= max(MIN_EPISODES, n * max(MIN_SHARE, MIN_RATIO * even))
            else 1.0
            for i in present
        ]
    )
    adjusted = benjamini_hochberg(p_values)
    order = present[np.argsort(-counts[present], kind="stable")][:_TOP]
    findings = []
    for j in np.argsort(p_values, kind="stable").tolist():
        if adjusted[j] > evidence.alpha or p_values[j] >= 1.0:
            continue
        i = int(present[j])
        rows = evidence.incidents.take(items.codes == i)
        lasted = rows.duration[~np.isnan(rows.duration)]
        mean = f"; mean time to resolve {duration(float(lasted.mean()))}" if lasted.size else ""
        findings.append(
            Finding(
                section=SECTION,
                kind="LargeShare",
                subject=items.values[i],
                sentence=(
                    f"{items.values[i]}{where(rows)} made up {percent(counts[i] / n)} of {count(n, 'episode')} "
                    f"({counts[i]:,}){mean}."
                ),
                support=int(counts[i]),
                statistic=Statistic("share", float(counts[i] / n)),
                p_value=float(p_values[j]),
                adjusted_p_value=float(adjusted[j]),
                highlight=True,
                table=_table(evidence, order.tolist(), n),
                plot=BarPlot(
                    title="Episodes by alert",
                    labels=tuple(items.values[k] for k in order),
                    values=tuple(float(counts[k]) for k in order),
                    expected=(),
                    highlighted=tuple(int(k) for k in np.flatnonzero(order == i)),
                    unit="episodes",
                ),
            )
        )
    return findings


def _table(evidence: Evidence, order: list[int], n: int) -> Table:
    codes = evidence.item.codes[evidence.in_window]
    rows = []
    for i in order:
        lasted = evidence.incidents.duration[codes == i]
        ended = lasted[~np.isnan(lasted)]
        spoken = [duration(float(f(ended))) if ended.size else "—" for f in (np.mean, np.median, np.max)]
        rows.append((evidence.item.values[i], f"{lasted.size:,}", percent(lasted.size / n), *spoken))
    return Table(("alert", "episodes", "share", "mean time to resolve", "median", "longest"), tuple(rows))


def _short_lived(evidence: Evidence, counts: np.ndarray, present: np.ndarray) -> list[Finding]:
    """Over window and history: a rule for the future needs more than one day."""
    names = evidence.item
    lasted, ranks = evidence.all.duration, evidence.all.severity_rank()
    findings = []
    for i in present[np.argsort(-counts[present], kind="stable")].tolist():
        mine = lasted[names.codes == i]
        ended = mine[~np.isnan(mine)]
        if (
            counts[i] < MIN_EPISODES
            or ended.size < max(MIN_SHORT_LIVED, mine.size)
            or not 0.0 < ended.max() <= SHORT_LIVED_SECONDS
        ):
            continue
        longest = prometheus_duration(float(ended.max()))
        findings.append(
            Finding(
                section=SECTION,
                kind="ShortLived",
                subject=names.values[i],
                sentence=(
                    f"{names.values[i]} never lasted longer than {duration(float(ended.max()))} in "
                    f"{count(int(ended.size), 'episode')} (median {duration(float(np.median(ended)))}): with 95% "
                    f"confidence at most {percent(3.0 / ended.size)} of its episodes last longer."
                ),
                support=int(ended.size),
                statistic=Statistic("longest episode, seconds", float(ended.max())),
                suggestion=Suggestion(
                    target=f"alerting rule {names.values[i]}: this much longer, and none of these would have fired",
                    text=f"for: {longest}\n",
                )
                if ranks[names.codes == i].max() <= WARNING
                else None,
            )
        )
    return findings
