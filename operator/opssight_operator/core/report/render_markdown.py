"""A report as Markdown, for a terminal, a chat or a pull request."""

from __future__ import annotations

import re

from opssight_detectors.patterns.findings import Table
from opssight_detectors.patterns.report import Report

from .view import (
    MOST_CHANGES,
    compared_words,
    incidents_words,
    sections_with_findings,
    shown_findings,
    silent_sections,
    window_words,
)

_SPECIAL = re.compile(r"([\\`*\[\]<|])")
_BACKTICKS = re.compile(r"`+")


def escaped(text: str) -> str:
    """Text from outside, such that it is shown as it is: no markup, no HTML, one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def render_markdown(report: Report) -> str:
    """The whole report; ends with a line end."""
    lines = [f"# {escaped(report.title)}", "", window_words(report), ""]
    summary = report.summary
    usual = summary.incidents_per_day_before
    before = "" if usual is None else f", {usual:.1f} a day over the {summary.history_days:.0f} days before"
    lines += [f"**{incidents_words(summary.incidents)}**, {summary.ongoing:,} without an end{before}.", ""]
    if report.highlights:
        lines += ["## Highlights", "", *(f"- {escaped(sentence)}" for sentence in report.highlights), ""]
    if report.comparison is not None:
        lines += ["## Since the report before", "", compared_words(report), ""]
        for word, changes in (("New", report.comparison.new), ("Gone", report.comparison.gone)):
            lines += [f"- {word}: {escaped(change.sentence)}" for change in changes[:MOST_CHANGES]]
            if len(changes) > MOST_CHANGES:
                lines.append(f"- {word}: {len(changes) - MOST_CHANGES} more")
        lines.append("")
    for section in sections_with_findings(report):
        lines += [f"## {section.title}", ""]
        for finding in shown_findings(section):
            lines += [f"- {escaped(finding.sentence)}  ", f"  {escaped(finding.small_print)}", ""]
            if finding.table is not None:
                lines += [*_table(finding.table), ""]
            if finding.suggestion is not None:
                fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(finding.suggestion.text)), default=0))
                lines += [f"  {escaped(finding.suggestion.target)}", "", f"{fence}yaml"]
                lines += [finding.suggestion.text.rstrip("\n"), fence, ""]
    if silent_sections(report):
        lines += ["## Nothing to tell", ""]
        lines += [f"- {section.title}: {escaped(section.note)}." for section in silent_sections(report)]
        lines.append("")
    lines += [
        "---",
        f"Claims with a p-value are corrected: at most {report.level:.0%} of reports on chance alone make one.",
        f"Digest {report.digest[:12]}.",
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _table(table: Table) -> list[str]:
    header = "| " + " | ".join(map(escaped, table.header)) + " |"
    rule = "|" + " --- |" * len(table.header)
    return [header, rule, *("| " + " | ".join(map(escaped, row)) + " |" for row in table.rows)]
