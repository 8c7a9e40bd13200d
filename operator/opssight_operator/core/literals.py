"""Changing one number in somebody's PromQL and nothing else.

A number is found in the text by its token, and tied to its place in the syntax tree by an experiment:
the token is replaced by a number that stands nowhere else, and the tree must then differ from the old
one in exactly one literal. The same comparison is the proof of every change: old and new tree differ in
the one literal that was meant, from the value it had to the value it should have. An expression is never
printed back from its tree, so comments, layout and spelling stay as their owner wrote them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import promql_parser

from ..errors import InvalidQuery, InvalidSpec, TargetNotFound
from .numbers import decimal_text
from .promql_tokens import Token, TokenKind, readable_by_parser, tokens

_COMPARISONS = {">": "Upper", ">=": "Upper", "<": "Lower", "<=": "Lower", "==": None, "!=": None}
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_VALUE_LINE = re.compile(r"\s*val: (\S+),")
_EXCERPT = 40  # characters before a literal, so that a person can tell it from others


@dataclass(frozen=True, slots=True)
class Literal:
    """One number literal of an expression.

    ``start`` and ``end`` span its text, a minus sign that belongs to it included; ``value`` is what it means
    (``5m`` is 300). ``occurrence`` counts all literals of the expression from 1. ``operator`` is the
    comparison that it is one side of, turned so that the literal stands on the right, or None; ``metrics``
    are the metric names on the other side of that comparison.
    """

    occurrence: int
    start: int
    end: int
    text: str
    value: float
    operator: str | None
    metrics: tuple[str, ...]

    @property
    def bound(self) -> str | None:
        """``Upper`` or ``Lower`` when the literal is a threshold, else None."""
        return _COMPARISONS.get(self.operator or "")


def parse(expression: str) -> Any:
    """The syntax tree; raises ``InvalidQuery`` with what the parser says."""
    try:
        return promql_parser.parse(readable_by_parser(expression))
    except ValueError as error:
        raise InvalidQuery(f"the expression does not parse: {error}") from error


def find_literals(expression: str) -> tuple[Literal, ...]:
    """All number literals, in the order of the text. Durations of windows, offsets and ``@`` times are none."""
    tree = repr(parse(expression))
    cut = tokens(expression)
    probe = _number_not_in(expression)
    found: list[Literal] = []
    for index, token in enumerate(cut):
        if token.kind is not TokenKind.NUMBER:
            continue
        try:
            probed = parse(_spliced(expression, token.start, token.end, probe))
        except InvalidQuery:
            continue  # what cannot be any other number is no number
        change = _only_literal_changed(tree, repr(probed))
        if change is None or abs(change[1]) != float(probe):
            continue
        value, marked = change
        sign = _minus_of(cut, index) if marked < 0 else None
        start = sign.start if sign else token.start
        operator, metrics = _comparison_of(probed, marked)
        found.append(Literal(len(found) + 1, start, token.end, expression[start : token.end], value, operator, metrics))
    return tuple(found)


def numbers_in(expression: str) -> tuple[float, ...] | None:
    """The values of all number literals of an expression in their order; None for what does not parse.

    Prometheus prints an expression in a form of its own, and these stay as they are.
    """
    found: list[float] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.NumberLiteral):
            found.append(float(node.val))
        return True

    try:
        promql_parser.walk(parse(expression), pre_visit=visit)
    except InvalidQuery:
        return None
    return tuple(found)


def choose_literal(
    expression: str, bound: str | None = None, metric: str | None = None, occurrence: int | None = None
) -> Literal:
    """The literal that is the threshold.

    Without ``occurrence`` it is the only one that is compared by ``<``, ``<=``, ``>`` or ``>=``, on the side
    of ``bound`` and with ``metric`` on the other side where these are given. Raises ``TargetNotFound`` when
    there is none and ``InvalidSpec`` when there are several; both list what there is.
    """
    literals = find_literals(expression)
    if occurrence is not None:
        chosen = [literal for literal in literals if literal.occurrence == occurrence]
        if not chosen:
            raise TargetNotFound(f"there is no number {occurrence} in the expression; {_listed(expression, literals)}")
        return chosen[0]
    chosen = [
        literal
        for literal in literals
        if literal.bound is not None
        and (bound is None or literal.bound == bound)
        and (metric is None or metric in literal.metrics)
    ]
    wanted = " ".join(
        filter(
            None, ("no number is compared as a threshold", bound and f"of bound {bound}", metric and f"for {metric}")
        )
    )
    if not chosen:
        raise TargetNotFound(f"{wanted}; {_listed(expression, literals)}")
    if len(chosen) > 1:
        raise InvalidSpec(
            f"{len(chosen)} numbers could be the threshold: set occurrence or metric; {_listed(expression, chosen)}"
        )
    return chosen[0]


def replace_literal(expression: str, literal: Literal, value: float) -> str:
    """The expression with ``value`` in place of the literal, proved to be changed there and nowhere else.

    Raises ``InvalidSpec`` for a value that is not finite or a literal that is not at its place, and
    ``InvalidQuery`` when the proof fails.
    """
    if not math.isfinite(value):
        raise InvalidSpec(f"a threshold must be a finite number, not {value}")
    if expression[literal.start : literal.end] != literal.text:
        raise InvalidSpec(f"the number {literal.text} is not at its place in the expression any more")
    text = decimal_text(-value if _is_negated(literal) else value)
    changed = _spliced(expression, literal.start, literal.end, text)
    if _is_proved(expression, changed, literal.value, value):
        return changed
    raise InvalidQuery(
        f"{literal.text} cannot be replaced by {decimal_text(value)}: more than this number would change"
    )


def prove(before: str, after: str, old_value: float, new_value: float) -> None:
    """Raise ``InvalidQuery`` unless the trees differ in one literal alone, from ``old_value`` to ``new_value``."""
    if not _is_proved(before, after, old_value, new_value):
        raise InvalidQuery(
            f"the expressions differ in more than one number that goes from {old_value:g} to {new_value:g}"
        )


def _is_proved(before: str, after: str, old_value: float, new_value: float) -> bool:
    try:
        old, new = repr(parse(before)), repr(parse(after))
    except InvalidQuery:
        return False
    if _same(old_value, new_value):
        return old == new
    change = _only_literal_changed(old, new)
    return change is not None and _same(change[0], old_value) and _same(change[1], new_value)


def _only_literal_changed(before: str, after: str) -> tuple[float, float] | None:
    """Old and new value when two trees, as the parser prints them, differ in one literal alone; else None.

    The print has a line for each field, and strings in it are escaped, so that a line ``val:`` below a line
    ``NumberLiteral {`` is the value of a literal and nothing else.
    """
    old, new = before.split("\n"), after.split("\n")
    if len(old) != len(new):
        return None
    differing = [line for line in range(len(old)) if old[line] != new[line]]
    if len(differing) != 1 or old[differing[0] - 1].strip() != "NumberLiteral {":
        return None
    values = [_VALUE_LINE.fullmatch(text[differing[0]]) for text in (old, new)]
    if values[0] is None or values[1] is None:
        return None
    return float(values[0].group(1)), float(values[1].group(1))


def _comparison_of(tree: Any, value: float) -> tuple[str | None, tuple[str, ...]]:
    """The comparison with the literal of this value on one side: its operator and the metrics on the other side."""
    found: list[tuple[str | None, tuple[str, ...]]] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.BinaryExpr) and str(node.op) in _COMPARISONS:
            operator = str(node.op)
            if _is_literal(node.rhs, value):
                found.append((operator, _metrics_in(node.lhs)))
            elif _is_literal(node.lhs, value):
                found.append((_MIRRORED.get(operator, operator), _metrics_in(node.rhs)))
        return True

    promql_parser.walk(tree, pre_visit=visit)
    return found[0] if found else (None, ())


def _is_literal(node: Any, value: float) -> bool:
    while isinstance(node, promql_parser.ParenExpr):
        node = node.expr
    return isinstance(node, promql_parser.NumberLiteral) and bool(node.val == value)


def _metrics_in(tree: Any) -> tuple[str, ...]:
    """Names of the metrics that an expression reads, in their order."""
    names: dict[str, None] = {}

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            by_matcher = [m.value for m in node.matchers.matchers if m.name == "__name__"]
            names.update(dict.fromkeys([node.name] if node.name else by_matcher))
        return True

    promql_parser.walk(tree, pre_visit=visit)
    return tuple(names)


def _minus_of(cut: tuple[Token, ...], index: int) -> Token | None:
    """The minus sign right before a token, with nothing but space between."""
    for token in reversed(cut[:index]):
        if token.kind is not TokenKind.SPACE:
            return token if token.text == "-" else None
    return None


def _is_negated(literal: Literal) -> bool:
    """Whether signs that are not part of the literal's text turn it, as in ``-+5``."""
    own = float(parse(literal.text).val)
    return own * literal.value < 0


def _number_not_in(expression: str) -> str:
    probe = 918273645.25
    while str(probe) in expression:
        probe += 1
    return str(probe)


def _spliced(expression: str, start: int, end: int, text: str) -> str:
    return expression[:start] + text + expression[end:]


def _same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


def _listed(expression: str, literals: tuple[Literal, ...] | list[Literal]) -> str:
    """The literals as a person can tell them apart."""
    if not literals:
        return "the expression holds no number"
    return "; ".join(
        f"occurrence {literal.occurrence}: {_excerpt(expression, literal)}"
        + (f" ({', '.join(literal.metrics)})" if literal.metrics else "")
        for literal in literals
    )


def _excerpt(expression: str, literal: Literal) -> str:
    before = " ".join(expression[: literal.start].split())
    shown = before if len(before) <= _EXCERPT else "..." + before[-_EXCERPT:]
    return f"{shown} {literal.text}"
