"""Do two texts of PromQL mean the same? Prometheus lists a rule in a spelling of its own.

An expression is read as its syntax tree, node by node in one order, with the number of parts that each node has. What
makes no difference is left out: brackets, layout, ``by ()`` and ``ignoring ()``. Label matchers are kept aside, since
prometheus-operator may add one to every selector (``enforcedNamespaceLabel``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser

from ..errors import InvalidQuery
from .literals import parse
from .promql import operator_of
from .promql_tokens import TokenKind, tokens

Matcher = tuple[str, str, str]  # name, operator, value


@dataclass(frozen=True, slots=True)
class Reading:
    """What an expression says: its tree without label matchers, and those of each selector in the order of the text."""

    form: tuple[Any, ...]
    matchers: tuple[frozenset[Matcher], ...]


def reading_of(expression: str) -> Reading:
    """The reading of an expression; one that does not parse is read word by word."""
    value = vector_value(expression)
    if value is not None:  # by far the most of our rules
        return Reading(("vector", value), ())
    try:
        return reading_of_tree(parse(expression))
    except InvalidQuery:
        return Reading(_words(expression), ())


def reading_of_tree(tree: Any) -> Reading:
    """The reading of a syntax tree, or of a part of one."""
    form: list[Any] = []
    matchers: list[frozenset[Matcher]] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            matchers.append(_matchers(node))
        if not isinstance(node, promql_parser.ParenExpr):
            form.append((type(node).__name__, *_said(node)))
        return True

    promql_parser.walk(tree, pre_visit=visit)
    return Reading(tuple(form), tuple(matchers))


def same(wanted: Reading, listed: Reading, added: Mapping[str, str]) -> bool:
    """Whether ``listed`` is ``wanted``, or that with a matcher for a label of ``added`` in each selector."""
    if wanted.form != listed.form or len(wanted.matchers) != len(listed.matchers):
        return False
    more = frozenset[Matcher]().union(*(new - old for old, new in zip(wanted.matchers, listed.matchers, strict=True)))
    if not more <= {(name, "=", value) for name, value in added.items()}:
        return False
    return all(old | more == new for old, new in zip(wanted.matchers, listed.matchers, strict=True))


def vector_value(expression: str) -> float | None:
    """The number in ``vector(number)``, as we write it and as Prometheus prints it."""
    text = "".join(expression.split())
    if not (text.startswith("vector(") and text.endswith(")")):
        return None
    try:
        return float(text[len("vector(") : -1])
    except ValueError:
        return None


def _at(node: Any) -> tuple[str, Any] | None:
    return None if node.at is None else (str(node.at.type), node.at.at)


def _grouping(modifier: Any) -> tuple[str, tuple[str, ...]] | None:
    if modifier is None or (not modifier.labels and modifier.type == promql_parser.AggModifierType.By):
        return None
    return str(modifier.type), tuple(sorted(modifier.labels))


def _joining(modifier: Any) -> tuple[Any, ...]:
    """How the sides of an operation meet; nothing for the plain way."""
    if modifier is None:
        return ()
    matching = modifier.matching
    excluding = matching is not None and matching.type == promql_parser.LabelModifierType.Exclude
    on = (
        None if matching is None or (excluding and not matching.labels) else (excluding, tuple(sorted(matching.labels)))
    )
    card = str(modifier.card).rpartition(".")[2]
    grouped = (card, tuple(sorted(modifier.group_labels or ()))) if card in ("ManyToOne", "OneToMany") else None
    fill = modifier.fill_values
    filled = (fill.lhs, fill.rhs) if fill is not None else (None, None)
    plain = (on, grouped, bool(modifier.return_bool), filled) == (None, None, False, (None, None))
    return () if plain else (on, grouped, bool(modifier.return_bool), filled)


_SAID: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    promql_parser.NumberLiteral: lambda node: (repr(float(node.val)),),  # as text, since NaN is not itself
    promql_parser.StringLiteral: lambda node: (node.val,),
    promql_parser.VectorSelector: lambda node: (node.offset, _at(node)),
    promql_parser.MatrixSelector: lambda node: (node.range,),
    promql_parser.SubqueryExpr: lambda node: (node.range, node.step, node.offset, _at(node)),
    promql_parser.Call: lambda node: (node.func.name, len(node.args)),
    promql_parser.AggregateExpr: lambda node: (str(node.op), node.param is not None, _grouping(node.modifier)),
    promql_parser.BinaryExpr: lambda node: (str(node.op), *_joining(node.modifier)),
}


def _said(node: Any) -> tuple[Any, ...]:
    """What a node says by itself; its parts follow it, and this is enough to tell where each of them ends."""
    said = _SAID.get(type(node))
    return said(node) if said else ()


def _matchers(selector: Any) -> frozenset[Matcher]:
    named = [("__name__", "=", selector.name)] if selector.name else []
    alternatives = [("", "or", repr(selector.matchers.or_matchers))] if selector.matchers.or_matchers else []
    return frozenset([*named, *alternatives, *((m.name, operator_of(m), m.value) for m in selector.matchers.matchers)])


def _words(expression: str) -> tuple[str, ...]:
    try:
        found = tokens(expression)
    except InvalidQuery:
        return (expression,)
    return tuple(token.text for token in found if token.kind not in (TokenKind.SPACE, TokenKind.COMMENT))
