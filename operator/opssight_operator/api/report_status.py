"""The status of a PatternReport: which reports there are, and what the last one says in a few sentences."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import Digest, KubeModel, ObservedGeneration, Time, list_atomic, list_map, list_set
from .conditions import Condition

InputName = Literal["Alerts", "Detectors", "Events"]
MAX_HIGHLIGHTS = 10
MAX_HIGHLIGHT = 512
MAX_KEPT = 30

ConfigMapName = Annotated[str, StringConstraints(max_length=253)]
Highlight = Annotated[str, StringConstraints(max_length=MAX_HIGHLIGHT)]


class KeptReport(KubeModel):
    """One report that was made."""

    name: ConfigMapName
    """name of the ConfigMap that holds it."""
    parts: Annotated[int, Field(ge=1, le=1000)] = 1
    """parts is how many ConfigMaps it takes; those after the first are called name-2, name-3 and so on."""
    at: Time
    """at is when it was made."""
    from_: Time = Field(alias="from")
    """from is when the time begins that it is about."""
    to: Time
    """to is when that time ends."""
    incidents: Annotated[int, Field(ge=0)] = 0
    """incidents that began in that time."""
    digest: Digest
    """digest of what it says."""
    generation: Annotated[int, Field(ge=0)] = 0
    """generation of the spec that it was made for."""


class ReadInput(KubeModel):
    """One input of the last report."""

    name: InputName
    """name of the input: Alerts, Detectors or Events."""
    incidents: Annotated[int, Field(ge=0)] = 0
    """incidents that the report had from it, without those of the history."""
    since: Time | None = None
    """since when this input is known; absent when it has nothing at all."""


class SectionFindings(KubeModel):
    """One section of the last report."""

    name: Annotated[str, StringConstraints(max_length=63)]
    """name of the section."""
    findings: Annotated[int, Field(ge=0)] = 0
    """findings that it has."""


class PatternReportStatus(KubeModel):
    """Which reports there are, and the best of the last one."""

    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] = Field(
        default_factory=list
    )
    """conditions of the resource: Ready, and Complete of the last report; Stalled where a person has to act."""
    observed_generation: ObservedGeneration | None = None
    """observedGeneration is the generation of the spec that this status speaks about; -1 before the first look."""
    next_run_at: Time | None = None
    """nextRunAt is when the next report is due; absent when none is."""
    last_report: KeptReport | None = None
    """lastReport is the newest report."""
    highlights: Annotated[list[Highlight], Field(max_length=MAX_HIGHLIGHTS, json_schema_extra=list_set())] = Field(
        default_factory=list
    )
    """highlights of the newest report, at most 10 sentences."""
    sections: Annotated[list[SectionFindings], Field(max_length=32, json_schema_extra=list_map("name"))] = Field(
        default_factory=list
    )
    """sections of the newest report, with how much each found."""
    inputs: Annotated[list[ReadInput], Field(max_length=8, json_schema_extra=list_map("name"))] = Field(
        default_factory=list
    )
    """inputs of the newest report, with how much each had."""
    history: Annotated[list[KeptReport], Field(max_length=MAX_KEPT, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """history lists the reports that are kept, the newest first."""
