"""The rows of the table in ``manifests`` that are about PatternReports."""

from __future__ import annotations

from typing import Any

from opssight_operator.api import API_VERSION


def report(*, name: str = "morning", **spec: Any) -> dict[str, Any]:
    """A report with all defaults; everything else is a field of the spec."""
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": API_VERSION, "kind": "PatternReport", "metadata": metadata, "spec": spec}


ACCEPTED: dict[str, dict[str, Any]] = {
    "a report with all defaults": report(),
    "a report with everything": report(
        sourceRef={"name": "west"},
        suspend=True,
        schedule={"type": "Cron", "cron": "5,35 0-23/2 1,15 JAN-mar mon-Fri", "timeZone": "Europe/Berlin"},
        lookback="7d",
        history="8w",
        inputs={
            "alerts": {"matchers": ['severity=~"warning|critical"', 'team!="o\\"ps"'], "step": "30s"},
            "detectors": {"matchLabels": {"app": "shop"}},
            "events": {"excludeReasons": ["Unhealthy"]},
        },
        sections=["HourOfDay", "ErrorPatterns"],
        outputs=["Json"],
        minSupport=3,
        level="0.01",
        historyLimit=30,
    ),
    "a report that is made once": report(schedule={"type": "Once"}, history="0s", inputs={"events": {}}),
    "a report on the last day of February": report(schedule={"cron": "0 6 29 2 *"}),
    "a report on the 31st, or on Mondays in June": report(schedule={"cron": "0 6 31 6 1"}),
    "a report on the 31st of one month that has it": report(schedule={"cron": "0 6 31 4,5 *"}),
}

REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a cron of four fields": (
        report(schedule={"cron": "0 6 * * "}),
        ("spec.schedule.cron", '"0 6 * * "', "five fields", "day of the week"),
    ),
    "a cron with an hour that no day has": (
        report(schedule={"cron": "0 24 * * *"}),
        ("spec.schedule.cron", '"0 24 * * *"', "five fields", "such as 0 6 * * *"),
    ),
    "a cron in steps of nothing": (report(schedule={"cron": "*/0 * * * *"}), ("spec.schedule.cron", '"*/0 * * * *"')),
    "a cron in words": (report(schedule={"cron": "every day at six"}), ("spec.schedule.cron", "five fields")),
    "a cron of the 30th of February": (
        report(schedule={"cron": "0 6 30 2 *"}),
        ("spec.schedule.cron", '"0 6 30 2 *" never comes', "none of its months has that day"),
    ),
    "a cron of the 31st of short months": (
        report(schedule={"cron": "0 6 31 feb,04,11 *"}),
        ("spec.schedule.cron", "never comes"),
    ),
    "a time zone with blanks": (
        report(schedule={"timeZone": "Middle of nowhere"}),
        ("spec.schedule.timeZone", '"Middle of nowhere"', "Europe/Berlin"),
    ),
    "a lookback of nothing": (report(lookback="0s"), ("spec.lookback", '"0s"', "at least 5m and at most 31d")),
    "a lookback of a year": (report(lookback="365d"), ("spec.lookback", '"365d"', "at most 31d")),
    "a history of a year": (report(history="52w"), ("spec.history", '"52w"', "at most 12w")),
    "inputs that are empty": (report(inputs={}), ("spec.inputs", "must set alerts, detectors or events")),
    "a matcher that is a selector": (
        report(inputs={"alerts": {"matchers": ['{severity="critical"}']}}),
        ("spec.inputs.alerts.matchers[0]", "a label name, one of =, !=, =~ and !~"),
    ),
    "a matcher that ends the selector": (
        report(inputs={"alerts": {"matchers": ['a="b"} or secrets{c="d"']}}),
        ("spec.inputs.alerts.matchers[0]", "label matcher"),
    ),
    "a section that is none": (report(sections=["Weather"]), ("spec.sections[0]", '"Weather"', '"Clusters"')),
    "a section twice": (report(sections=["HourOfDay", "HourOfDay"]), ("spec.sections[1]", "Duplicate value")),
    "an output that is none": (report(outputs=["Pdf"]), ("spec.outputs[0]", '"Pdf"', '"Markdown", "Html", "Json"')),
    "no output at all": (report(outputs=[]), ("spec.outputs", "at least 1 items")),
    "a level of certainty": (report(level="1"), ("spec.level", '"1"', "above 0 and at most 0.5")),
    "no report kept": (report(historyLimit=0), ("spec.historyLimit", "greater than or equal to 1")),
}
