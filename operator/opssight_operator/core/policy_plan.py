"""A ThresholdPolicy's decision: observation and previous status in, plan out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..api.conditions import ConditionType, Reason
from ..api.event_reasons import EventReason
from ..api.threshold_policy import ThresholdPolicy
from ..api.threshold_reasons import ThresholdReason
from ..api.threshold_status import ThresholdChange, ThresholdPolicyStatus
from ..errors import InvalidSpec
from ..settings import Settings
from .conditions import Verdict, shortened, with_verdicts
from .delivery import Delivered, deliver, left_behind, owns_rule, with_number_in_place, written_reason
from .events import capped, ready_events
from .evidence import Groups, groups_of, learn
from .gauges import quality_gauges, threshold_gauges
from .listing import MAX_CHANGES, MAX_CHANGES_BYTES, changes, listed
from .loaded import overdue, rule_verdict
from .meaning import status_changed
from .moving import departed, kept_equal, last_good, left, standing_in
from .observation import PolicyObservation, RuleObjectState, RuleObservation
from .outcome import with_observed
from .outcome_verdict import outcome_verdict
from .places import place_of
from .plan import Event, KeepRule, Plan, RuleIntent, RuleObject
from .rules import rule_intent
from .series import described, within_bytes
from .sharing import Dispute, agreed, check_room, said_of
from .thresholds import Decision, decisions, held_back, known_before, learning_digest
from .verify import next_look, patience
from .watching import watch_of
from .windows import HistoryWindow

_LACKS_DATA = (ThresholdReason.NO_DATA, ThresholdReason.INSUFFICIENT_HISTORY)


def evaluate(
    policy: ThresholdPolicy, observation: PolicyObservation, window: HistoryWindow, now: float, settings: Settings
) -> Plan[ThresholdPolicyStatus]:
    """Learn, decide and say what follows; raises ``InvalidSpec`` and ``TooMuchData``."""
    spec, previous = policy.spec, policy.status
    groups = groups_of(observation.history.labels, spec.per_labels)
    _check_labels(policy, groups, observation.history.n_series)
    evidence = learn(spec, observation.history, groups, observation.incidents, now, observation.compared)
    watch = watch_of(policy, observation, window, now, settings)
    known = with_number_in_place(known_before(policy, last_good(observation), now), policy, observation, settings)
    made = decisions(policy, evidence, known, now, window.interval, watch)
    current = [(decision.labels, decision.level) for decision in made if decision.level is not None]
    delivered, disputes = _agreed(deliver(policy, current, observation, now, settings), observation.rule)
    intent = _intent(policy, delivered.rule, observation)
    verdicts = _verdicts(policy, made, groups, delivered, observation, disputes)
    if delivered.rule is not None or delivered.patching is not None:
        loaded = verdicts[ConditionType.RULE_LOADED]
        verdicts[ConditionType.RULE_LOADED] = overdue(loaded, previous.conditions, now, patience(settings))
    verdicts[ConditionType.AS_PREDICTED] = outcome_verdict(spec, made, now)
    generation = policy.metadata.generation
    conditions = with_verdicts(previous.conditions, verdicts, generation=generation, now=now)
    learned = {
        "conditions": conditions,
        "observed_generation": generation,
        "rule_objects": standing_in(policy, observation, intent),
    }
    if delivered.patch_status is not None:
        learned["patch"] = delivered.patch_status
    changed = []
    if current:
        shown = listed(spec, made)
        changed = changes(policy, made, shown, now)
        past = with_observed(previous.history, [(d.labels, d.came) for d in made if d.came], now)
        learned |= {
            "count": len(made),
            "thresholds": shown,
            "history": within_bytes([*changed, *past][:MAX_CHANGES], MAX_CHANGES_BYTES),
            "digest": learning_digest(spec),
        }
    elif not previous.thresholds:
        learned |= {"count": len(made), "thresholds": listed(spec, made)}
    status = previous.model_copy(update=learned)
    events = [_event(change) for change in changed]
    return Plan(
        status=status,
        status_changed=status_changed(
            previous,
            status,
            now=now,
            interval=window.interval,
            heartbeat=settings.status_heartbeat_seconds,
            uid=policy.metadata.uid,
        ),
        rule=intent,
        events=(*ready_events(previous.conditions, conditions), *capped(events)),
        gauges=(
            *threshold_gauges(policy, [(d.labels, d.current, _proposed(d)) for d in made]),
            *quality_gauges(policy, status.thresholds),
        ),
        outcome=str(verdicts[ConditionType.READY].reason),
        retry_after=next_look(intent, conditions, now, window.interval, settings),
        patch=delivered.patching.write if delivered.patching else None,
        before_rule=left(policy, observation),
        after_rule=(*kept_equal(policy, observation, current, now), *departed(policy, observation)),
    )


def _agreed(delivered: Delivered, observed: RuleObservation) -> tuple[Delivered, tuple[Dispute, ...]]:
    """What may be written beside the others; raises ``TooMuchData`` when it would make the object too large."""
    if delivered.rule is None:
        return delivered, ()
    check_room(delivered.rule, observed)
    rule, disputes = agreed(delivered.rule, observed)
    return replace(delivered, rule=rule), disputes


def _intent(policy: ThresholdPolicy, desired: RuleObject | None, observation: PolicyObservation) -> RuleIntent:
    if desired is None and owns_rule(policy):
        return KeepRule()  # nothing is known that would be better than what stands there
    return rule_intent("ThresholdPolicy", policy.metadata.name, desired, observation.rule)


def _verdicts(
    policy: ThresholdPolicy,
    made: Sequence[Decision],
    groups: Groups,
    delivered: Delivered,
    observation: PolicyObservation,
    disputes: Sequence[Dispute],
) -> dict[ConditionType, Verdict]:
    data = _data_available(policy, made, groups, observation)
    known = [d for d in made if d.current is not None]
    records, desired, patching = owns_rule(policy), delivered.rule, delivered.patching
    foreign = records and observation.rule.state is RuleObjectState.FOREIGN
    conflict = Verdict("False", Reason.NAME_CONFLICT, _somebody_elses(policy))
    disputed = (
        Verdict("False", Reason.FIELD_CONFLICT, said_of(disputes, desired.name)) if disputes and desired else None
    )
    if foreign:
        ready = conflict
    elif data.status == "False":
        ready = data
    elif patching is not None and patching.applied.status == "False":
        ready = patching.applied
    elif disputed is not None:
        ready = disputed
    else:
        ready = Verdict("True", Reason.RECONCILED, f"{_thresholds(len(known))}{_held(made)}")
    if not known:
        recommended = Verdict("False", data.reason, data.message)
        applied = conflict if foreign else recommended
    else:
        recommended = Verdict(
            "True", Reason.LEARNED, f"{_thresholds(len(known))} learned from {policy.spec.history.window}"
        )
        applied = conflict if foreign else disputed or _applied(policy, made, len(known), desired)
    if patching is not None:
        applied, loaded = patching.applied, patching.loaded
    elif records and desired is None and not foreign:
        loaded = Verdict("False", Reason.NOT_LOADED, "there is no threshold to deliver yet")
    else:
        loaded = conflict if foreign else rule_verdict(desired, observation.rule)
    return {
        ConditionType.READY: ready,
        ConditionType.DATA_AVAILABLE: data,
        ConditionType.RECOMMENDED: recommended,
        ConditionType.APPLIED: applied,
        ConditionType.RULE_LOADED: loaded,
    }


def _somebody_elses(policy: ThresholdPolicy) -> str:
    place = place_of(policy)
    if place is None or not place.shared:
        return "the PrometheusRule of our name belongs to somebody else"
    return (
        f"delivery.record.sharedObject: the PrometheusRule {place.name} exists and is not of OpsSight; "
        "it is left as it is; name another object, or delete that one"
    )


def _data_available(
    policy: ThresholdPolicy, made: Sequence[Decision], groups: Groups, observation: PolicyObservation
) -> Verdict:
    warnings = "".join(f"; Prometheus warned: {text}" for text in observation.history.warnings[:1])
    lacking = [d for d in made if d.reason in _LACKS_DATA]
    if len(lacking) == len(made):  # also when there is none at all
        poor = next((d for d in lacking if d.reason is ThresholdReason.INSUFFICIENT_HISTORY), None)
        if poor is not None:
            return Verdict("False", Reason.INSUFFICIENT_HISTORY, poor.message + warnings)
        window = policy.spec.history.window
        if any(d.evidence and d.evidence.excluded > 0 for d in lacking):
            return Verdict("False", Reason.NO_DATA, f"history.exclude left no sample of the last {window}{warnings}")
        return Verdict("False", Reason.NO_DATA, f"expr returned no sample in the last {window}{warnings}")
    parts = [f"{count} series have no label {name}" for name, count in groups.without.items()]
    if lacking:
        first = lacking[0]
        parts.insert(
            0, f"{len(lacking)} of {_thresholds(len(made))} lack data, for example {_name(first)}: {first.message}"
        )
    if parts:
        return Verdict("True", Reason.PARTIAL_DATA, "; ".join(parts) + warnings)
    samples = sum(d.evidence.estimate.samples for d in made if d.evidence)
    return Verdict(
        "True", Reason.SAMPLES_FOUND, f"{samples} samples of {observation.history.n_series} series{warnings}"
    )


def _applied(policy: ThresholdPolicy, made: Sequence[Decision], known: int, desired: RuleObject | None) -> Verdict:
    before = left_behind(policy)
    if desired is None:
        message = f"the threshold is in status and metrics; no rule is written{before}"
        return Verdict("True", Reason.RECOMMEND_ONLY, message)
    held, reason = held_back(made), written_reason(policy)
    message = f"{_thresholds(known)} {reason.lower()} by the PrometheusRule {desired.name}{_held(made)}{before}"
    return Verdict("True", Reason.HELD if held else reason, message)


def _held(made: Sequence[Decision]) -> str:
    held = held_back(made)
    return f"; {len(held)} held, for example {_name(held[0])}: {held[0].why}" if held else ""


def _thresholds(count: int) -> str:
    return "1 threshold" if count == 1 else f"{count} thresholds"


def _name(decision: Decision) -> str:
    return described("", decision.labels) or "the only one"


def _event(change: ThresholdChange) -> Event:
    note = shortened(f"{described('threshold', change.labels)} is {change.to}: {change.why}")
    if change.reason == ThresholdReason.ROLLED_BACK:
        return Event("Warning", EventReason.THRESHOLD_ROLLED_BACK, note, "RollBack")
    return Event("Normal", EventReason.THRESHOLD_CHANGED, note, "Decide")


def _proposed(decision: Decision) -> float | None:
    estimate = decision.evidence.estimate if decision.evidence else None
    return estimate.value if estimate is not None and estimate.known else None


def _check_labels(policy: ThresholdPolicy, groups: Groups, series: int) -> None:
    """A label that no series has is a mistake in the spec."""
    for name, count in groups.without.items():
        if count == series:
            raise InvalidSpec(f"perLabels has {name!r}, but no series of expr has this label; add it to the by clause")
