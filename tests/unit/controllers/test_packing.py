"""Resources between their runs: packed to JSON, which must be what it was and small."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders import a_detector, a_policy
from opssight_operator.controllers.kinds import KINDS
from opssight_operator.controllers.packing import Packing
from opssight_operator.controllers.runtime import Runtime
from unit.controllers.test_runtime import DETECTOR, a_world, play
from unit.controllers.world import World, body_of
from virtual_time import in_virtual_time

EXAMPLES = Path(__file__).parents[3] / "examples"
BYTES_HELD = 4_000  # a resource with its status, its place in the schedule included; as objects it is 12,000


def examples() -> list[dict[str, Any]]:
    found = [one for file in sorted(EXAMPLES.rglob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]
    return [one for one in found if one and one.get("kind") in KINDS]


@pytest.mark.parametrize("body", examples(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_an_example_is_the_same_after_it_was_packed(body: dict[str, Any]) -> None:
    packing, kind = Packing(), body["kind"]
    resource = KINDS[kind].parse(body)
    assert packing.unpack(kind, packing.pack(kind, resource)) == resource


@pytest.mark.parametrize("made", [a_detector("a", **DETECTOR), a_policy("a", interval="1m")])
def test_every_status_that_a_run_writes_is_the_same_after_it_was_packed(made: Any) -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen(type(made).__name__, body_of(made))
        await asyncio.sleep(3600)

    packing, kind, statuses = Packing(), type(made).__name__, play(script).written("a")
    assert len(statuses) > 1
    for status in statuses:
        resource = KINDS[kind].parse({**body_of(made), "status": status})
        assert packing.unpack(kind, packing.pack(kind, resource)) == resource
        assert resource.status.dump() == status


def test_what_was_packed_before_there_was_a_status_is_the_same_after() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(60)

    packing, kind = Packing(), "AnomalyDetector"
    fresh = a_detector("b", **DETECTOR)
    known = KINDS[kind].parse({**body_of(fresh), "status": play(script).written("a")[-1]})
    before, first, second = (packing.pack(kind, one) for one in (fresh, known, known))
    assert packing.unpack(kind, before) == fresh
    assert packing.unpack(kind, first) == packing.unpack(kind, second) == known
    assert len(second) < len(first) / 3


def test_a_status_that_cannot_be_read_again_counts_as_lost() -> None:
    packing, kind, detector = Packing(), "AnomalyDetector", a_detector("a", **DETECTOR)
    broken = detector.model_copy(update={"status": detector.status.model_copy(update={"observed_generation": "many"})})
    with pytest.warns(UserWarning, match="observed_generation|int"):
        packed = packing.pack(kind, broken)
    assert packing.unpack(kind, packed) == detector.model_copy(update={"status": type(detector.status)()})


def test_five_hundred_resources_that_have_run_take_little_memory() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(60)

    status = play(script).written("a")[-1]
    assert len(status["conditions"]) > 2
    bodies = [{**body_of(a_detector(f"d{n}", **DETECTOR)), "status": status} for n in range(501)]

    async def held() -> float:
        runtime = a_world().runtime()
        runtime.seen("AnomalyDetector", bodies[0])
        tracemalloc.start()
        for body in bodies[1:]:
            runtime.seen("AnomalyDetector", body)
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return taken / 500

    assert in_virtual_time(held()) < BYTES_HELD
