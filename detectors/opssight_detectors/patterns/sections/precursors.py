"""Alerts that announce another one: the first begins five minutes to an hour before the second, beyond chance."""

from __future__ import annotations

import numpy as np

from ..association import Association, Onsets, lead_times, precursors
from ..evidence import Evidence
from ..findings import Finding, Outcome, Statistic, nothing
from ..phrases import count, duration, percent

SECTION = "Precursors"
_MAX_FINDINGS = 10


def precursor_rules(evidence: Evidence) -> Outcome:
    """One finding a rule "after A comes B", if A or B began in the window."""
    found = evidence.onsets
    if found.items.size < 2:
        return nothing("fewer than two alerts began three times or more")
    same_time = {(pair.first, pair.second) for pair in evidence.pairs}
    rules = precursors(found, evidence.alpha, same_time)
    recent = set(np.unique(evidence.item.codes[evidence.in_window]).tolist())
    rules = [rule for rule in rules if {int(found.items[rule.first]), int(found.items[rule.second])} & recent]
    findings = tuple(_finding(evidence, found, rule) for rule in rules[:_MAX_FINDINGS])
    return Outcome(findings) if findings else nothing("no alert announced another one more often than chance")


def _finding(evidence: Evidence, found: Onsets, rule: Association) -> Finding:
    first, second = int(found.items[rule.first]), int(found.items[rule.second])
    starts = evidence.all.start
    lead = lead_times(starts[evidence.item.codes == first], starts[evidence.item.codes == second])
    before, after = evidence.item.values[first], evidence.item.values[second]
    return Finding(
        section=SECTION,
        kind="Precursor",
        subject=f"{before} → {after}",
        sentence=(
            f"{before} came before {after} {count(rule.support, 'time')}, typically "
            f"{duration(float(np.median(lead)))} earlier: {percent(rule.coverage)} of {after} were announced so, and "
            f"{percent(rule.confidence)} of {before} were followed by it within the hour "
            f"({rule.lift:.1f} times what chance gives)."
        ),
        support=rule.support,
        statistic=Statistic("lift", rule.lift),
        p_value=rule.p_value,
        adjusted_p_value=rule.adjusted_p_value,
        highlight=True,
    )
