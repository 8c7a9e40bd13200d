"""One table from score to severity, for every method."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .base import FloatArray


class Severity(IntEnum):
    """How bad; ordered, and ``label`` is the word that users see."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """``None``, ``Low``, ``Medium``, ``High`` or ``Critical``."""
        return self.name.capitalize()


# A score above the number has at least that severity. With a z-score of sensitivity 2 these are
# 2, 3, 4 and 6 standard deviations.
SEVERITY_ABOVE: tuple[tuple[float, Severity], ...] = (
    (1.0, Severity.LOW),
    (1.5, Severity.MEDIUM),
    (2.0, Severity.HIGH),
    (3.0, Severity.CRITICAL),
)


def severity_of(score: float) -> Severity:
    """The severity of one score; an unknown score (NaN) has none."""
    return Severity(sum(score > bound for bound, _ in SEVERITY_ABOVE))


def severities_of(scores: FloatArray) -> NDArray[np.int8]:
    """``severity_of`` for each score of an array, as numbers."""
    bounds = np.array([bound for bound, _ in SEVERITY_ABOVE])
    known = np.where(np.isnan(scores), 0.0, scores)
    return np.searchsorted(bounds, known, side="left").astype(np.int8)
