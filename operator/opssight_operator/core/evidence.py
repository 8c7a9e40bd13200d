"""What history says of each threshold of a policy: groups of series, their estimate, and their simulated alerts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from opssight_detectors.thresholds.base import Bound, Estimate, estimate_many
from opssight_detectors.thresholds.hygiene import HistoryFacts, facts
from opssight_detectors.thresholds.simulation import AlertRule, Episodes, Evaluations, evaluations, simulate_on
from opssight_detectors.thresholds.summary import summary

from ..api.base import duration, seconds
from ..api.threshold_policy import ThresholdPolicySpec
from ..api.threshold_status import Simulation
from .alert_template import recovery_level
from .estimating import coarser_interval, estimator_for, rule_interval
from .exclusion import cleaned, exclusion_note
from .hours import HourTable
from .numbers import number_or_none, number_text
from .observation import FloatArray, Frame, Labels
from .rules import LabelItems, Level, label_items
from .seasonal import learned_table


@dataclass(frozen=True, slots=True)
class Evidence:
    """What history says of one threshold; ``values [time, series]`` are the series of its group."""

    labels: Labels
    estimate: Estimate
    span: float  # seconds from the first sample to the last
    bound: Bound
    excluded: float  # share of the samples that history.exclude took
    seen: Evaluations | None  # what the alert compared, None without a row; of the whole history, incidents too
    table: HourTable | None = None  # what history suggests for each hour of the week

    @property
    def key(self) -> LabelItems:
        """The labels as a value that can be looked up."""
        return label_items(self.labels)

    @property
    def suggested(self) -> Level:
        """What history suggests: one threshold, NaN for none, or one for each hour."""
        return self.table or self.estimate.value


@dataclass(frozen=True, slots=True)
class Groups:
    """Columns of a frame by the values of perLabels, in sorted order; ``without`` counts series that lack a label."""

    columns: dict[LabelItems, NDArray[np.intp]]
    without: dict[str, int]


def groups_of(labels: Sequence[Labels], per_labels: Sequence[str]) -> Groups:
    """Group series by ``per_labels``; a series that lacks one of them belongs to no group."""
    found: dict[LabelItems, list[int]] = defaultdict(list)
    without: dict[str, int] = defaultdict(int)
    for column, series in enumerate(labels):
        lacking = [name for name in per_labels if not series.get(name)]
        for name in lacking:
            without[name] += 1
        if not lacking:
            found[label_items({name: series[name] for name in per_labels})].append(column)
    return Groups({key: np.array(found[key], dtype=np.intp) for key in sorted(found)}, dict(without))


def learn(
    spec: ThresholdPolicySpec,
    frame: Frame,
    groups: Groups,
    incidents: Frame | None = None,
    now: float = 0.0,
    compared: Frame | None = None,
) -> tuple[Evidence, ...]:
    """The evidence for each group, in their order; ``incidents`` teach nothing, but their alerts are simulated.

    Alerts are simulated on ``compared`` where that is given, and on the history that is learned from where it is not.
    """
    bound = Bound(spec.bound)
    columns = list(groups.columns.values())
    taught = cleaned(spec, frame, incidents)
    estimates = estimate_many(estimator_for(spec), frame.times, taught, bound, columns)
    alerting = None if compared is None else (compared, groups_of(compared.labels, spec.per_labels).columns)
    return tuple(
        _evidence(spec, key, estimate, frame, taught, column, bound, now, alerting)
        for (key, column), estimate in zip(groups.columns.items(), estimates, strict=True)
    )


def _evidence(
    spec: ThresholdPolicySpec,
    key: LabelItems,
    estimate: Estimate,
    frame: Frame,
    taught: NDArray[np.float64],
    columns: NDArray[np.intp],
    bound: Bound,
    now: float,
    alerting: tuple[Frame, Mapping[LabelItems, NDArray[np.intp]]] | None,
) -> Evidence:
    values, table = frame.values[:, columns], None
    if spec.seasonal is not None and estimate.samples:
        table, estimate = learned_table(spec, frame.times, taught[:, columns], bound, estimate, now)
    known = facts(frame.times, values, taught[:, columns]) if len(values) else HistoryFacts(0, 0.0, 0.0, 0.0)
    return Evidence(
        labels=dict(key),
        estimate=replace(estimate, notes=(*estimate.notes, *exclusion_note(known.excluded))),
        span=known.duration,
        bound=bound,
        excluded=known.excluded,
        seen=_seen(spec, frame.times, values) if alerting is None else _compared(spec, *alerting, key),
        table=table,
    )


def _compared(
    spec: ThresholdPolicySpec, frame: Frame, columns: Mapping[LabelItems, NDArray[np.intp]], key: LabelItems
) -> Evaluations | None:
    """What the alert compares of one group; a group that it never compared was silent all the time."""
    silent = np.full((len(frame.times), 1), np.nan)
    return _seen(spec, frame.times, frame.values[:, columns[key]] if key in columns else silent)


def _seen(spec: ThresholdPolicySpec, times: FloatArray, values: FloatArray) -> Evaluations | None:
    return evaluations(times, values, coarser_interval(spec)) if len(values) else None


def episodes(spec: ThresholdPolicySpec, evidence: Evidence, level: Level) -> Episodes:
    """The alerts that the threshold ``level`` would have raised over the history.

    It is evaluated at the interval of the rule where that is known, and else at each row.
    """
    seen = evidence.seen
    if seen is None:
        raise ValueError("evidence without a row has no episodes")
    if isinstance(level, HourTable):
        # Above a threshold that moves is the same as above zero when it is taken away.
        seen, level = replace(seen, values=seen.values - level.at(seen.times)[:, None]), 0.0
    rule = AlertRule(
        threshold=level,
        bound=evidence.bound,
        for_seconds=seconds(spec.alert.for_),
        keep_firing_for_seconds=seconds(spec.alert.keep_firing_for),
        interval=rule_interval(spec),
        recovery=_recovery(spec, level),
    )
    return simulate_on(seen, rule)


def _recovery(spec: ThresholdPolicySpec, level: float) -> float | None:
    """Where an alert that fires ends, if that is not at its threshold."""
    recover = spec.delivery.render.recover if spec.delivery.render else None
    return recovery_level(level, float(recover.margin), spec.bound) if recover else None


def simulated(spec: ThresholdPolicySpec, evidence: Evidence, level: Level) -> Simulation | None:
    """These alerts as status shows them; None without a history."""
    if evidence.seen is None:
        return None
    volume = summary(episodes(spec, evidence, level), time_zone=spec.alert.time_zone)
    return Simulation(
        episodes_per_week=number_text(volume.episodes_per_week),
        night_episodes_per_week=number_text(volume.night_episodes_per_week),
        median_duration=_duration_or_none(volume.median_seconds),
        longest_duration=_duration_or_none(volume.longest_seconds),
        share_of_time=number_or_none(volume.share_firing) or "0",
    )


def _duration_or_none(total: float) -> str | None:
    return duration(total) if math.isfinite(total) else None
