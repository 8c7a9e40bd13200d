"""Has Prometheus loaded the rules that we own? An object that exists is not yet a rule that runs.

prometheus-operator drops an invalid object whole, and a ruleSelector may pass it by, so that only
Prometheus' own list is believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..api.base import duration
from ..api.conditions import Condition, ConditionType, Reason
from .conditions import Verdict, find, shortened
from .observation import LoadedRule, RuleObjectState, RuleObservation
from .plan import RuleObject
from .timing import seconds_of
from .written_rules import not_listed, written_rule

_ERROR_LENGTH = 200
_REFUSAL_LENGTH = 600
_HINT = "if it stays so, look whether the ruleSelector of Prometheus asks for a label that ruleLabels could give"


def rule_verdict(desired: RuleObject | None, observed: RuleObservation) -> Verdict:
    """What RuleLoaded says of the ``desired`` rules, given what Prometheus lists."""
    if desired is None:
        return Verdict("True", Reason.NO_RULE, "the spec asks for no rule")
    return _loaded(desired) if observed.settled else _seen(desired, observed)


def _seen(desired: RuleObject, observed: RuleObservation) -> Verdict:
    if observed.state is RuleObjectState.FOREIGN:
        return Verdict("False", Reason.NAME_CONFLICT, f"the PrometheusRule {desired.name} belongs to somebody else")
    if observed.state is RuleObjectState.ABSENT:
        return Verdict("False", Reason.NOT_LOADED, f"the PrometheusRule {desired.name} is being written")
    if observed.loaded is None:
        return Verdict("Unknown", Reason.PROMETHEUS_UNREACHABLE, "Prometheus did not say which rules it has loaded")
    missing = _missing(desired, observed.loaded)
    if missing is None:
        return _health(desired, observed.loaded)
    return rejection(desired.name, observed.refusals, observed.unreadable) or missing


def rejection(name: str, refusals: Sequence[str], unreadable: str) -> Verdict | None:
    """Why rules that are missing will not come by themselves, if anybody says so of the object ``name``."""
    said = []
    if refusals:
        said.append(f"prometheus-operator dropped {name} {'; '.join(refusals)}")
    if unreadable:  # often more than the few words of prometheus-operator
        said.append(unreadable if said else f"{name} is not loaded: {unreadable}")
    if said:
        return Verdict("False", Reason.RULE_REJECTED, shortened("; ".join(said), _REFUSAL_LENGTH))
    return None


def _missing(desired: RuleObject, loaded: Sequence[LoadedRule]) -> Verdict | None:
    group = str(desired.groups[0]["name"])
    if not loaded:
        return Verdict("False", Reason.NOT_LOADED, f"Prometheus does not list the group {group}; {_HINT}")
    wanted = [written_rule(rule) for found in desired.groups for rule in found["rules"]]
    missing = not_listed(wanted, loaded)
    if not missing:
        return None
    message = f"Prometheus evaluates another version of the group {group}: {missing} of {len(wanted)} rules"
    return Verdict("False", Reason.NOT_LOADED, f"{message} are not loaded as they stand in the object")


def _health(desired: RuleObject, loaded: Sequence[LoadedRule]) -> Verdict:
    broken = [rule for rule in loaded if rule.health == "err"]
    if broken:
        error = shortened(broken[0].last_error or "no error text", _ERROR_LENGTH)
        return Verdict("False", Reason.RULE_UNHEALTHY, f"Prometheus cannot evaluate {broken[0].name}: {error}")
    return _loaded(desired)


def _loaded(desired: RuleObject) -> Verdict:
    return Verdict("True", Reason.LOADED, f"Prometheus has loaded the group {desired.groups[0]['name']}")


def overdue(verdict: Verdict, conditions: Sequence[Condition], now: float, patience: float) -> Verdict:
    """``verdict``, which says for how long when a rule has not been loaded for more than ``patience`` seconds."""
    last = find(conditions, ConditionType.RULE_LOADED)
    if verdict.reason is not Reason.NOT_LOADED or last is None or last.reason != Reason.NOT_LOADED:
        return verdict
    since = now - seconds_of(last.last_transition_time)
    if since <= patience:
        return verdict
    waited = duration(math.floor(since / 60) * 60)
    return Verdict(verdict.status, verdict.reason, f"not loaded in time, for {waited} now: {verdict.message}")
