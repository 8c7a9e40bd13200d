"""The questions a report answers, by name. A new one is a function and a line in ``SECTIONS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..evidence import Evidence
from ..findings import Outcome
from .clusters import clusters
from .co_occurrence import co_occurrence
from .error_patterns import error_patterns
from .flapping import flapping
from .hour_of_day import hours_of_day
from .noisy_alerts import noisy_alerts
from .precursors import precursor_rules
from .recurrence import recurrence
from .resource_types import resource_types
from .severity_trend import severity_trend


@dataclass(frozen=True, slots=True)
class Section:
    """A pure function of the evidence, and the title over its findings."""

    title: str
    find: Callable[[Evidence], Outcome]


SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "Clusters": Section("Kinds of incident", clusters),
        "ErrorPatterns": Section("Error patterns", error_patterns),
        "ResourceTypes": Section("Where it happened", resource_types),
        "HourOfDay": Section("When it happened", hours_of_day),
        "SeverityTrend": Section("Severity", severity_trend),
        "NoisyAlerts": Section("Noisy alerts", noisy_alerts),
        "Flapping": Section("Flapping alerts", flapping),
        "CoOccurrence": Section("Alerts that come together", co_occurrence),
        "Precursors": Section("Alerts that announce others", precursor_rules),
        "Recurrence": Section("What comes back by the clock", recurrence),
    }
)
