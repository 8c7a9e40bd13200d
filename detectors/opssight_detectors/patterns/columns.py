"""Columns of text as small whole numbers, so that counting a million incidents is one array operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CodeArray = NDArray[np.int32]
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Column:
    """``codes [n]`` index ``values``; -1 is unknown."""

    codes: CodeArray
    values: tuple[str, ...]

    @staticmethod
    def of(texts: Iterable[str | None]) -> Column:
        """Encode texts; ``None`` and the empty text are unknown."""
        seen: dict[str, int] = {}
        codes = [seen.setdefault(text, len(seen)) if text else UNKNOWN for text in texts]
        return Column(np.array(codes, dtype=np.int32), tuple(seen))

    @staticmethod
    def unknown(n: int) -> Column:
        """``n`` unknown values."""
        return Column(np.full(n, UNKNOWN, dtype=np.int32), ())

    def __len__(self) -> int:
        return int(self.codes.size)

    def __getitem__(self, row: int) -> str | None:
        code = int(self.codes[row])
        return None if code == UNKNOWN else self.values[code]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the value is known, ``[n]``."""
        known: NDArray[np.bool_] = self.codes != UNKNOWN
        return known

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Column:
        """The rows chosen by index or mask; the values stay."""
        return Column(self.codes[rows], self.values)

    def counts(self) -> NDArray[np.int64]:
        """How often each value occurs, ``[len(values)]``."""
        return np.bincount(self.codes[self.known], minlength=len(self.values)).astype(np.int64)

    def or_else(self, other: Column) -> Column:
        """Where this column is unknown, the value of ``other``."""
        index = {value: i for i, value in enumerate(self.values)}
        recoded = np.array([index.setdefault(value, len(index)) for value in other.values] + [UNKNOWN], dtype=np.int32)
        return Column(np.where(self.known, self.codes, recoded[other.codes]).astype(np.int32), tuple(index))


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """``codes [n]`` index the distinct label ``sets``."""

    codes: CodeArray
    sets: tuple[Mapping[str, str], ...]

    @staticmethod
    def of(label_sets: Sequence[Mapping[str, str]]) -> LabelColumn:
        """Encode label sets; equal ones share a code."""
        seen: dict[tuple[tuple[str, str], ...], int] = {}
        codes = [seen.setdefault(tuple(sorted(labels.items())), len(seen)) for labels in label_sets]
        return LabelColumn(np.array(codes, dtype=np.int32), tuple(dict(key) for key in seen))

    def __getitem__(self, row: int) -> Mapping[str, str]:
        return self.sets[int(self.codes[row])]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> LabelColumn:
        """The rows chosen by index or mask; the sets stay."""
        return LabelColumn(self.codes[rows], self.sets)
