"""PromQL cut into tokens that keep their place in the text.

The parser gives a syntax tree without positions, and its printer loses comments and layout. Whoever
changes one piece of somebody's expression therefore works on the text, token by token, and asks the
parser for proof afterwards (``literals``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from ..errors import InvalidQuery
from .pattern_cost import refuse_costly_patterns


class TokenKind(StrEnum):
    """What a piece of text is."""

    SPACE = "space"
    COMMENT = "comment"
    STRING = "string"
    NUMBER = "number"  # also a duration, which PromQL takes for a number of seconds
    WORD = "word"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: ``text[start:end]`` of the expression."""

    kind: TokenKind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Position after the last character."""
        return self.start + len(self.text)


_DIGITS = r"[0-9](?:_?[0-9])*"
_TOKENS = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<comment>\#[^\n]*)
  | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | `[^`]*`)
  | (?P<number>0[xX]_?[0-9a-fA-F](?:_?[0-9a-fA-F])*
      | (?:[0-9]+(?:ms|[smhdwy]))+(?![0-9a-zA-Z_])
      | (?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?)
  | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<symbol>[=!<>]=|=~|!~|<|>|=|[^\s\w"'`\#])
    """,
    re.VERBOSE,
)
_NUMBER_WORDS = {"inf", "nan"}
_OPERATORS = frozenset({"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless", "atan2"})
MAX_NESTING = 25  # brackets inside brackets
MAX_OPERATORS = 60


def tokens(expression: str) -> tuple[Token, ...]:
    """All tokens of an expression, spaces and comments included; together they are the text.

    Raises ``InvalidQuery`` at the first character that begins no token, such as an open quote.
    """
    found: list[Token] = []
    position = 0
    while position < len(expression):
        match = _TOKENS.match(expression, position)
        if match is None or match.lastgroup is None:
            raise InvalidQuery(
                f"the expression cannot be read from character {position + 1}: {_near(expression, position)!r}"
            )
        text = match.group()
        kind = TokenKind(match.lastgroup)
        if kind is TokenKind.WORD and text.lower() in _NUMBER_WORDS:
            kind = TokenKind.NUMBER
        found.append(Token(kind, text, position))
        position = match.end()
    return tuple(found)


def readable_by_parser(expression: str) -> str:
    """The same expression in the spelling that promql-parser takes: it refuses raw strings that hold a backslash
    and underscores in numbers, both of which Prometheus accepts.

    Raises ``InvalidQuery`` for an expression so deep that the parser, which is recursive and has no bound of its own,
    could take the whole process down, and for patterns that it would be busy with for seconds.
    """
    found = tokens(expression)
    _refuse_too_deep(found)
    refuse_costly_patterns(_patterns(found))
    return "".join(_spelled(token) for token in found)


def _refuse_too_deep(found: tuple[Token, ...]) -> None:
    depth = deepest = operators = 0
    in_braces = False
    for token in found:
        if token.kind not in (TokenKind.SYMBOL, TokenKind.WORD):
            continue
        depth += token.text in ("(", "[")
        deepest = max(deepest, depth)
        depth -= token.text in (")", "]")
        in_braces = token.text == "{" or (in_braces and token.text != "}")
        operators += token.text.lower() in _OPERATORS and not in_braces
    if deepest > MAX_NESTING:
        raise InvalidQuery(f"the expression has {deepest} brackets inside each other; at most {MAX_NESTING} are read")
    if operators > MAX_OPERATORS:
        raise InvalidQuery(f"the expression has {operators} operators; at most {MAX_OPERATORS} are read")


def _patterns(found: tuple[Token, ...]) -> Iterator[str]:
    """The strings, in their quotes, that the parser takes for patterns and compiles."""
    words = [token for token in found if token.kind not in (TokenKind.SPACE, TokenKind.COMMENT)]
    for sign, token in pairwise(words):
        if sign.text in ("=~", "!~") and token.kind is TokenKind.STRING:
            yield token.text


def _spelled(token: Token) -> str:
    if token.kind is TokenKind.NUMBER:
        return token.text.replace("_", "")
    if token.kind is TokenKind.STRING and token.text.startswith("`"):
        escaped = token.text[1:-1].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "")
        return f'"{escaped}"'
    return token.text


def _near(expression: str, position: int) -> str:
    return expression[position : position + 20]
