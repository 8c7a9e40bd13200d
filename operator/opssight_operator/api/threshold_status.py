"""What a ThresholdPolicy says of itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .base import (
    Digest,
    KubeModel,
    Number,
    ObjectName,
    ObservedGeneration,
    SeriesLabels,
    Time,
    TimeSpan,
    list_atomic,
    list_map,
    list_set,
)
from .conditions import Condition
from .outcome import ThresholdOutcome

HourText = Annotated[str, StringConstraints(max_length=8192)]
Note = Annotated[str, StringConstraints(max_length=256)]
TimeZoneName = Annotated[str, StringConstraints(max_length=64)]
ThresholdLabels = Annotated[SeriesLabels, Field(max_length=8)]


class Simulation(KubeModel):
    """The alerts that a threshold would have raised over the history."""

    episodes_per_week: Number
    """episodesPerWeek is how many times the alert would have fired in a week."""
    night_episodes_per_week: Number
    """nightEpisodesPerWeek is how many of these would have begun between 22:00 and 06:00."""
    median_duration: TimeSpan | None = None
    """medianDuration of an episode."""
    longest_duration: TimeSpan | None = None
    """longestDuration of an episode."""
    share_of_time: Number
    """shareOfTime is the share of all time in which the alert would have been firing, from 0 to 1."""


class ThresholdSimulation(KubeModel):
    """The current threshold against the proposed one."""

    current: Simulation | None = None
    """current threshold."""
    proposed: Simulation | None = None
    """proposed threshold."""
    time_zone: TimeZoneName | None = None
    """timeZone in which night was 22:00 to 06:00, as alert.timeZone said."""


class ThresholdStatus(KubeModel):
    """One threshold."""

    labels: ThresholdLabels = Field(default_factory=dict)
    """labels of the threshold; empty when there is one for all."""
    current: Number | None = None
    """current threshold, as last decided; with seasonal that of the hour of the last evaluation."""
    hours: HourText | None = None
    """hours are the seasonal thresholds: from which hour of the week on (0 is Monday 00:00) which one holds, as in
    0:0.1 8:0.25 18:0.1."""
    proposed: Number | None = None
    """proposed is what history suggests, before the guardrails."""
    reason: Annotated[str, StringConstraints(max_length=64)]
    """reason of the last decision: Changed, or the guardrail that holds."""
    message: Annotated[str, StringConstraints(max_length=512)]
    """message says the decision in one sentence."""
    samples: Annotated[int, Field(ge=0)] = 0
    """samples that the estimate rests on."""
    coverage: Number | None = None
    """coverage is the share of points that were there, from 0 to 1."""
    lower: Number | None = None
    """lower end of the 95 % interval of the estimate."""
    upper: Number | None = None
    """upper end of the 95 % interval of the estimate."""
    notes: Annotated[list[Note], Field(max_length=6, json_schema_extra=list_set())] = Field(default_factory=list)
    """notes say what the estimate rests on and what it could not know."""
    changed_at: Time | None = None
    """changedAt is when the current threshold was decided."""
    simulation: ThresholdSimulation | None = None
    """simulation of the alerts over the history."""
    outcome: ThresholdOutcome | None = None
    """outcome of the last change, once the threshold is delivered."""


class ThresholdChange(KubeModel):
    """One change of a threshold."""

    at: Time
    """at is when it was decided."""
    labels: ThresholdLabels = Field(default_factory=dict)
    """labels of the threshold."""
    from_: Number | None = Field(default=None, alias="from")
    """from is the threshold before; absent for the first one."""
    to: Number
    """to is the threshold after."""
    reason: Annotated[str, StringConstraints(max_length=64)] = "Changed"
    """reason of the change: Changed or RolledBack."""
    why: Annotated[str, StringConstraints(max_length=512)]
    """why it was changed."""
    predicted_episodes_per_week: Number | None = None
    """predictedEpisodesPerWeek is what the simulation expects of the new threshold."""
    observed_episodes_per_week: Number | None = None
    """observedEpisodesPerWeek is what came of it until now, or until the next change."""


class PatchStatus(KubeModel):
    """The number that was patched, and what the alert was before."""

    target: Annotated[str, StringConstraints(max_length=253)]
    """target is the name of the PrometheusRule."""
    group: Annotated[str, StringConstraints(max_length=253)]
    """group of rules."""
    alert: Annotated[str, StringConstraints(max_length=253)]
    """alert that was patched."""
    occurrence: Annotated[int, Field(ge=1)]
    """occurrence of the number in the expression, counted from 1."""
    value: Number
    """value that was last written."""
    original: Annotated[str, StringConstraints(max_length=8192)]
    """original expression of the alert, as its owner wrote it."""
    reverts: Annotated[int, Field(ge=0)] = 0
    """reverts is how often somebody has set the number back."""


class ThresholdPolicyStatus(KubeModel):
    """What was learned and delivered; written when its meaning changes."""

    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] = Field(
        default_factory=list
    )
    """conditions of the policy: Ready, DataAvailable, Recommended, Applied, RuleLoaded and AsPredicted; Stalled where a
    person has to act."""
    observed_generation: ObservedGeneration | None = None
    """observedGeneration is the generation of the spec that this status speaks about; -1 before the first look."""
    count: Annotated[int, Field(ge=0)] = 0
    """count of thresholds, also of those beyond the list's length."""
    thresholds: Annotated[list[ThresholdStatus], Field(max_length=50, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """thresholds, at most 50 of them."""
    history: Annotated[list[ThresholdChange], Field(max_length=10, json_schema_extra=list_atomic())] = Field(
        default_factory=list
    )
    """history of the last 10 changes, the newest first."""
    digest: Digest | None = None
    """digest of the expression, the bound and perLabels that the thresholds speak about; when it changes they start
    anew."""
    rule_objects: Annotated[list[ObjectName], Field(max_length=16, json_schema_extra=list_set())] = Field(
        default_factory=list
    )
    """ruleObjects are the PrometheusRules that hold the rules of this policy: one, and during a move to another one the
    one before too."""
    patch: PatchStatus | None = None
    """patch says what was changed in somebody's alert, and how the alert was before."""
