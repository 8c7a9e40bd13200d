"""Which resource types, namespaces and services have more of the incidents than they used to have.

With a week of history, the share of a value among the window's incidents is tested against its share before by
Fisher's exact test, its counts weighed down by how much they scatter from day to day. Without, it is tested against an
even spread over the values seen.
"""

from __future__ import annotations

import math

import numpy as np

from ..columns import Column
from ..evidence import Evidence
from ..findings import BarPlot, Finding, Outcome, Statistic, nothing
from ..phrases import count, percent, where
from ..stats import benjamini_hochberg, binomial_tail, dispersion_of, hypergeometric_tail

SECTION = "ResourceTypes"
MIN_INCIDENTS = 5
MIN_RATIO = 1.5
_BARS = 8


def resource_types(evidence: Evidence) -> Outcome:
    """At most one finding for each value whose share grew."""
    n = len(evidence.incidents)
    if n < MIN_INCIDENTS:
        return nothing(f"{count(n, 'incident')} in the window, at least {MIN_INCIDENTS} are needed")
    columns = {
        "resource type": evidence.all.resource_type,
        "namespace": evidence.all.namespace,
        "service": evidence.all.service,
    }
    candidates = [(what, column, i) for what, column in columns.items() for i in range(len(column.values))]
    tested = [_test(evidence, column, i) for _, column, i in candidates]
    adjusted = benjamini_hochberg(np.array([p for p, _ in tested]))
    findings = [
        _finding(evidence, what, column, i, p, float(q), expected)
        for (what, column, i), (p, expected), q in zip(candidates, tested, adjusted, strict=True)
        if q <= evidence.alpha
    ]
    findings.sort(key=lambda finding: (finding.p_value, -finding.support))
    return Outcome(tuple(findings)) if findings else nothing("no part of the system had more than its usual share")


def _test(evidence: Evidence, column: Column, value: int) -> tuple[float, float]:
    """The p-value of a value's share in the window, and the share that was to be expected."""
    inside = evidence.in_window
    rows = column.codes == value
    n, k = int((column.known & inside).sum()), int((rows & inside).sum())
    if not evidence.has_history:
        values = len(np.unique(column.codes[column.known & inside]))
        expected = 1.0 / max(values, 1)
        too_few = k < MIN_INCIDENTS or values < 2 or k < MIN_RATIO * expected * n
        return (1.0 if too_few else binomial_tail(k, n, expected)), expected
    past_n, past_k = int((column.known & ~inside).sum()), int((rows & ~inside).sum())
    expected = past_k / past_n if past_n else 0.0
    if k < MIN_INCIDENTS or past_n < MIN_INCIDENTS or k < MIN_RATIO * expected * n:
        return 1.0, expected
    scatter = dispersion_of(evidence.daily_counts(rows[~inside]))
    k_now, k_past = math.floor(k / scatter), math.ceil(past_k / scatter)
    others_now, others_past = math.ceil((n - k) / scatter), math.floor((past_n - past_k) / scatter)
    now = k_now + others_now
    return hypergeometric_tail(k_now, now + k_past + others_past, k_now + k_past, now), expected


def _finding(evidence: Evidence, what: str, column: Column, value: int, p: float, q: float, expected: float) -> Finding:
    inside = evidence.in_window
    name, here = column.values[value], column.take(inside)
    counts = here.counts()
    n, k = int(counts.sum()), int(counts[value])
    usual = "it used to be" if evidence.has_history else "an even spread would be"
    place = where(evidence.incidents.take(here.codes == value)) if what == "resource type" else ""
    order = np.argsort(-counts, kind="stable")[:_BARS]
    order = order[(counts[order] > 0) | (order == value)]
    past = column.take(~inside).counts()
    scale = n / past.sum() if evidence.has_history else 0.0
    return Finding(
        section=SECTION,
        kind={"resource type": "ResourceType", "namespace": "Namespace", "service": "Service"}[what],
        subject=name,
        sentence=(
            f"The {what} {name} had {k:,} of {count(n, 'incident')}{place} ({percent(k / n)}); "
            f"{usual} {percent(expected)}."
        ),
        support=k,
        statistic=Statistic("ratio of shares", k / n / expected if expected > 0 else math.inf),
        p_value=p,
        adjusted_p_value=q,
        highlight=True,
        plot=BarPlot(
            title=f"Incidents by {what}",
            labels=tuple(column.values[i] for i in order),
            values=tuple(float(counts[i]) for i in order),
            expected=tuple(float(past[i] * scale) if scale else n / len(counts[counts > 0]) for i in order),
            highlighted=tuple(int(j) for j in np.flatnonzero(order == value)),
            unit="incidents",
        ),
    )
