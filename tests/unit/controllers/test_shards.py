"""Several shards over the same resources: each is run by one, and every source is known to all."""

from __future__ import annotations

import asyncio
from uuid import NAMESPACE_OID, uuid5

from builders import a_detector, a_source
from opssight_operator.api import PLURALS
from opssight_operator.controllers.kinds import KINDS
from opssight_operator.controllers.registry import kopf_settings, shard_selector
from opssight_operator.core.sharding import selector_of, shard_of
from opssight_operator.settings import Settings
from unit.controllers.test_runtime import DETECTOR, a_world
from unit.controllers.world import World, body_of
from virtual_time import in_virtual_time

SHARDS = 3
NAMES = [str(uuid5(NAMESPACE_OID, str(number))) for number in range(20)]  # ranges of FNV split what differs in full


def served_by(shard: int) -> World:
    """What one shard did with twenty detectors and their source."""
    world = a_world(settings=Settings(shard=shard, shards=SHARDS))
    world.known.clear()

    async def run() -> None:
        runtime = world.runtime()
        turning = asyncio.create_task(runtime.scheduler.run())
        runtime.seen("MetricsSource", body_of(a_source()))
        for name in NAMES:
            runtime.seen("AnomalyDetector", body_of(a_detector(name, **DETECTOR)))
        await asyncio.sleep(120)
        turning.cancel()
        await asyncio.wait([turning])

    in_virtual_time(run())
    return world


def test_every_resource_is_run_by_exactly_one_shard() -> None:
    worlds = [served_by(shard) for shard in range(SHARDS)]
    for name in NAMES:
        serving = [shard for shard, world in enumerate(worlds) if world.written(name)]
        assert serving == [shard_of(f"uid-of-{name}", SHARDS)]
    assert sum(world.resources["AnomalyDetector"] for world in worlds if "AnomalyDetector" in world.resources) == 20
    for world in worlds:
        assert world.foreign == {"AnomalyDetector": 20 - world.resources.get("AnomalyDetector", 0)}


def test_a_shard_asks_the_api_server_for_its_own_and_for_every_source() -> None:
    asked = kopf_settings(Settings(shard=1, shards=SHARDS)).watching.shard_selectors
    plurals = {PLURALS[kind] for kind in KINDS if kind != "MetricsSource"}
    assert {selector.any_name for selector in asked} == plurals
    assert set(asked.values()) == {selector_of(1, SHARDS)}
    assert shard_selector("MetricsSource", Settings(shard=1, shards=SHARDS)) == ""


def test_a_single_shard_and_one_that_must_not_offer_ask_for_everything() -> None:
    assert not kopf_settings(Settings()).watching.shard_selectors
    assert not kopf_settings(Settings(shard=1, shards=SHARDS, offer_shard_selector=False)).watching.shard_selectors


def test_a_source_is_known_to_all_and_reported_by_one() -> None:
    worlds = [served_by(shard) for shard in range(SHARDS)]
    assert all("default" in world.known for world in worlds)
    assert all("SourceMissing" not in world.ready(name) for world in worlds for name in NAMES)
    assert [bool(world.written("default")) for world in worlds].count(True) == 1
    assert sum(world.resources.get("MetricsSource", 0) for world in worlds) == 1


def test_a_source_of_another_shard_that_goes_is_forgotten() -> None:
    shard = (shard_of("uid-of-default", SHARDS) + 1) % SHARDS
    world = a_world(settings=Settings(shard=shard, shards=SHARDS))
    runtime_names = [name for name in NAMES if shard_of(f"uid-of-{name}", SHARDS) == shard]

    async def run() -> None:
        runtime = world.runtime()
        turning = asyncio.create_task(runtime.scheduler.run())
        runtime.seen("MetricsSource", body_of(a_source()))
        runtime.seen("AnomalyDetector", body_of(a_detector(runtime_names[0], **DETECTOR)))
        await asyncio.sleep(30)
        runtime.gone("MetricsSource", body_of(a_source()))
        await asyncio.sleep(5)
        turning.cancel()
        await asyncio.wait([turning])

    in_virtual_time(run())
    assert world.ready(runtime_names[0])[-1] == "SourceMissing"
    assert world.resources["MetricsSource"] == 0


def test_a_resource_that_comes_back_in_another_shard_leaves_this_one() -> None:
    """Deleted and made anew under its name, while nobody watched: the new uid belongs elsewhere."""
    mine = next(name for name in NAMES if shard_of(name, SHARDS) == 0)
    theirs = next(name for name in NAMES if shard_of(name, SHARDS) == 1)
    world = a_world(settings=Settings(shard=0, shards=SHARDS))

    async def run() -> None:
        runtime = world.runtime()
        turning = asyncio.create_task(runtime.scheduler.run())
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR), uid=mine))
        await asyncio.sleep(30)
        assert world.gauges[mine]
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR), uid=theirs))
        await asyncio.sleep(120)
        turning.cancel()
        await asyncio.wait([turning])

    in_virtual_time(run())
    assert not world.gauges
    assert world.resources["AnomalyDetector"] == 0
