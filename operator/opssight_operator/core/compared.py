"""What an alert compares with its threshold, where that is more than ``spec.expr``: the history of its episodes.

A guard for low volume and further terms that are joined by ``and`` or ``unless`` only take samples away. So the
expression of the alert with an infinite threshold, which nothing fails to pass, has at each moment just the samples
that the real threshold is compared with. Where a threshold stands elsewhere nothing like that is known, and the
episodes of such an alert cannot be foretold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import promql_parser

from ..api.delivery import Render
from ..api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from ..errors import OpsSightError
from .alert_template import AlertTemplate, Guard, alert_expression, confined, template_of
from .literals import parse
from .observation import Labels
from .patching import Refused, aim_at
from .readings import reading_of_tree, same
from .targets import Target

_EVERYTHING = {"Upper": "(-Inf)", "Lower": "Inf"}
_PROBE = "829103764.25"  # nobody's threshold
_ELSEWHERE = "the threshold stands where its alerts cannot be foretold: not in a comparison that and or unless narrow"


@dataclass(frozen=True, slots=True)
class Compared:
    """``query`` is None when the alert compares ``spec.expr``; ``unforetold`` says why its episodes are not known."""

    query: str | None = None
    unforetold: str = ""


def compared(policy: ThresholdPolicy, matchers: Labels, target: Target | None) -> Compared:
    """What the alert of a policy compares with its threshold. An alert that is in Git is not known to us."""
    spec = policy.spec
    try:
        if spec.delivery.mode == "Render":
            return _of_rendered(spec, matchers)
        if spec.delivery.mode == "Patch" and spec.delivery.patch is not None and target is not None:
            aim = aim_at(spec.delivery.patch, spec.bound, target, policy.metadata.name, policy.status.patch)
            expr, literal = aim.place.expr, aim.literal
            return _of(AlertTemplate((expr[: literal.start], expr[literal.end :])), spec, spec.expr)
    except (OpsSightError, Refused):
        pass  # it is refused, and that is said elsewhere
    return Compared()


def _of_rendered(spec: ThresholdPolicySpec, matchers: Labels) -> Compared:
    render = spec.delivery.render or Render()
    template = template_of(render.expr, spec.expr, spec.bound, matchers)
    guard = render.volume_guard
    limit = Guard(confined(guard.expr, matchers), float(guard.min), spec.per_labels) if guard else None
    return _of(template, spec, confined(spec.expr, matchers), limit)


def _of(template: AlertTemplate, spec: ThresholdPolicySpec, base: str, guard: Guard | None = None) -> Compared:
    found = _narrowed(parse(template.at(_PROBE))) if len(template.pieces) == 2 else None
    if found is None:
        return Compared(unforetold=_ELSEWHERE)
    narrowed, side = found
    if guard is None and not narrowed and same(reading_of_tree(side), reading_of_tree(parse(base)), {}):
        return Compared()
    return Compared(alert_expression(template, lambda _: _EVERYTHING[spec.bound], guard=guard))


def _narrowed(tree: Any) -> tuple[bool, Any] | None:
    """Whether other terms narrow the comparison with the probe, and its other side; None when it is elsewhere."""
    narrowed, node = False, _bare(tree)
    while isinstance(node, promql_parser.BinaryExpr) and str(node.op) in ("and", "unless"):
        narrowed, node = True, _bare(node.lhs)
    if not isinstance(node, promql_parser.BinaryExpr) or (node.modifier and node.modifier.return_bool):
        return None
    sides = _bare(node.lhs), _bare(node.rhs)
    others = [other for one, other in (sides, sides[::-1]) if _is_probe(one)]
    return (narrowed, others[0]) if others else None


def _bare(node: Any) -> Any:
    while isinstance(node, promql_parser.ParenExpr):
        node = node.expr
    return node


def _is_probe(node: Any) -> bool:
    return isinstance(node, promql_parser.NumberLiteral) and float(node.val) == float(_PROBE)
