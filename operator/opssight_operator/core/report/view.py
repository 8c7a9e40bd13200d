"""What both renderers show: sections with findings, each plot and table once, and small numbers in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from opssight_detectors.patterns.findings import BarPlot, Finding, Plot, Suggestion, Table
from opssight_detectors.patterns.report import Report, SectionReport

MOST_CHANGES = 10  # of each kind that are listed; the JSON has them all


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding as shown; ``plot`` and ``table`` are left out where another finding shows them already."""

    sentence: str
    small_print: str
    plot: Plot | None
    table: Table | None
    suggestion: Suggestion | None


def shown_findings(section: SectionReport) -> list[Shown]:
    """The findings of a section; bar charts of one title become one, with all of its news highlighted."""
    marks: dict[str, set[int]] = {}
    for finding in section.findings:
        if isinstance(finding.plot, BarPlot):
            marks.setdefault(finding.plot.title, set()).update(finding.plot.highlighted)
    seen_plots: set[str] = set()
    seen_tables: set[Table] = set()
    shown = []
    for finding in section.findings:
        plot, table = finding.plot, finding.table
        if plot is not None and plot.title in seen_plots:
            plot = None
        elif isinstance(plot, BarPlot):
            plot = replace(plot, highlighted=tuple(sorted(marks[plot.title])))
        if table in seen_tables:
            table = None
        seen_plots.update([plot.title] if plot else [])
        seen_tables.update([table] if table else [])
        shown.append(Shown(finding.sentence, small_print(finding), plot, table, finding.suggestion))
    return shown


def sections_with_findings(report: Report) -> list[SectionReport]:
    """Those that have something to tell, in the order of the report."""
    return [section for section in report.sections if section.findings]


def silent_sections(report: Report) -> list[SectionReport]:
    """Those that were asked and found nothing."""
    return [section for section in report.sections if not section.findings]


def small_print(finding: Finding) -> str:
    """``support 12 · lift 4.2 · p 0.0003 (corrected 0.001)``."""
    parts = [f"support {finding.support:,}"]
    if finding.statistic is not None and abs(finding.statistic.value) != float("inf"):
        parts.append(f"{finding.statistic.name} {number(finding.statistic.value)}")
    if finding.p_value is not None:
        corrected = "" if finding.adjusted_p_value is None else f" (corrected {chance(finding.adjusted_p_value)})"
        parts.append(f"p {chance(finding.p_value)}{corrected}")
    return " · ".join(parts)


def number(value: float) -> str:
    """Three digits, without an exponent where that is readable."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def chance(p: float) -> str:
    """A p-value to one digit, or that it is tiny."""
    return "< 0.000001" if p < 1e-6 else f"{p:.6f}".rstrip("0")[:8] if p < 1e-3 else f"{p:.2g}"


def incidents_words(count: int) -> str:
    """``1 incident``, ``1,200 incidents``."""
    return f"{count:,} incident{'' if count == 1 else 's'}"


def window_words(report: Report) -> str:
    """``2026-01-05 00:00 to 2026-01-06 00:00 (UTC)``."""
    start, end = (text.replace("T", " ")[:16] for text in (report.window_start, report.window_end))
    return f"{start} to {end} ({report.time_zone})"


def compared_words(report: Report) -> str:
    """One sentence on the report before, or nothing."""
    comparison = report.comparison
    if comparison is None:
        return ""
    change = report.summary.incidents - comparison.previous_incidents
    more = f"{abs(change):,} {'more' if change > 0 else 'fewer'} than" if change else "as many as"
    start = comparison.previous_start.replace("T", " ")[:16]
    return (
        f"{incidents_words(report.summary.incidents)}, {more} in the report of {start}. "
        f"Findings: {len(comparison.new)} new, {len(comparison.continuing)} still there, {len(comparison.gone)} gone."
    )
