"""``opssight thresholds``: a threshold from each list of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any

import numpy as np

from opssight_detectors.parameters import yaml_name
from opssight_detectors.thresholds.base import Bound, Estimate, Estimator
from opssight_detectors.thresholds.registry import ESTIMATORS, estimator_of
from opssight_operator.core.answers import plain_estimate

from .errors import BadInput
from .samples import Samples, seconds_of
from .simulating import AlertOptions, simulated
from .writing import number, table

_WAITS = ("for_seconds", "keep_firing_for_seconds")


@dataclass(frozen=True, slots=True)
class Learned:
    """The answer: for machines, for people, and what is worth a note."""

    plain: Any
    table: str
    notes: tuple[str, ...]
    values: dict[str, float]


def estimator_given(
    name: str,
    given: Sequence[str],
    *,
    percentile: float | None,
    margin: float | None,
    waits: tuple[float, float] | None = None,
) -> Estimator:
    """The estimator of this name with ``name=value`` parameters; ``BadInput`` for what cannot be.

    ``waits`` are the seconds of ``for`` and ``keepFiringFor``, for an estimator that counts alerts.
    """
    names = {known.lower(): known for known in ESTIMATORS}
    chosen = names.get(name.lower().replace("-", "").replace("_", ""))
    if chosen is None:
        raise BadInput(f"--estimator is {name!r}; it must be one of {', '.join(ESTIMATORS)}")
    short = {"percentile": percentile, "margin": margin}
    parameters: dict[str, Any] = {key: value for key, value in short.items() if value is not None}
    known = {yaml_name(one.name).lower(): one for one in _fields(chosen)}
    for key in parameters:
        if key not in known:
            raise BadInput(f"--{key} is no parameter of {chosen}; it has {_names(chosen)}")
    for pair in given:
        key, equals, text = pair.partition("=")
        field = known.get(key.strip().replace("_", "").replace("-", "").lower())
        if not equals or field is None:
            raise BadInput(f"--set {pair!r}: {chosen} takes name=value with the names {_names(chosen)}")
        parameters[field.name] = _parameter(yaml_name(field.name), text.strip())
    for wait, asked in zip(_WAITS, waits or (), strict=False):
        if yaml_name(wait).lower() in known:
            parameters.setdefault(wait, asked)
    missing = [f for f in known.values() if f.default is MISSING and f.name not in parameters]
    if missing:
        raise BadInput(f"{chosen} needs --set {yaml_name(missing[0].name)}=NUMBER")
    try:
        return estimator_of(chosen, **parameters)
    except ValueError as error:
        raise BadInput(str(error)) from None


def learn(samples: Samples, estimator: Estimator, *, bound: str, step: str | None = None) -> Learned:
    """The threshold of each list; ``BadInput`` for samples that cannot be learned from."""
    apart = 1.0 if step is None else seconds_of("--step", step)
    try:
        estimates = {
            name: estimator.estimate(_times(samples, len(values), apart), np.array(values), Bound(bound))
            for name, values in samples.series.items()
        }
    except ValueError as error:
        raise BadInput(str(error)) from None
    notes = tuple(f"{key + ': ' if key else ''}{note}" for key, e in estimates.items() for note in e.notes)
    answers = {name: plain_estimate(estimate) for name, estimate in estimates.items()}
    plain = answers[""] if list(answers) == [""] else {"thresholds": answers}
    return Learned(plain, _table(estimates), notes, {name: estimate.value for name, estimate in estimates.items()})


def with_simulation(learned: Learned, samples: Samples, options: AlertOptions) -> Learned:
    """The answer with the alerts that each threshold would have raised; ``BadInput`` for an impossible rule."""
    found = simulated(samples, learned.values, options)
    if list(learned.values) == [""]:
        plain = {**learned.plain, "simulation": found.plain[""]}
    else:
        each = learned.plain["thresholds"]
        plain = {"thresholds": {name: {**answer, "simulation": found.plain[name]} for name, answer in each.items()}}
    return replace(learned, plain=plain, table=f"{learned.table}\n\n{found.table}")


def _times(samples: Samples, count: int, apart: float) -> Any:
    return apart * np.arange(count, dtype=np.float64) if samples.times is None else samples.times


def _names(estimator: str) -> str:
    return ", ".join(yaml_name(one.name) for one in _fields(estimator))


def _fields(estimator: str) -> tuple[Field[Any], ...]:
    kind: Any = ESTIMATORS[estimator]  # the protocol does not say that all of them are dataclasses
    return fields(kind)


def _parameter(name: str, text: str) -> float:
    try:
        number_given = float(text)
    except ValueError:
        raise BadInput(f"{name} must be a number, not {text!r}") from None
    if not math.isfinite(number_given):
        raise BadInput(f"{name} must be a number, not {text!r}")
    return number_given


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
