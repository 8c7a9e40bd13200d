"""What the patterns of an expression cost, before the parser compiles them.

It compiles the pattern of every matcher, in our process and with the interpreter held, and its library is linear in the
pattern *as written out*: ``(.{90}){90}`` is 8,100 dots. A matcher may cost 10 MB and a third of a second, and an
expression has room for two hundred of them. So repetitions are multiplied here on the text, which compiles nothing, and
an expression that is worth no tenant's time is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import InvalidQuery

MAX_COST = 50_000  # of all patterns of an expression; a unit is about a microsecond of compiling, and never two
EACH = 60  # of a pattern, whatever is in it
LETTER = 3
ANY = 12  # a dot, and each character of a class
SMALL = 150  # \d and \s, which have some dozens of ranges of Unicode
NAMED = 600  # \w, \pL and the like, which have hundreds
MANY = 1_000_000  # times too much; the rest is not said
FOLDED = 8_000  # the same, or a range of them, where case does not count: each of its characters is looked up

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PIECE = re.compile(
    r"""
    (?P<property>\\[pP](?:\{[^}]*\}?|.))
  | (?P<word>\\[wW])
  | (?P<small>\\[dDsS])
  | (?P<escape>\\(?:[xuU]\{[^}]*\}|[bB]\{[a-z-]*\}|.)?)
  | (?P<times>\{\s*[0-9]*\s*,?\s*[0-9]*\s*\})
  | (?P<flags>\(\?(?P<letters>[a-zA-Z-]*)[:)])
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED_IN_CLASS = re.compile(r"\\[pPwWdDsS]|\[:")
_RANGES_IN_CLASS = re.compile(r"\\[pPxuU]|\[:?\^|[^\x00-\x7f]")  # that may be wide
_FOLDING = re.compile(r"\(\?[a-zA-Z]*i")


def refuse_costly_patterns(quoted: Iterable[str]) -> None:
    """Raise ``InvalidQuery`` when the quoted patterns of one expression cost too much together."""
    cost = sum(EACH + pattern_cost(_meant(pattern)) for pattern in quoted)
    if cost > MAX_COST:
        raise InvalidQuery(
            f"the patterns of the expression cost over {min(cost // MAX_COST, MANY)} times what may be compiled; "
            "repeat less in them, or match fewer labels by pattern"
        )


def pattern_cost(pattern: str) -> int:
    """Roughly what compiling takes, and never much less."""
    groups = [0]  # what stands in each group that is open, the whole pattern first
    last = 0  # what a repetition would repeat
    at, folding = 0, bool(_FOLDING.search(pattern))
    while at < len(pattern):
        found = _PIECE.match(pattern, at)
        assert found is not None  # the last form takes any character
        at = found.end()
        if found["times"]:
            more = last * (max([1, *map(int, re.findall("[0-9]+", found["times"]))]) - 1)
            groups[-1], last = groups[-1] + more, last + more
            continue
        if found["flags"] and "x" in found["letters"]:
            raise InvalidQuery(f"the pattern {pattern[:64]!r} has the flag x, which Prometheus does not know")
        text = found.group()
        if found["flags"] and text.endswith(")"):
            last = 0
        elif text.startswith("("):
            groups.append(0)
            continue
        elif text == ")" and len(groups) > 1:
            last = groups.pop()
        elif text == "[":
            at = _class_end(pattern, at)
            last = _class_cost(pattern[found.start() : at], folding)
        elif found["property"]:
            last = FOLDED if folding else NAMED
        else:
            last = NAMED if found["word"] else SMALL if found["small"] else ANY if text == "." else LETTER
        groups[-1] += last
    return sum(groups)


def _class_end(pattern: str, at: int) -> int:
    """Behind the bracket that closes a class which was opened before ``at``; classes may stand in classes."""
    depth = 1
    while at < len(pattern) and depth:
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "[":
            depth += 1
        elif pattern[at] == "]":
            depth -= 1
        at += 1
    return at


def _class_cost(text: str, folding: bool) -> int:
    inside = text.removeprefix("[").removeprefix("^")
    wide = FOLDED * len(_RANGES_IN_CLASS.findall(inside)) if folding else 0
    return ANY * len(text) + NAMED * len(_NAMED_IN_CLASS.findall(text)) + wide


def _meant(quoted: str) -> str:
    """The text that a string of PromQL stands for."""
    if quoted.startswith("`"):
        return quoted[1:-1]
    return _ESCAPE.sub(_unescaped, quoted[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    hexadecimal, octal, letter = found[1] or found[2] or found[3], found[4], found[5]
    if letter is not None:
        return _CONTROL.get(letter, letter)
    number = int(hexadecimal, 16) if hexadecimal else int(octal, 8)
    return chr(number) if number < 0x110000 else "?"
