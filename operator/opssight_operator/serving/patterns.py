"""``find_patterns``: a report on a table of incidents."""

from __future__ import annotations

from typing import Any

from opssight_detectors.patterns.evidence import Window
from opssight_detectors.patterns.plain import to_plain
from opssight_detectors.patterns.report import analyse
from opssight_detectors.patterns.sections import SECTIONS
from opssight_detectors.patterns.tables import incidents_from_records
from opssight_detectors.patterns.timestamps import HOUR

from .problems import Refused, impossible, too_large
from .reading import Asked, checked, moment, plain, refusing, zone_named
from .requests import FindPatterns


def find_patterns(asked: Asked) -> Any:
    """The JSON of the report, which follows the published schema."""
    request = checked(FindPatterns, plain(asked.body))
    rows = len(request.incidents)
    if rows > asked.limits.max_points:
        raise Refused(too_large("the number of incidents", rows, asked.limits.max_points, "max_points"))
    end = moment(request.end, asked.now)
    zone = zone_named(request.time_zone)
    with refusing("incidents"):
        incidents = incidents_from_records(
            request.incidents,
            now=asked.now,
            names=request.columns,
            time_zone=zone if request.time_zone else None,
            max_rows=asked.limits.max_points,
        )
    sections = request.sections or list(SECTIONS)
    if len(set(sections)) != len(sections):
        raise Refused(impossible("sections names a section twice", "sections", sections, "each section once"))
    try:
        with refusing("previous"):
            return to_plain(
                analyse(
                    incidents,
                    Window(end - request.lookback_hours * HOUR, end),
                    title=request.title,
                    zone=zone,
                    sections=sections,
                    level=request.level,
                    previous=request.previous,
                ).report
            )
    except (KeyError, TypeError, AttributeError):
        if request.previous is None:
            raise
        raise Refused(
            impossible("previous is no pattern report of this version", "previous", request.previous, "a report")
        ) from None
