"""A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from datetime import tzinfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from opssight_detectors.patterns.report import Count, Report

from .svg import caption, draw
from .view import MOST_CHANGES, compared_words, sections_with_findings, shown_findings, silent_sections, window_words


def environment() -> Environment:
    """The templates of the pages; everything from outside is escaped."""
    return Environment(
        loader=PackageLoader("opssight_operator.core.report", package_path="templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_html(report: Report, zone: tzinfo) -> str:
    """The page; ``zone`` is that of the times on the axes, the one the report was made with."""
    summary = report.summary
    breakdowns: tuple[tuple[str, tuple[Count, ...]], ...] = (
        ("Alerts", summary.alerts),
        ("Severities", summary.severities),
        ("Resource types", summary.resource_types),
        ("Namespaces", summary.namespaces),
        ("Services", summary.services),
    )
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            window=window_words(report),
            compared=compared_words(report),
            breakdowns=[(title, counts) for title, counts in breakdowns if counts],
            sections=[(section, shown_findings(section)) for section in sections_with_findings(report)],
            silent=silent_sections(report),
            most_changes=MOST_CHANGES,
            draw=lambda plot: draw(plot, zone),
            caption=caption,
        )
    )
