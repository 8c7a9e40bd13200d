"""``opssight thresholds``: a threshold from each list of numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from opssight_detectors.thresholds.base import Bound, Estimate
from opssight_detectors.thresholds.percentile import Percentile
from opssight_operator.core.answers import plain_estimate

from .errors import BadInput
from .reading import Series
from .simulating import AlertOptions, simulated
from .writing import number, table


@dataclass(frozen=True, slots=True)
class Learned:
    """The answer: for machines, for people, and what is worth a note."""

    plain: Any
    table: str
    notes: tuple[str, ...]
    values: dict[str, float]


def learn(series: Series, *, percentile: float, margin: float, bound: str) -> Learned:
    """The threshold of each list; ``BadInput`` for parameters that cannot be."""
    try:
        estimator = Percentile(percentile, margin)
    except ValueError as error:
        raise BadInput(str(error)) from None
    estimates = {
        name: estimator.estimate(np.arange(len(values), dtype=np.float64), np.array(values), Bound(bound))
        for name, values in series.items()
    }
    notes = tuple(f"{key + ': ' if key else ''}{note}" for key, e in estimates.items() for note in e.notes)
    answers = {name: plain_estimate(estimate) for name, estimate in estimates.items()}
    plain = answers[""] if list(answers) == [""] else {"thresholds": answers}
    return Learned(plain, _table(estimates), notes, {name: estimate.value for name, estimate in estimates.items()})


def with_simulation(learned: Learned, series: Series, options: AlertOptions) -> Learned:
    """The answer with the alerts that each threshold would have raised; ``BadInput`` for an impossible rule."""
    found = simulated(series, learned.values, options)
    if list(learned.values) == [""]:
        plain = {**learned.plain, "simulation": found.plain[""]}
    else:
        each = learned.plain["thresholds"]
        plain = {"thresholds": {name: {**answer, "simulation": found.plain[name]} for name, answer in each.items()}}
    return replace(learned, plain=plain, table=f"{learned.table}\n\n{found.table}")


def _table(estimates: dict[str, Estimate]) -> str:
    named = list(estimates) != [""]
    rows = [
        (*([name] if named else []), number(e.value) or "unknown", _interval(e), str(e.samples))
        for name, e in estimates.items()
    ]
    header = (*(["metric"] if named else []), "threshold", "95 % interval", "samples")
    return table(header, rows, left=("metric", "95 % interval"))


def _interval(estimate: Estimate) -> str:
    return f"{number(estimate.lower) or 'open'} to {number(estimate.upper) or 'open'}"
