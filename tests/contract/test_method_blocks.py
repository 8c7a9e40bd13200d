"""The blocks of the API are what the library takes: the same names, defaults, limits and choices."""

from __future__ import annotations

from typing import Any

import pytest

from opssight_detectors.parameters import parameters_of, yaml_name
from opssight_detectors.registry import METHODS
from opssight_operator.api.anomaly_detector import AnomalyDetectorSpec
from opssight_operator.api.methods import BLOCKS, FIELDS, Method
from opssight_operator.core.science import detector_for


def test_every_method_of_the_library_has_a_block() -> None:
    assert list(FIELDS) == list(METHODS) == list(BLOCKS)
    assert {kind: yaml_name(name) for kind, (name, _) in FIELDS.items()} == BLOCKS


@pytest.mark.parametrize("kind", METHODS)
def test_a_block_has_the_parameters_of_its_method_with_their_defaults(kind: str) -> None:
    block = FIELDS[kind][1]()  # type: ignore[index]
    ours: dict[str, Any] = {name: getattr(block, name) for name in type(block).model_fields}
    theirs = {info.name: info.default for info in parameters_of(METHODS[kind]) if info.name != "min_samples"}
    assert {name: _plain(value, theirs.get(name)) for name, value in ours.items()} == theirs


@pytest.mark.parametrize("kind", METHODS)
def test_what_the_schema_lets_through_at_its_limits_the_library_takes(kind: str) -> None:
    for info in parameters_of(METHODS[kind]):
        for limit in (info.low, info.high):
            if limit is None or info.name == "min_samples" or limit < 1e-100:
                continue
            value = int(limit) if isinstance(info.default, int) else f"{limit:f}"
            method = Method.model_validate({"type": kind, BLOCKS[kind]: {info.yaml_name: value}})  # type: ignore[index]
            if kind == "Autoencoder" and info.name in ("code", "window"):
                continue  # the code must be narrower than the window, which no single limit says
            spec = {"queries": [{"name": "a", "expr": "up"}], "method": method.dump()}
            detector_for(AnomalyDetectorSpec.model_validate(spec))


def _plain(value: Any, like: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(like, float) else value
