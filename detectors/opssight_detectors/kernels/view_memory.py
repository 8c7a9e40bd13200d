"""How the slow memory of the views takes in a judged block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .views import DAILY_WEIGHT, WEEKLY_WEIGHT, Clock, Seen, Views


def learn(views: Views, blocks: Sequence[tuple[Seen, Clock]]) -> None:
    """Take judged rows into the slow memory, in place; the order and the split into blocks do not matter."""
    there = np.concatenate([seen.there for seen, _ in blocks])
    filled = np.concatenate([seen.filled for seen, _ in blocks])
    logged = np.concatenate([seen.logged for seen, _ in blocks])
    hour_mean = np.concatenate([seen.hour_mean for seen, _ in blocks])
    new = there.sum(axis=0).astype(np.float64)
    total = views.count + new
    share = new / np.maximum(total, 1.0)
    block_mean = _mean(filled, there, new)
    delta = block_mean - views.mean
    within = np.where(there, np.square(filled - block_mean), 0.0).sum(axis=0)
    views.squares = views.squares + within + delta * delta * views.count * share
    views.mean = views.mean + delta * share
    views.magnitude = views.magnitude + (_mean(np.abs(filled), there, new) - views.magnitude) * share
    views.log_mean = views.log_mean + (_mean(logged, there, new) - views.log_mean) * share
    views.count = total
    _learn_means(views.spread_means, views.spread_counts, np.concatenate([seen.spread for seen, _ in blocks]))
    _learn_means(views.power, views.power_count, np.square(np.concatenate([seen.raw for seen, _ in blocks])))

    clock = blocks[-1][1]
    day_slot = np.concatenate([it.day_slot for _, it in blocks])
    week_slot = np.concatenate([it.week_slot for _, it in blocks])
    daily = 1.0 - (1.0 - DAILY_WEIGHT) ** (1.0 / clock.samples_a_slot)
    for profile, values in zip(views.day, (filled, logged, hour_mean), strict=True):
        _learn_slots(profile, day_slot, values, there, daily)
    weekly = 1.0 - (1.0 - WEEKLY_WEIGHT) ** (1.0 / clock.samples_an_hour)
    _learn_slots(views.week, week_slot, hour_mean, there, weekly)


def _mean(values: FloatArray, there: NDArray[np.bool_], count: FloatArray) -> FloatArray:
    return np.asarray(np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1.0))


def _learn_means(mean: FloatArray, count: FloatArray, new: FloatArray) -> None:
    """Add ``new [row, ..., series]`` (NaN is nothing) to running means, in place."""
    there = ~np.isnan(new)
    added = there.sum(axis=0)
    count += added
    sums = np.where(there, new - mean, 0.0).sum(axis=0)
    mean += sums / np.maximum(count, 1.0)


def _learn_slots(
    profile: FloatArray, slots: NDArray[np.intp], values: FloatArray, there: NDArray[np.bool_], weight: float
) -> None:
    """Move the visited slots towards the mean of their rows; ``k`` rows weigh like ``k`` single steps."""
    visited, which = np.unique(slots, return_inverse=True)
    rows_of = (which == np.arange(len(visited))[:, None]).astype(np.float64)
    count = rows_of @ there
    mean = (rows_of @ np.where(there, values, 0.0)) / np.maximum(count, 1.0)
    old = profile[visited]
    moved = old + (1.0 - (1.0 - weight) ** count) * (mean - old)
    profile[visited] = np.where(count == 0, old, np.where(np.isnan(old), mean, moved))
