"""From a message to its shape: the words that a program wrote, with the values it filled in masked.

A shape is a tuple of words split at white space. Numbers, identifiers with digits, addresses, paths and the values of
``key=value`` become ``<*>``; neighbouring wildcards and a unit after one fold into it, so that lists and sizes of any
length have one shape. The rules know no program and no file. Each expression runs in time linear in the word.
"""

from __future__ import annotations

import re

WILDCARD = "<*>"
Shape = tuple[str, ...]

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_COLON_ADDRESS = re.compile(
    r"\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){3,}\b|\b[0-9a-fA-F]{1,4}(?:::?[0-9a-fA-F]{1,4}){3,}\b"
)
_IDENTIFIER = re.compile(r"[+-]?[\w.\-]++")
_VALUE_OF_KEY = re.compile(r"([A-Za-z_\])]=)[^\s,;&\])>=]++")
_PATH = re.compile(r"(?:[A-Za-z]++:/)?(?:(?<![\w>])/|(?<=[\w>])/(?=[^/]*+/))[^\s,;:()\[\]\"']*+")
_NEIGHBOURS = re.compile(r"<\*>(?:[.:,/_\-#@%+&]*+<\*>)+")
_UNIT = re.compile(r"[KMGT]?i?B(\W*)$")
_HAS_DIGIT = re.compile(r"\d")


def _mask_identifier(match: re.Match[str]) -> str:
    return WILDCARD if _HAS_DIGIT.search(match[0]) else match[0]


def mask_word(word: str, max_word_chars: int = 256) -> str:
    """One word with its values masked; a longer word is data (an encoded blob, a document) and masked whole."""
    if len(word) > max_word_chars:
        return WILDCARD
    masked = _UUID.sub(WILDCARD, word)
    masked = _COLON_ADDRESS.sub(WILDCARD, masked)
    masked = _IDENTIFIER.sub(_mask_identifier, masked)
    masked = _VALUE_OF_KEY.sub(rf"\1{WILDCARD}", masked)
    if "/" in masked:
        masked = _PATH.sub(WILDCARD, masked)
    return _NEIGHBOURS.sub(WILDCARD, masked)


class Masker:
    """Masks messages, remembering words it has seen; the memory changes the speed, never the answer."""

    __slots__ = ("_max_chars", "_max_remembered", "_max_words", "_words")

    def __init__(self, max_words: int = 200, max_chars: int = 8_192, max_remembered: int = 100_000) -> None:
        self._max_words, self._max_chars, self._max_remembered = max_words, max_chars, max_remembered
        self._words: dict[str, str] = {}

    def shape(self, message: str) -> Shape:
        """The shape of ``message``; an empty message has the empty shape, an endless one is cut."""
        known = self._words
        if len(known) > self._max_remembered:
            known.clear()
        shape: list[str] = []
        previous = ""
        for word in message[: self._max_chars].split(None, self._max_words)[: self._max_words]:
            masked = known.get(word)
            if masked is None:
                masked = known[word] = mask_word(word)
            if previous == WILDCARD:
                if masked == WILDCARD:
                    continue
                if masked[0] in "KMGTiB" and (unit := _UNIT.match(masked)):
                    previous = shape[-1] = WILDCARD + unit[1]
                    continue
            shape.append(masked)
            previous = masked
        return tuple(shape)
