"""A streaming miner that turns messages into templates, with one configuration for every kind of message.

Two stages. *Learning* masks each message (``masking``) and counts its shape: one dictionary look-up a line. *Mining*
groups the shapes, on demand (``grouping``). The result depends on which messages were seen and not on their order.
When there are too many shapes they are folded into the templates found so far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grouping import common_words, group_shapes
from .masking import WILDCARD, Masker, Shape

RowArray = NDArray[np.int64]

STATE_VERSION = 1
_MAX_EXAMPLE_CHARS = 500


@dataclass(frozen=True, slots=True)
class Template:
    """What one group of messages has in common.

    ``count`` is how many messages were learned since the miner was made, ``past_count`` how many the state it started
    from knew; a template is new when that is 0 (and there was a state). ``example`` is the first message learned.
    """

    text: str
    count: int
    past_count: int
    example: str

    @property
    def id(self) -> str:
        """Eight hex digits made of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class MinedTemplates:
    """``templates``, the most frequent first, and the template of each row: ``of_row[row]`` indexes ``templates``."""

    templates: tuple[Template, ...]
    of_row: RowArray


class TemplateMiner:
    """Learns messages as they come; ``mined`` groups all that were learned so far.

    ``max_shapes`` bounds the memory. ``max_variants`` is the largest number of different words that a column may have
    and still count as text rather than as a value.
    """

    def __init__(self, *, max_shapes: int = 20_000, max_variants: int = 4) -> None:
        if max_shapes < 1 or max_variants < 1:
            raise ValueError(f"max_shapes and max_variants must be at least 1, not {max_shapes} and {max_variants}")
        self._max_shapes, self._max_variants = max_shapes, max_variants
        self._masker = Masker()
        self._row_of: dict[Shape, int] = {}
        self._shapes: list[Shape] = []
        self._counts: list[int] = []
        self._past: list[int] = []
        self._examples: list[str] = []
        self._folded = np.empty(0, dtype=np.int64)  # row given out in the past -> row of today

    def learn(self, messages: Iterable[str], times: Iterable[int] = repeat(1)) -> RowArray:
        """Count the messages; returns one row number a message, valid for every later ``mined().of_row``.

        ``times`` says how often each of them came.
        """
        rows: list[int] = []
        shape_of, row_of, counts = self._masker.shape, self._row_of, self._counts
        offset = self._folded.size
        for message, often in zip(messages, times, strict=False):
            shape = shape_of(message)
            row = row_of.get(shape)
            if row is None:
                if len(counts) >= self._max_shapes:
                    self._fold()
                    row_of, counts, offset = self._row_of, self._counts, self._folded.size
                row = self._add(shape, 0, message[:_MAX_EXAMPLE_CHARS])
            counts[row] += often
            rows.append(row + offset)
        return np.array(rows, dtype=np.int64)

    def mined(self) -> MinedTemplates:
        """The templates of everything learned, and of the state that the miner started from."""
        groups = group_shapes(self._shapes, self._weights(), self._max_variants)
        templates = [self._template(group) for group in groups]
        order = sorted(range(len(groups)), key=lambda i: (-templates[i].count, -templates[i].past_count, groups[i][0]))
        of_today = np.empty(len(self._shapes), dtype=np.int64)
        for position, i in enumerate(order):
            of_today[groups[i]] = position
        return MinedTemplates(
            templates=tuple(templates[i] for i in order),
            of_row=np.concatenate([of_today[self._folded], of_today]),
        )

    def state(self, max_templates: int = 2_000) -> dict[str, Any]:
        """What a later miner needs to know which templates are new, as JSON values; the most frequent are kept."""
        groups = group_shapes(self._shapes, self._weights(), self._max_variants)
        kept = sorted(groups, key=lambda group: (-self._weight(group), group[0]))[:max_templates]
        return {
            "version": STATE_VERSION,
            "templates": [
                {"words": list(common_words(self._shapes, group)), "count": self._weight(group)} for group in kept
            ],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **settings: int) -> TemplateMiner:
        """A miner that knows the templates of ``state``; raises ``ValueError`` when it is not a state of this kind."""
        miner = cls(**settings)
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"version of the template state is {state.get('version')!r}, allowed is {STATE_VERSION}")
        for entry in state.get("templates", []):
            words, count = entry.get("words"), entry.get("count")
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise ValueError(f"words of a template must be a list of strings, not {words!r}")
            if not isinstance(count, int) or count < 0:
                raise ValueError(f"count of a template must be a whole number of at least 0, not {count!r}")
            shape = tuple(words)
            row = miner._row_of.get(shape)
            if row is None:
                miner._add(shape, count, "")
            else:
                miner._past[row] += count
        return miner

    def _add(self, shape: Shape, past: int, example: str) -> int:
        row = len(self._shapes)
        self._row_of[shape] = row
        self._shapes.append(shape)
        self._counts.append(0)
        self._past.append(past)
        self._examples.append(example)
        return row

    def _weights(self) -> list[int]:
        return [now + past for now, past in zip(self._counts, self._past, strict=True)]

    def _weight(self, rows: Sequence[int]) -> int:
        return sum(self._counts[row] + self._past[row] for row in rows)

    def _template(self, rows: Sequence[int]) -> Template:
        return Template(
            text=" ".join(common_words(self._shapes, rows)),
            count=sum(self._counts[row] for row in rows),
            past_count=sum(self._past[row] for row in rows),
            example=next((self._examples[row] for row in rows if self._examples[row]), ""),
        )

    def _fold(self) -> None:
        """Replace the shapes by their templates; keep at most half of the room, the most frequent templates."""
        groups = group_shapes(self._shapes, self._weights(), self._max_variants)
        groups.sort(key=lambda group: (-self._weight(group), group[0]))
        room = max(1, self._max_shapes // 2)
        rare = [row for group in groups[room - 1 :] for row in group]
        groups = groups[: room - 1] + ([rare] if rare else [])
        shapes, counts, past, examples = self._shapes, self._counts, self._past, self._examples
        self._row_of, self._shapes, self._counts, self._past, self._examples = {}, [], [], [], []
        today = np.empty(len(shapes), dtype=np.int64)
        for group in groups:
            shape = (WILDCARD,) if group is rare else common_words(shapes, group)
            row = self._row_of.get(shape)
            if row is None:
                row = self._add(shape, 0, next((examples[r] for r in group if examples[r]), ""))
            self._counts[row] += sum(counts[r] for r in group)
            self._past[row] += sum(past[r] for r in group)
            today[group] = row
        self._folded = np.concatenate([today[self._folded], today])
        # rows given out from now on are numbered after the folded ones, and ``of_row`` lists them in that order


def mine(messages: Iterable[str]) -> list[int]:
    """One template number a message, for a whole batch."""
    miner = TemplateMiner()
    rows = miner.learn(messages)
    return [int(i) for i in miner.mined().of_row[rows]]
