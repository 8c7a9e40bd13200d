"""What is seen of the alert that uses a threshold: when it fired, and what Prometheus says of its rule."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.conditions import Condition, ConditionType
from ..api.threshold_policy import ThresholdPolicy
from ..settings import Settings
from .conditions import find
from .firing import fires_in
from .moving import loaded_there
from .observation import PolicyObservation, RuleObjectState, RuleObservation
from .outcome import Watch
from .timing import seconds_of
from .verify import patience
from .windows import HistoryWindow


def watch_of(
    policy: ThresholdPolicy, observation: PolicyObservation, window: HistoryWindow, now: float, settings: Settings
) -> Watch:
    """What the outcomes of a policy are judged by."""
    return Watch(
        alerts=observation.alerts,
        start=window.start,
        now=now,
        loaded=_is_loaded(policy.status.conditions, observation.rule, now, patience(settings)),
        rule_fires=_rule_fires(policy, observation),
        unforetold=observation.unforetold,
    )


def _is_loaded(conditions: Sequence[Condition], observed: RuleObservation, now: float, patience: float) -> bool | None:
    """Whether Prometheus evaluates what was delivered; None for as long as it may take to load a rule or to answer."""
    last = find(conditions, ConditionType.RULE_LOADED)
    was = last is not None and last.status == "True"
    if loaded_there(observed) if observed.state is RuleObjectState.OURS else was:
        return True
    since = 0.0 if last is None or was else now - seconds_of(last.last_transition_time)
    return None if since < patience else False


def _rule_fires(policy: ThresholdPolicy, observation: PolicyObservation) -> bool:
    """Whether the loaded rule fires; it does not say for which labels, so that ``ALERTS`` has the word on those."""
    if policy.spec.per_labels and observation.alerts is not None:
        return False
    rules = observation.target.loaded if observation.target else observation.rule.loaded
    return fires_in(rules, policy.spec)
