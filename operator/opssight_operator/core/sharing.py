"""Several policies in one PrometheusRule: what a policy may write there without taking anything from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import TooMuchData
from .observation import RuleObservation
from .plan import RuleObject
from .rules import groups_size, rule_digest

MAX_RULE_BYTES = 400_000  # prometheus-operator drops an object above half a MiB whole
_NAMED = 3  # policies in a message


@dataclass(frozen=True, slots=True)
class Dispute:
    """A label of the object on which this policy and others do not agree; it stays as the others have it."""

    label: str
    wanted: str
    value: str
    policies: tuple[str, ...]


def agreed(rule: RuleObject, observed: RuleObservation) -> tuple[RuleObject, tuple[Dispute, ...]]:
    """``rule`` without the labels that others have set to another value, and these labels.

    To leave a label out is also to give it up, so that policies that change it all at once get past each other: the
    last one who holds the old value may change it, and the others join him at their next look.
    """
    disputes = tuple(
        Dispute(label, wanted, *observed.rest.labels[label])
        for label, wanted in sorted(rule.labels.items())
        if rule.shared and label in observed.rest.labels and observed.rest.labels[label][0] != wanted
    )
    if not disputes:
        return rule, ()
    labels = {label: value for label, value in rule.labels.items() if label not in {d.label for d in disputes}}
    return replace(rule, labels=labels, digest=rule_digest(labels, rule.groups)), disputes


def said_of(disputes: Sequence[Dispute], name: str) -> str:
    """One sentence for the person who has to settle it."""
    dispute = disputes[0]
    more = f" (and {len(disputes) - 1} more)" if len(disputes) > 1 else ""
    return (
        f"delivery.record.ruleLabels: the label {dispute.label} of the shared PrometheusRule {name} is {dispute.value} "
        f"for {_policies(dispute.policies)}, and {dispute.wanted} is asked for here{more}; give both the same value or "
        "another sharedObject; the thresholds are recorded all the same"
    )


def check_room(rule: RuleObject, observed: RuleObservation) -> None:
    """Raises ``TooMuchData`` for a rule that makes its object too large; what stands there may stay or shrink."""
    own, total = groups_size(rule.groups), groups_size(rule.groups) + observed.rest.size
    if total <= MAX_RULE_BYTES or (rule.shared and own <= groups_size(observed.groups)):
        return
    if not rule.shared or own > MAX_RULE_BYTES:
        raise TooMuchData(
            f"{len(rule.groups[0]['rules'])} thresholds make a PrometheusRule of {own} bytes, at most "
            f"{MAX_RULE_BYTES} are allowed; choose perLabels with fewer values"
        )
    raise TooMuchData(
        f"delivery.record.sharedObject: the PrometheusRule {rule.name} would have {total} bytes, {own} of them for "
        f"this policy, beside {_policies(observed.rest.policies)}; at most {MAX_RULE_BYTES} are allowed; "
        "name another object in sharedObject, or leave it out for an object of its own"
    )


def _policies(names: Sequence[str]) -> str:
    if not names:
        return "others"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{'policies' if len(names) > 1 else 'policy'} {', '.join(names[:_NAMED])}{more}"
