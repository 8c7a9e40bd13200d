"""Which shapes come from one statement of a program.

Shapes of one length are grouped by the largest set of words that occur equally often (the anchor of Brain, Yu et al.,
*IEEE Transactions on Services Computing*, 2023). A group is then split at each column with few different words, which
are part of the program's text, while a column with many is a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from .masking import WILDCARD, Shape


def common_words(shapes: Sequence[Shape], rows: Sequence[int]) -> Shape:
    """The words that the shapes of ``rows`` share, with a wildcard where they differ."""
    columns = zip(*(shapes[row] for row in rows), strict=True)
    return tuple(column[0] if len(set(column)) == 1 else WILDCARD for column in columns)


def group_shapes(shapes: Sequence[Shape], weights: Sequence[int], max_variants: int) -> list[list[int]]:
    """Rows grouped into templates; each row is in one group."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for row, shape in enumerate(shapes):
        by_length[len(shape)].append(row)
    groups: list[list[int]] = []
    for rows in by_length.values():
        for anchored in _by_anchor(shapes, weights, rows):
            groups.extend(_split_at_text(shapes, anchored, max_variants))
    return groups


def _by_anchor(shapes: Sequence[Shape], weights: Sequence[int], rows: Sequence[int]) -> Iterable[list[int]]:
    """Rows of one length grouped by their anchor: the most words at one frequency, the more frequent on a tie."""
    frequency: dict[tuple[int, str], int] = defaultdict(int)
    for row in rows:
        for place in enumerate(shapes[row]):
            frequency[place] += weights[row]
    anchored: dict[tuple[tuple[int, str], ...], list[int]] = defaultdict(list)
    for row in rows:
        at_frequency: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for place in enumerate(shapes[row]):
            if place[1] != WILDCARD:
                at_frequency[frequency[place]].append(place)
        often = max(at_frequency, default=0) / 2.0
        best = max(((len(p), f) for f, p in at_frequency.items() if f >= often), default=(0, 0))
        anchored[tuple(at_frequency[best[1]])].append(row)
    return anchored.values()


def _split_at_text(shapes: Sequence[Shape], rows: list[int], max_variants: int) -> Iterable[list[int]]:
    """Split at the column with the fewest different words, again and again, while they are few enough to be text."""
    waiting = [rows]
    while waiting:
        group = waiting.pop()
        best: tuple[int, int] | None = None
        for column, words in enumerate(zip(*(shapes[row] for row in group), strict=True)):
            variants = set(words)
            if 1 < len(variants) <= max_variants and WILDCARD not in variants:
                best = min(best or (len(variants), column), (len(variants), column))
        if best is None:
            yield group
            continue
        parts: dict[str, list[int]] = defaultdict(list)
        for row in group:
            parts[shapes[row][best[1]]].append(row)
        waiting.extend(parts.values())
