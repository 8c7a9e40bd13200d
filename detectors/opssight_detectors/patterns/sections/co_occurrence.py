"""Alerts that begin together more often than chance, and what to tell Alertmanager about those that always do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..alertmanager import grouping, inhibition, is_label_name
from ..association import Association, Onsets, matched_rows
from ..evidence import Evidence
from ..findings import Finding, Outcome, Statistic, Suggestion, Table, TimelinePlot, TimelineRow, nothing
from ..phrases import count, listing, percent

SECTION = "CoOccurrence"
ALWAYS = 0.9
MIN_ALWAYS = 5
_MAX_PAIRS = 20
_MAX_DRAWN = 300


def co_occurrence(evidence: Evidence) -> Outcome:
    """A finding a pair, then the groups that always fire together, then the rules that could mute one of two."""
    found = evidence.onsets
    if found.items.size < 2:
        return nothing("fewer than two alerts began three times or more")
    pairs = list(evidence.pairs)
    if not pairs:
        return nothing("no two alerts began together more often than chance would have it")
    recent = {i for i, item in enumerate(found.items) if (evidence.item.codes[evidence.in_window] == item).any()}
    pairs = [pair for pair in pairs if pair.first in recent or pair.second in recent]
    always = [pair for pair in pairs if pair.support >= MIN_ALWAYS and max(pair.confidence, pair.coverage) >= ALWAYS]
    both = [pair for pair in always if min(pair.confidence, pair.coverage) >= ALWAYS]
    groups = [_group(evidence, found, members) for members in components(both)]
    ranks = evidence.all.severity_rank()
    rules = [rule for pair in always if (rule := _inhibition(evidence, found, pair, ranks))]
    singles = [_pair(evidence, found, pair) for pair in pairs[:_MAX_PAIRS]]
    findings = (*groups, *singles, *rules)
    return Outcome(findings) if findings else nothing("no alerts of this window began together more than by chance")


def components(pairs: list[Association]) -> list[list[int]]:
    """The positions that the pairs connect, one sorted list a connected group."""
    group_of: dict[int, set[int]] = {}
    for pair in pairs:
        merged = group_of.get(pair.first, {pair.first}) | group_of.get(pair.second, {pair.second})
        for member in merged:
            group_of[member] = merged
    return sorted(sorted(group) for group in {frozenset(group) for group in group_of.values()})


@dataclass(frozen=True, slots=True)
class _Names:
    first: str
    second: str


def _names(evidence: Evidence, found: Onsets, pair: Association) -> _Names:
    return _Names(
        evidence.item.values[found.items[pair.first]],
        evidence.item.values[found.items[pair.second]],
    )


def _pair(evidence: Evidence, found: Onsets, pair: Association) -> Finding:
    names = _names(evidence, found, pair)
    one, other = sorted((names.first, names.second))
    return Finding(
        section=SECTION,
        kind="Pair",
        subject=f"{one} & {other}",
        sentence=(
            f"{names.first} and {names.second} began within five minutes of each other {count(pair.support, 'time')}: "
            f"{percent(pair.confidence)} of the former and {percent(pair.coverage)} of the latter, "
            f"{pair.lift:.0f} times what chance gives."
        ),
        support=pair.support,
        statistic=Statistic("lift", pair.lift),
        p_value=pair.p_value,
        adjusted_p_value=pair.adjusted_p_value,
        highlight=pair.support >= MIN_ALWAYS,
        plot=_timeline(evidence, (names.first, names.second), f"{names.first} and {names.second}"),
    )


def _timeline(evidence: Evidence, names: tuple[str, ...], title: str) -> TimelinePlot:
    """The last times that any of the items began, over window and history as far back as drawn."""
    codes = {name: evidence.item.values.index(name) for name in names}
    rows = np.flatnonzero(np.isin(evidence.item.codes, list(codes.values())))[-_MAX_DRAWN:]
    start = evidence.all.start[rows]
    end = evidence.all.end[rows]
    end = np.where(np.isnan(end), start, np.minimum(end, evidence.window.end))
    of = evidence.item.codes[rows]
    return TimelinePlot(
        title=title,
        start=min(float(start[0]), evidence.window.start),
        end=evidence.window.end,
        rows=tuple(
            TimelineRow(name, tuple(start[of == code].tolist()), tuple(end[of == code].tolist()))
            for name, code in codes.items()
        ),
    )


def _equal_labels(evidence: Evidence, first: int, second: int) -> tuple[str, ...]:
    """Labels that the two alerts share with equal values every time they fire together (codes of items)."""
    a, b = matched_rows(evidence.all.start, evidence.item, first, second)
    combinations = np.unique(np.stack([evidence.all.labels.codes[a], evidence.all.labels.codes[b]]), axis=1)
    shared: set[str] | None = None
    for one, other in combinations.T.tolist():
        left, right = evidence.all.labels.sets[one], evidence.all.labels.sets[other]
        equal = {name for name, value in left.items() if right.get(name) == value}
        shared = equal if shared is None else shared & equal
    useful = sorted(name for name in shared or () if is_label_name(name) and name not in ("alertname", "severity"))
    return tuple(useful)


def _group(evidence: Evidence, found: Onsets, members: list[int]) -> Finding:
    items = [int(found.items[member]) for member in members]
    names = tuple(sorted(evidence.item.values[item] for item in items))
    labels = set(_equal_labels(evidence, items[0], items[1]))
    for item in items[2:]:
        labels &= set(_equal_labels(evidence, items[0], item))
    together_times = int(found.began[:, members].sum(axis=0).min())
    return Finding(
        section=SECTION,
        kind="AlwaysTogether",
        subject=" & ".join(names),
        sentence=(
            f"{listing(names, most=6)} always fire together ({count(together_times, 'time')}): "
            f"one notification would do."
        ),
        support=together_times,
        highlight=True,
        suggestion=Suggestion(target="Alertmanager: one group for them", text=grouping(names, tuple(sorted(labels)))),
    )


def _inhibition(evidence: Evidence, found: Onsets, pair: Association, ranks: NDArray[np.float64]) -> Finding | None:
    """If the less severe alert never comes without the more severe one, the latter can mute it."""
    first, second = int(found.items[pair.first]), int(found.items[pair.second])
    rank = {code: ranks[evidence.item.codes == code] for code in (first, second)}
    if any(np.isnan(values).any() for values in rank.values()):
        return None
    if rank[first].min() > rank[second].max() and pair.coverage >= ALWAYS:
        source, target, share = first, second, pair.coverage
    elif rank[second].min() > rank[first].max() and pair.confidence >= ALWAYS:
        source, target, share = second, first, pair.confidence
    else:
        return None
    labels = _equal_labels(evidence, source, target)
    if not labels and evidence.all.labels.sets != ({},):
        return None  # without a label in common, the rule would mute the alert everywhere
    by, muted = evidence.item.values[source], evidence.item.values[target]
    return Finding(
        section=SECTION,
        kind="Inhibition",
        subject=f"{by} mutes {muted}",
        sentence=f"{percent(share)} of {muted} came with {by}, which is more severe and could mute it.",
        support=pair.support,
        statistic=Statistic("share", share),
        p_value=pair.p_value,
        adjusted_p_value=pair.adjusted_p_value,
        table=Table(("source", "target", "equal"), ((by, muted, ", ".join(labels)),)),
        suggestion=Suggestion(target="Alertmanager: inhibition", text=inhibition(by, muted, labels)),
    )
