"""What every threshold estimator takes and gives.

An *estimator* is a frozen set of parameters. It pools a block of history, ``values [time, series]``,
into one threshold; a policy with a threshold for each value of a label calls it once a group, or
``estimate_many`` for all of them. What could not be known is said in the answer: too few samples are
a NaN with a note and never an exception, because the caller then holds the threshold that it has.
Impossible parameters raise ValueError when the estimator is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

Columns = NDArray[np.intp]


class Bound(StrEnum):
    """Which side of normal the threshold guards."""

    UPPER = "Upper"  # high values are bad
    LOWER = "Lower"  # low values are bad

    @property
    def sign(self) -> float:
        """+1 for an upper bound and -1 for a lower one: a lower bound is the upper bound of the mirrored values."""
        return 1.0 if self is Bound.UPPER else -1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """One threshold and what is known about it.

    ``value`` is the threshold in the unit of the metric, NaN when history cannot give one. ``lower``
    and ``upper`` enclose it with 95 % confidence; an end that the samples cannot bound is NaN.
    ``coverage`` is the share of points that were there between the first and the last sample of each
    series. ``notes`` are sentences on what could not be known.
    """

    value: float
    lower: float
    upper: float
    samples: int
    coverage: float
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is a threshold at all."""
        return bool(np.isfinite(self.value))


@runtime_checkable
class Estimator(Protocol):
    """A configured way of learning a threshold."""

    def estimate(self, times: FloatArray, values: FloatArray, bound: Bound) -> Estimate:
        """The threshold of ``values [time, series]``, pooled, sampled at ``times [time]`` (seconds, UTC)."""
        ...


@runtime_checkable
class BatchEstimator(Estimator, Protocol):
    """An estimator that has a faster way for many thresholds at once."""

    def estimate_each(self, times: FloatArray, values: FloatArray, bound: Bound) -> tuple[Estimate, ...]:
        """One threshold for each column; equal to ``estimate`` of that column alone."""
        ...


@runtime_checkable
class JointEstimator(Estimator, Protocol):
    """An estimator whose thresholds share something, so that each depends on all."""

    def estimate_groups(
        self, times: FloatArray, values: FloatArray, bound: Bound, groups: Sequence[Columns]
    ) -> tuple[Estimate, ...]:
        """One threshold for each group of columns, in their order."""
        ...


def estimate_many(
    estimator: Estimator,
    times: FloatArray,
    values: FloatArray,
    bound: Bound,
    groups: Sequence[Columns] | None = None,
) -> tuple[Estimate, ...]:
    """One threshold for each group of columns, in the order of ``groups``; None is a group for each column."""
    values = as_block(times, values)
    if groups is None:
        groups = tuple(np.array([column]) for column in range(values.shape[1]))
    if isinstance(estimator, JointEstimator):
        return estimator.estimate_groups(times, values, bound, groups)
    if isinstance(estimator, BatchEstimator) and all(len(group) == 1 for group in groups):
        columns = np.array([group[0] for group in groups], dtype=np.intp)
        identity = len(columns) == values.shape[1] and bool((columns == np.arange(len(columns))).all())
        return estimator.estimate_each(times, values if identity else values[:, columns], bound)
    return tuple(estimator.estimate(times, values[:, group], bound) for group in groups)


def as_block(times: FloatArray, values: FloatArray) -> FloatArray:
    """``values`` as ``[time, series]``; one series may be given as ``[time]``. Infinite samples are no samples."""
    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or times.ndim != 1 or len(times) != len(values):
        raise ValueError(f"values must be [time, series] with a row for each of {len(times)} times, not {values.shape}")
    finite_or_nan = ~np.isinf(values)
    return values if finite_or_nan.all() else np.where(finite_or_nan, values, np.nan)


def coverage_of(values: FloatArray) -> float:
    """Share of points that are there between the first and the last sample of each series; 0 without samples."""
    return coverage_of_mask(~np.isnan(values))


def coverage_of_mask(there: NDArray[np.bool_]) -> float:
    """The same for a mask ``[time, series]`` of the samples that are there."""
    alive = there.any(axis=0)
    if not alive.any():
        return 0.0
    first = there.argmax(axis=0)
    last = len(there) - there[::-1].argmax(axis=0)
    return float(there.sum()) / float((last - first)[alive].sum())


def unknown(values: FloatArray, *notes: str) -> Estimate:
    """The answer when history cannot give a threshold."""
    samples = int(np.count_nonzero(~np.isnan(values)))
    return Estimate(np.nan, np.nan, np.nan, samples, coverage_of(values), notes)
