"""The thresholds of a policy: what was known, what history says, what is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..api.outcome import ThresholdOutcome
from ..api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from ..api.threshold_reasons import ThresholdReason
from .case import WHOLE, Case, Change, Guards, Hold
from .chain import decide
from .digests import digest
from .evidence import Evidence
from .firing import firing_at
from .hours import HourTable
from .numbers import exact_text
from .observation import Labels, RuleObservation
from .outcome import Judged, Watch, judged, table_to_go_back_to
from .rules import LabelItems, Level, label_items, recorded_levels
from .science import guards_for
from .seasonal import decide_hours
from .timing import seconds_of
from .trial import outcome_after_change

MAX_LISTED = 50  # in status


@dataclass(frozen=True, slots=True)
class Known:
    """A threshold as it stood before this evaluation."""

    value: float
    changed_at: float | None = None
    reason: str = ""
    message: str = ""
    outcome: ThresholdOutcome | None = None
    table: HourTable | None = None

    @property
    def level(self) -> Level:
        """One threshold, or one for each hour."""
        return self.table or self.value


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one threshold. ``evidence`` is None when no series of the window has its labels."""

    labels: Labels
    evidence: Evidence | None
    verdict: Change | Hold
    before: Known | None
    current: float | None
    changed_at: float | None
    outcome: ThresholdOutcome | None = None
    just_changed: bool = False  # by an earlier look in the same interval, whose words still hold
    table: HourTable | None = None  # seasonal: ``current`` is its threshold of the present hour
    came: Judged | None = None  # of the threshold that stood until now

    @property
    def level(self) -> Level | None:
        """What is delivered: one threshold, or one for each hour."""
        return self.table or self.current

    @property
    def reason(self) -> ThresholdReason:
        """Changed, rolled back, or the link that holds."""
        return self.verdict.reason

    @property
    def why(self) -> str:
        """The decision in one sentence."""
        if isinstance(self.verdict, Hold):
            return self.verdict.message
        before = "first threshold" if self.before is None else f"was {exact_text(self.before.value)}"
        return f"{before}, {self.verdict.why}"

    @property
    def message(self) -> str:
        """The same with what could not be known."""
        return "; ".join([self.why, *(self.evidence.estimate.notes if self.evidence else ())])


def learning_digest(spec: ThresholdPolicySpec) -> str:
    """Digest of what the thresholds speak about; when it changes, nothing that was known applies any more."""
    hours = [spec.seasonal.time_zone] if spec.seasonal else []
    return digest([spec.expr, spec.bound, sorted(spec.per_labels), *hours])


def known_before(policy: ThresholdPolicy, rule: RuleObservation, now: float) -> dict[LabelItems, Known]:
    """The last good thresholds: those of status, and from our own rule those that status has lost or never held."""
    status, seasonal = policy.status, policy.spec.seasonal
    if status.digest is not None and status.digest != learning_digest(policy.spec):
        return {}
    known = {}
    time_zone = seasonal.time_zone if seasonal else None
    for key, level in recorded_levels(rule.groups, policy.spec.per_labels, time_zone).items():
        table = level if isinstance(level, HourTable) else None
        known[key] = Known(level.now(now) if isinstance(level, HourTable) else level, table=table)
    for threshold in status.thresholds:
        if threshold.current is not None:
            changed_at = seconds_of(threshold.changed_at) if threshold.changed_at else None
            table = HourTable.parse(threshold.hours, seasonal.time_zone) if threshold.hours and seasonal else None
            known[label_items(threshold.labels)] = Known(
                table.now(now) if table else float(threshold.current),
                changed_at,
                threshold.reason,
                threshold.message,
                threshold.outcome,
                table,
            )
    return known


def decisions(
    policy: ThresholdPolicy,
    evidence: Sequence[Evidence],
    known: Mapping[LabelItems, Known],
    now: float,
    interval: float,
    watch: Watch | None = None,
) -> list[Decision]:
    """One decision for each group of series, and one for each known threshold whose series are gone."""
    guards = guards_for(policy.spec)
    made = [_decide(policy.spec, one, known.get(one.key), guards, now, interval, watch) for one in evidence]
    seen = {one.key for one in evidence}
    gone = sorted(
        (item for item in known.items() if item[0] not in seen),
        key=lambda item: (-(item[1].changed_at or 0.0), item[0]),
    )
    # Without a sample in a whole window they are stale. A history with a hole at its start may have lost them, so that
    # they are held while there is room: labels which come and go without end are forgotten at last.
    whole = any(one.span >= WHOLE * guards.window for one in evidence)
    room = 0 if whole else max(MAX_LISTED - len(made), len(made)) if made else len(gone)
    made.extend(_gone(dict(key), before) for key, before in gone[:room])
    return sorted(made, key=lambda decision: label_items(decision.labels))


def _decide(
    spec: ThresholdPolicySpec,
    evidence: Evidence,
    before: Known | None,
    guards: Guards,
    now: float,
    interval: float,
    watch: Watch | None,
) -> Decision:
    estimate = evidence.estimate
    current = None if before is None else before.value
    outcome = None if before is None else before.outcome
    firing = firing_at(
        None if before is None else before.level,
        evidence,
        alerts=watch.alerts if watch else None,
        rule_fires=watch is not None and watch.rule_fires,
    )
    came = judged(spec, outcome, evidence, before.level, watch) if before is not None and watch is not None else None
    case = Case(
        suggested=estimate.value,
        samples=estimate.samples,
        coverage=estimate.coverage,
        span=evidence.span,
        current=current,
        changed_at=None if before is None else before.changed_at,
        beyond=firing.series,
        now=now,
        guards=guards,
        rolled_back_at=seconds_of(outcome.rolled_back_at) if outcome and outcome.rolled_back_at else None,
        back_to=came.back_to if came else None,
        alerting=firing.alert,
        firing_for=firing.seconds,
    )
    table = None if before is None else before.table
    if spec.seasonal is None:
        verdict = decide(case)
    else:
        verdict, table = decide_hours(case, evidence.table, table, table_to_go_back_to(spec, outcome))
    kept = came.outcome if came else None
    if isinstance(verdict, Change):
        begun = outcome_after_change(
            spec,
            evidence,
            old=None if before is None else before.level,
            new=table or verdict.value,
            previous=kept,
            rolled_back=verdict.rolled_back,
            now=now,
        )
        return Decision(evidence.labels, evidence, verdict, before, verdict.value, now, begun, table=table, came=came)
    changed_at = None if before is None else before.changed_at
    just_changed = (
        before is not None
        and before.reason in (ThresholdReason.CHANGED, ThresholdReason.ROLLED_BACK)
        and changed_at is not None
        and now - changed_at < interval / 2
        and verdict.reason not in (ThresholdReason.NO_DATA, ThresholdReason.INSUFFICIENT_HISTORY)
    )
    return Decision(evidence.labels, evidence, verdict, before, current, changed_at, kept, just_changed, table, came)


def _gone(labels: Labels, before: Known) -> Decision:
    verdict = Hold(ThresholdReason.NO_DATA, "no series of the history window has these labels")
    return Decision(labels, None, verdict, before, before.value, before.changed_at, before.outcome, table=before.table)


def held_back(made: Iterable[Decision]) -> list[Decision]:
    """The decisions in which a guardrail keeps back a change that history suggests."""
    return [d for d in made if d.reason in (ThresholdReason.COOLDOWN, ThresholdReason.FIRING) and not d.just_changed]
