"""Enforced label matchers: put into every selector of a query, and proved by the syntax tree.

The parser has no positions, and its printer loses some forms and does not escape label values. So the matchers are
spliced into the text, token by token. Then the new text is parsed, and it is used only if each of its selectors
carries the matchers and nothing else differs. What cannot be proved is refused: a tenant never gets further by being
clever. Comments and layout do not travel, so that Prometheus cannot read them differently than we do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import promql_parser

from opssight_operator.errors import InvalidQuery, NotAllowed

from .literals import parse
from .observation import Labels
from .promql import compact, operator_of, selectors
from .promql_tokens import Token, TokenKind, tokens

_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_OPERATORS = frozenset({"and", "or", "unless", "atan2", "bool", "offset"})
_AGGREGATIONS = frozenset(
    {"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk", "bottomk"}
    | {"count_values", "quantile", "limitk", "limit_ratio"}
)
_NUMBERS = frozenset({"inf", "nan"})


_SHOWN = 64  # characters of a forged value
_BEYOND_SELECTORS = frozenset({"info"})  # reads target_info, whether a selector names it or not


def enforce(expression: str, matchers: Mapping[str, str]) -> str:
    """``expression`` with ``label="value"`` in every selector; without matchers as it is, for Prometheus to judge.

    Raises ``InvalidQuery`` when it is not PromQL, and ``NotAllowed`` when a selector already asks something else of an
    enforced label, or when the result cannot be proved.
    """
    if not matchers:
        return expression
    written, expression = expression, compact(expression)
    before = parse(expression)
    if written != expression and repr(parse(written)) != repr(before):
        raise _unprovable()
    for selector in selectors(before):
        _refuse_foreign(selector, matchers)
    spliced = _spliced(expression, ",".join(f"{name}={_quoted(value)}" for name, value in matchers.items()))
    try:
        after = parse(spliced)
    except InvalidQuery as error:
        raise _unprovable() from error
    if not _proved(before, after, matchers):
        raise _unprovable()
    return spliced


def refuse_forged(series: Iterable[Labels], matchers: Mapping[str, str]) -> None:
    """Raise ``NotAllowed`` for a series that says of itself to be somebody else's.

    ``label_replace``, ``label_join`` and ``count_values`` give the results of a confined query any label. A threshold
    that is recorded for a forged namespace would be found, and joined, by the alert of its true owner.
    """
    for labels in series:
        for name, value in matchers.items():
            said = labels.get(name, value)
            if said != value:
                raise NotAllowed(
                    f"the query gives a series the label {name}={_quoted(said[:_SHOWN])}, but may only speak of "
                    f"{name}={_quoted(value)}; leave that label to Prometheus"
                )


def _unprovable() -> NotAllowed:
    return NotAllowed(
        'the query cannot be confined to its namespace; write its selectors plainly, as metric{label="value"}'
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _refuse_foreign(selector: Any, matchers: Mapping[str, str]) -> None:
    if selector.matchers.or_matchers:
        raise InvalidQuery("a selector has 'or' between its matchers, which Prometheus does not know")
    for matcher in selector.matchers.matchers:
        wanted = matchers.get(matcher.name)
        if wanted is None:
            continue
        if matcher.op != promql_parser.MatchOp.Equal or matcher.value != wanted:
            raise NotAllowed(
                f"the query asks for {matcher.name} {operator_of(matcher)} {_quoted(matcher.value)}; this resource may "
                f"only read {matcher.name}={_quoted(wanted)}, which is put into every selector"
            )


def _spliced(expression: str, matchers: str) -> str:
    """The text with the matchers in every place that looks like a selector."""
    cut = [t for t in tokens(expression) if t.kind not in (TokenKind.SPACE, TokenKind.COMMENT)]
    insertions: list[tuple[int, str]] = []
    at = 0
    while at < len(cut):
        token = cut[at]
        following = cut[at + 1] if at + 1 < len(cut) else None
        if token.text == "[":
            at = _after(cut, at, "[", "]")
        elif token.text == "{":
            insertions.append(_inside(cut, at, matchers))
            at = _after(cut, at, "{", "}")
        elif token.kind is TokenKind.WORD and token.text.lower() in _GROUPING and _is(following, "("):
            at = _after(cut, at + 1, "(", ")")
        elif token.text.lower() in _BEYOND_SELECTORS and _is(following, "("):
            raise NotAllowed(
                f"the query calls {token.text}(), which reads series that no selector names; "
                "this resource may only read its own namespace"
            )
        elif _is_metric(token, following):
            if _is(following, "{"):
                at += 1
                continue
            insertions.append((token.end, "{" + matchers + "}"))
            at += 1
        else:
            at += 1
    for position, text in reversed(insertions):
        expression = expression[:position] + text + expression[position:]
    return expression


def _is(token: Token | None, text: str) -> bool:
    return token is not None and token.text == text


def _is_metric(token: Token, following: Token | None) -> bool:
    if token.kind is not TokenKind.WORD or _is(following, "("):
        return False
    word = token.text.lower()
    if word in _OPERATORS or word in _GROUPING or word in _NUMBERS:
        return False
    groups = following is not None and following.text.lower() in ("by", "without")
    return not (word in _AGGREGATIONS and groups)


def _inside(cut: Sequence[Token], at: int, matchers: str) -> tuple[int, str]:
    empty = at + 1 < len(cut) and cut[at + 1].text == "}"
    return cut[at].end, matchers if empty else matchers + ","


def _after(cut: Sequence[Token], at: int, opening: str, closing: str) -> int:
    depth = 0
    while at < len(cut):
        if cut[at].text == opening:
            depth += 1
        elif cut[at].text == closing:
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


def _proved(before: Any, after: Any, matchers: Mapping[str, str]) -> bool:
    """Every selector gained exactly the matchers, and the trees are equal but for that."""
    old, new, printed = selectors(before), selectors(after), repr(after)
    # counted in print too, in case that a walk does not come to all; strings are quoted and escaped there
    if not len(old) == len(new) == sum(line.endswith("VectorSelector {") for line in printed.split("\n")):
        return False
    added = sorted((name, "=", value) for name, value in matchers.items())
    for was, now in zip(old, new, strict=True):
        if now.matchers.or_matchers or (was.name, was.offset, repr(was.at)) != (now.name, now.offset, repr(now.at)):
            return False
        if sorted(_plain(was) + added) != sorted(_plain(now)):
            return False
    return repr(_with_selectors(before, new)) == printed


def _plain(selector: Any) -> list[tuple[str, str, str]]:
    return [(m.name, operator_of(m), m.value) for m in selector.matchers.matchers]


def _with_selectors(tree: Any, chosen: Sequence[Any]) -> Any:
    """The tree with its selectors replaced, in the order of the text."""
    remaining = iter(chosen)

    def swap(node: Any) -> Any:
        return next(remaining) if isinstance(node, promql_parser.VectorSelector) else None

    return promql_parser.transform(tree, swap)
