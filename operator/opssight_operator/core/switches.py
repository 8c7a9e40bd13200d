"""What an operator that runs with fewer rights refuses: said in a condition, not met as a 403."""

from __future__ import annotations

from ..errors import NotAllowed
from ..settings import Settings


def check_may_write_rules(field: str, *, wanted: bool, settings: Settings) -> None:
    """Raise ``NotAllowed`` when ``field`` asks for a rule that may not be written."""
    if wanted and not settings.write_rules:
        raise NotAllowed(
            f"{field}: this operator may not read or write PrometheusRules (OPSSIGHT_WRITE_RULES, "
            "delivery.writeRules of the chart)"
        )


def check_may_report(settings: Settings) -> None:
    """Raise ``NotAllowed`` when reports are switched off."""
    if not settings.pattern_reports:
        raise NotAllowed(
            "this operator makes no reports, as it may not keep ConfigMaps (OPSSIGHT_PATTERN_REPORTS, "
            "patternReports.enabled of the chart)"
        )
