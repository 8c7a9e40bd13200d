"""PromQL as values: does it parse, what does it select, and does its answer for a moment ever change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import promql_parser

from .literals import parse
from .promql_tokens import TokenKind, tokens


def check(expression: str) -> None:
    """Raise ``InvalidQuery`` with the parser's sentence when ``expression`` is not PromQL."""
    parse(expression)


def selectors(tree: Any) -> list[Any]:
    """All vector selectors of a syntax tree, in the order of the text."""
    found: list[Any] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(tree, visit)
    return found


def operator_of(matcher: Any) -> str:
    """How a label matcher compares, as it is written."""
    kinds = promql_parser.MatchOp
    spelled = ((kinds.Equal, "="), (kinds.NotEqual, "!="), (kinds.Re, "=~"), (kinds.NotRe, "!~"))
    return next((text for kind, text in spelled if matcher.op == kind), "?")


def compact(expression: str) -> str:
    """The same expression in one line, without comments.

    Strings stay as they are, so that only what no reader of PromQL can mistake is left between the words.
    """
    parts: list[str] = []
    for token in tokens(expression):
        if token.kind not in (TokenKind.SPACE, TokenKind.COMMENT):
            parts.append(token.text)
        elif parts and parts[-1] != " ":
            parts.append(" ")
    return "".join(parts).strip()


@lru_cache(maxsize=4096)
def looks_back_only(expression: str) -> bool:
    """Whether the answer for a moment depends on samples up to that moment alone, whatever range is asked for.

    That is not so with ``@`` and with negative offsets, nor with the experimental ``smoothed``, which reads ahead.
    """
    words = [t for t in tokens(expression) if t.kind not in (TokenKind.SPACE, TokenKind.COMMENT)]
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word.kind is TokenKind.SYMBOL and word.text == "@":
            return False
        if word.kind is TokenKind.WORD:
            if word.text.lower() == "smoothed":
                return False
            if word.text.lower() == "offset" and following is not None and following.text in ("-", "("):
                return False
    return True


def range_pinned(expression: str, start: float, end: float) -> str:
    """``expression`` with ``@ start()`` and ``@ end()`` as the moments (seconds) that they mean.

    A range query that is asked for in several requests then means the same in each of them.
    """
    words = [t for t in tokens(expression) if t.kind not in (TokenKind.SPACE, TokenKind.COMMENT)]
    for at in range(len(words) - 4, -1, -1):
        sign, name, opening, closing = (word.text for word in words[at : at + 4])
        if (sign, opening, closing) == ("@", "(", ")") and name.lower() in ("start", "end"):
            moment = f"{start if name.lower() == 'start' else end:.3f}"
            expression = expression[: words[at + 1].start] + moment + expression[words[at + 3].end :]
    return expression


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """``metric{label="value"}`` with the values quoted."""
    return f"{metric}{{{','.join(f'{name}={quoted(value)}' for name, value in labels.items())}}}"


def quoted(text: str) -> str:
    """``text`` as a string of PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
