"""PromQL as values: does it parse, and what does it select."""

from __future__ import annotations

from typing import Any

import promql_parser

from .literals import parse


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
