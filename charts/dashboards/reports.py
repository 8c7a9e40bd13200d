"""The dashboard of the PatternReports."""

from __future__ import annotations

from .parts import Json, dashboard, panel, query, variable


def reports() -> Json:
    """What the newest reports found, and whether they come."""
    chosen = 'namespace=~"$namespace",report=~"$report"'
    return dashboard(
        "opssight-reports",
        "OpsSight: reports",
        "What the newest pattern reports found, and whether they come in time; opssight report show has the text.",
        [
            variable("namespace", "Namespace", "label_values(opssight_report_timestamp_seconds, namespace)"),
            variable(
                "report", "Report", 'label_values(opssight_report_timestamp_seconds{namespace=~"$namespace"}, report)'
            ),
        ],
        [
            panel(
                "Overdue",
                "Reports that were due more than half an hour ago and were not made; status says what they wait for.",
                query(f"sum(time() - opssight_report_next_timestamp_seconds{{{chosen}}} > bool 1800)"),
                kind="stat",
                width=6,
                height=4,
                thresholds=((None, "green"), (1, "red")),
            ),
            panel(
                "Incidents",
                "Of the newest report of each.",
                query(f"sum(opssight_report_incidents{{{chosen}}})"),
                kind="stat",
                width=6,
                height=4,
            ),
            panel(
                "Highlights",
                "Sentences worth reading in the newest report of each; none means that nothing stood out.",
                query(f"sum(opssight_report_highlights{{{chosen}}})"),
                kind="stat",
                width=6,
                height=4,
            ),
            panel(
                "Age of the newest report",
                "Since the end of the time that it is about; the oldest of the chosen.",
                query(f"max(time() - opssight_report_timestamp_seconds{{{chosen}}})"),
                kind="stat",
                unit="s",
                width=6,
                height=4,
            ),
            panel(
                "Incidents of each report",
                "A step is a new report. The trend of many days stands in the report itself.",
                query(f"opssight_report_incidents{{{chosen}}}", "{{namespace}}/{{report}}"),
            ),
            panel(
                "Findings by section",
                "Which kind of pattern the newest reports speak of.",
                query(f"sum by (section) (opssight_report_findings{{{chosen}}})", "{{section}}"),
            ),
        ],
    )
