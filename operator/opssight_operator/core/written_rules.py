"""Is a rule that Prometheus lists the one that was written? By name, labels, durations and syntax tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..api.base import seconds
from .observation import Labels, LoadedRule
from .readings import Reading, reading_of, same


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """A rule as it stands in an object; a duration is None where it is not known, or means nothing."""

    name: str
    labels: Labels
    reading: Reading
    for_seconds: float | None = None
    keep_firing_for_seconds: float | None = None


def written_rule(rule: Mapping[str, Any]) -> WrittenRule:
    """A rule of a group of a PrometheusRule."""
    labels = {str(name): str(value) for name, value in (rule.get("labels") or {}).items()}
    reading = reading_of(str(rule.get("expr", "")))
    if "alert" not in rule:
        return WrittenRule(str(rule.get("record", "")), labels, reading)
    durations = (duration_of(rule, "for"), duration_of(rule, "keep_firing_for"))
    return WrittenRule(str(rule["alert"]), labels, reading, *durations)


def duration_of(rule: Mapping[str, Any], name: str) -> float | None:
    """Seconds of a duration of a rule, 0 when it has none; None for one that only Prometheus can read."""
    text = str(rule.get(name) or "0s")
    try:
        return 0.0 if text == "0" else seconds(text)
    except ValueError:
        return None


def not_listed(written: Iterable[WrittenRule], listed: Sequence[LoadedRule]) -> int:
    """How many of the written rules are not among those that Prometheus lists; each of these counts for one."""
    added = _added_labels(listed)
    waiting: dict[tuple[str, Any, Any], list[tuple[LoadedRule, Reading]]] = defaultdict(list)
    for rule in listed:
        reading = reading_of(rule.query)
        waiting[rule.name, frozenset(rule.labels.items()), reading.form].append((rule, reading))
    missing = 0
    for wanted in written:
        labels = {**added, **wanted.labels}  # prometheus-operator may add labels of its own
        candidates = waiting[wanted.name, frozenset(labels.items()), wanted.reading.form]
        fitting = (at for at, (rule, reading) in enumerate(candidates) if _is(wanted, rule, reading, added))
        at = next(fitting, None)
        if at is None:
            missing += 1
        else:
            candidates.pop(at)
    return missing


def is_listed_as(written: WrittenRule, rule: LoadedRule) -> bool:
    """Whether ``rule`` is the written one, but for labels that were added to it."""
    if rule.name != written.name or not written.labels.items() <= rule.labels.items():
        return False
    added = {name: value for name, value in rule.labels.items() if name not in written.labels}
    return _is(written, rule, reading_of(rule.query), added)


def _added_labels(listed: Sequence[LoadedRule]) -> dict[str, str]:
    """The labels that all rules of a group have in common, among them those that prometheus-operator adds to each."""
    common = set(listed[0].labels.items()) if listed else set()
    for rule in listed:
        common &= rule.labels.items()
    return dict(common)


def _is(written: WrittenRule, rule: LoadedRule, reading: Reading, added: Labels) -> bool:
    return (
        _agree(written.for_seconds, rule.for_seconds)
        and _agree(written.keep_firing_for_seconds, rule.keep_firing_for_seconds)
        and same(written.reading, reading, added)
    )


def _agree(written: float | None, listed: float | None) -> bool:
    return written is None or listed is None or written == listed
