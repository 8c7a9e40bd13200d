"""The blocks of an estimator in the API against the estimators of the library: same parameters, same defaults."""

import dataclasses
from typing import get_args

import pytest

from builders import a_policy
from opssight_detectors.thresholds import ESTIMATORS, AlertBudget
from opssight_operator.api.estimators import Estimator, EstimatorType
from opssight_operator.core.estimating import estimator_for

BLOCKS = {kind: kind[0].lower() + kind[1:] for kind in get_args(EstimatorType)}
NOT_OF_THE_BLOCK = {AlertBudget: {"for_seconds", "keep_firing_for_seconds", "interval"}}  # those of spec.alert
CHANGED = {
    "percentile": ("99.5", 99.5),
    "margin": ("0.25", 0.25),
    "halfLife": ("36h", 129600.0),
    "rate": ("0.01", 0.01),
    "level": ("0.9", 0.9),
    "episodesPerWeek": ("2.5", 2.5),
    "mostTimeFiring": ("0.05", 0.05),
    "recent": ("30m", 1800.0),
    "hold": ("6h", 21600.0),
}


def fields_of(block: str) -> dict[str, str]:
    """Names of a block's fields in YAML and in Python."""
    model = next(a for a in get_args(Estimator.model_fields[_snake(block)].annotation) if a is not type(None))
    return {str(info.alias): name for name, info in model.model_fields.items()}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def test_every_estimator_of_the_library_can_be_asked_for():
    assert set(BLOCKS) == set(ESTIMATORS)


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("with_block", [False, True], ids=["without its block", "with an empty block"])
def test_the_defaults_are_those_of_the_library(kind, with_block):
    block = {BLOCKS[kind]: {}} if with_block else {}
    assert estimator_for(a_policy(estimator={"type": kind, **block}).spec) == ESTIMATORS[kind]()


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_parameter_reaches_the_library(kind):
    names = fields_of(BLOCKS[kind])
    given = {name: CHANGED[name][0] for name in names}
    made = dataclasses.asdict(estimator_for(a_policy(estimator={"type": kind, BLOCKS[kind]: given}).spec))
    default = dataclasses.asdict(ESTIMATORS[kind]())
    changed = {name: value for name, value in made.items() if value != default[name]}
    assert set(changed.values()) == {CHANGED[name][1] for name in names}
    assert set(made) - set(changed) == NOT_OF_THE_BLOCK.get(ESTIMATORS[kind], set())


def test_a_budget_is_searched_with_the_durations_of_the_alert():
    spec = a_policy(estimator={"type": "AlertBudget"}, alert={"for": "15m", "keepFiringFor": "10m"}).spec
    assert estimator_for(spec) == AlertBudget(for_seconds=900.0, keep_firing_for_seconds=600.0)
