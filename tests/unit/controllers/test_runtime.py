"""What a leading replica does with what it sees: real use cases, ports in memory, virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from builders import a_detector, a_policy, a_source
from opssight_operator.controllers.runtime import Runtime
from opssight_operator.core.observation import Frame
from opssight_operator.errors import KubernetesUnavailable, NameConflict, NoData, PrometheusUnreachable
from unit.controllers.world import World, body_of, now
from virtual_time import in_virtual_time

Script = Callable[[World, Runtime], Awaitable[None]]


def steady(start: float, end: float, step: float) -> Frame:
    """One series around 10."""
    times = np.arange(np.ceil(start / step) * step, end + step / 2, step)
    return Frame(times, (10 + np.sin(times / 7.0))[:, None], ({"service": "a"},))


def a_world(**more: Any) -> World:
    world = World(frame=steady, **more)
    world.known["default"] = a_source()
    return world


def play(script: Script, world: World | None = None) -> World:
    made = world or a_world()

    async def run() -> None:
        runtime = made.runtime()
        turning = asyncio.create_task(runtime.scheduler.run())
        await script(made, runtime)
        turning.cancel()
        await asyncio.wait([turning])

    in_virtual_time(run())
    return made


DETECTOR = {"step": "1m", "interval": "1m", "trainingWindow": "6h", "method": {"type": "ZScore"}}


def test_a_new_resource_says_pending_first_and_ready_after_its_first_run() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(0.05)
        assert world.ready("a") == ["Pending"]
        await asyncio.sleep(5)

    world = play(script)
    assert world.ready("a") == ["Pending", "Reconciled"]
    assert world.gauges["uid-of-a"]
    assert world.resources == {"AnomalyDetector": 1}


def test_a_status_that_says_that_nobody_has_looked_is_none() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("ThresholdPolicy", {**body_of(a_policy("p")), "status": {"observedGeneration": -1}})
        await asyncio.sleep(1)

    world = play(script)
    assert world.ready("p") == ["Pending", "Reconciled"], "it runs at once, and says so before"
    assert [status["observedGeneration"] for status in world.written("p")] == [1, 1]


def test_status_is_written_on_a_change_of_meaning_and_not_at_each_run() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(3600)

    world = play(script)
    assert len(world.fetched) >= 60
    assert len(world.written("a")) < 2 + 3600 / 900 + 1  # Pending, Ready, and a heartbeat every 15 minutes


def test_an_event_that_changes_no_spec_starts_no_run() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        policy = a_policy("p", interval="1h")
        for _ in range(10):  # a relist, a label, our own status: the generation stays
            runtime.seen("ThresholdPolicy", body_of(policy))
            await asyncio.sleep(1)

    assert len(play(script).fetched) == 1


def test_a_new_generation_runs_at_once() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h", expr="old"), generation=1))
        await asyncio.sleep(10)
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h", expr="new"), generation=2))
        await asyncio.sleep(1)

    world = play(script)
    assert [expr for _, expr in world.fetched] == ["old", "new"]
    assert world.written("p")[-1]["observedGeneration"] == 2


def test_a_spec_that_changes_during_a_run_keeps_what_that_run_has_learned() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.fetch_seconds = 5.0
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h"), generation=1))
        await asyncio.sleep(1)
        changed = a_policy("p", interval="1h", guardrails={"cooldown": "1h"})
        runtime.seen("ThresholdPolicy", body_of(changed, generation=2))
        await asyncio.sleep(20)

    world = play(script)
    first, last = world.written("p")[1], world.written("p")[-1]
    assert first["thresholds"][0]["current"] == last["thresholds"][0]["current"]
    assert len(last["history"]) == 1, "the first decision is in the history once"


def restarted(seconds: float, **spec: Any) -> World:
    """So long after a restart with 40 detectors that are known."""

    async def first(world: World, runtime: Runtime) -> None:
        for n in range(40):
            runtime.seen("AnomalyDetector", body_of(a_detector(f"a{n}", **DETECTOR | spec)))
        await asyncio.sleep(30)

    before = play(first)
    bodies = []
    for n in range(40):
        body = body_of(a_detector(f"a{n}", **DETECTOR | spec))
        bodies.append({**body, "status": before.written(f"a{n}")[-1]})

    async def second(world: World, runtime: Runtime) -> None:
        runtime.seen("MetricsSource", body_of(world.known["default"]))
        for body in bodies:
            runtime.seen("AnomalyDetector", body)
        await asyncio.sleep(seconds)

    return play(second)


def test_a_restart_runs_known_resources_spread_out_and_writes_nothing_that_is_known() -> None:
    after = restarted(15)
    first_second = [at for at, _ in after.fetched if at < 1_000_001.0]
    assert len(after.fetched) >= 40
    assert len(first_second) < 12
    assert not [name for _, name, _ in after.statuses if name != "default"]


def test_after_a_restart_no_score_is_waited_for_longer_than_a_quarter_of_its_interval() -> None:
    exported = restarted(5.1, interval="20s").gauges  # by uid
    assert len(exported) == 40


def test_a_source_that_appears_or_changes_runs_its_dependants_at_once_and_no_others() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("ThresholdPolicy", body_of(a_policy("mine", interval="1h", sourceRef={"name": "late"})))
        runtime.seen("ThresholdPolicy", body_of(a_policy("other", interval="1h")))
        await asyncio.sleep(3)
        assert world.ready("mine") == ["Pending", "SourceMissing"]
        others = len(world.fetched)
        runtime.seen("MetricsSource", body_of(a_source("late")))
        await asyncio.sleep(1)
        assert world.ready("mine")[-1] == "Reconciled"
        assert len(world.fetched) == others + 1

    world = play(script)
    assert world.ready("late") == ["Pending", "Reconciled"]


def test_a_source_that_goes_is_said_at_once() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("MetricsSource", body_of(a_source()))
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h")))
        await asyncio.sleep(5)
        runtime.gone("MetricsSource", body_of(a_source()))
        await asyncio.sleep(1)

    assert play(script).ready("p")[-1] == "SourceMissing"


def test_a_deleted_resource_leaves_no_gauges_and_is_never_written_again() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(5)
        assert world.gauges["uid-of-a"]
        writes = len(world.statuses)
        runtime.gone("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(300)
        assert len(world.statuses) == writes

    world = play(script)
    assert not world.gauges
    assert world.resources == {"AnomalyDetector": 0}


def test_a_resource_deleted_during_its_run_leaves_no_gauges() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.fetch_seconds = 5.0
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(2)
        runtime.gone("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(60)

    assert not play(script).gauges


def test_a_resource_that_was_made_anew_without_a_word_leaves_nothing_of_the_old_one() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR), uid="old"))
        await asyncio.sleep(5)
        assert set(world.gauges) == {"old"}
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR), uid="new"))
        assert not world.gauges
        await asyncio.sleep(60)

    world = play(script)
    assert set(world.gauges) == {"new"}
    assert world.resources == {"AnomalyDetector": 1}


def test_the_end_of_the_old_one_that_is_told_late_does_not_end_the_new_one() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR), uid="old"))
        await asyncio.sleep(5)
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR), uid="new"))
        runtime.gone("AnomalyDetector", body_of(a_detector("a", **DETECTOR), uid="old"))
        await asyncio.sleep(600)

    world = play(script)
    assert set(world.gauges) == {"new"}
    assert len(world.fetched) > 9


def test_a_source_that_was_made_anew_is_never_missing() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("MetricsSource", body_of(a_source(), uid="old"))
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h")))
        await asyncio.sleep(5)
        runtime.seen("MetricsSource", body_of(a_source(), uid="new"))
        await asyncio.sleep(5)

    assert "SourceMissing" not in play(script).ready("p")


SHARING = {"delivery": {"mode": "Record", "record": {"sharedObject": "thresholds"}}}


def test_a_deleted_policy_leaves_its_shared_object_at_once() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        for name in ("stays", "goes"):
            runtime.seen("ThresholdPolicy", body_of(a_policy(name, **SHARING)))
        await asyncio.sleep(5)
        assert [rule.name for rule in world.rules] == ["thresholds", "thresholds"]
        runtime.gone("ThresholdPolicy", body_of(a_policy("goes", **SHARING)))
        await asyncio.sleep(1)

    assert play(script).left == [("thresholds", "uid-of-goes")]


def test_a_part_that_cannot_be_taken_out_is_a_warning_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("ThresholdPolicy", body_of(a_policy("goes", **SHARING)))
        await asyncio.sleep(5)
        world.rule_error = KubernetesUnavailable("no answer")
        runtime.gone("ThresholdPolicy", body_of(a_policy("goes", **SHARING)))
        await asyncio.sleep(1)

    with caplog.at_level(logging.WARNING):
        assert play(script).left == []
    assert "still in a shared PrometheusRule" in caplog.text


def test_what_was_deleted_while_nobody_watched_is_swept() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        for name in ("stays", "goes", "anew"):
            runtime.seen("AnomalyDetector", body_of(a_detector(name, **DETECTOR)))
        await asyncio.sleep(5)

        async def uids(kind: str) -> set[str]:
            # A resource that is made while the list is under way is not in it, and must not be forgotten.
            if kind == "AnomalyDetector":
                runtime.seen("AnomalyDetector", body_of(a_detector("anew", **DETECTOR), uid="second"))
            return {"uid-of-stays"} if kind == "AnomalyDetector" else set()

        await runtime.sweep(uids)
        assert world.resources["AnomalyDetector"] == 2
        assert len(runtime.scheduler) == 2
        await asyncio.sleep(5)

    assert set(play(script).gauges) == {"uid-of-stays", "second"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NoData("the query has no samples"), "NoData"),
        (PrometheusUnreachable("Prometheus does not answer"), "PrometheusUnreachable"),
        (ZeroDivisionError("a secret"), "InternalError"),
    ],
    ids=["no data", "no Prometheus", "a defect"],
)
def test_an_error_becomes_a_condition_and_the_next_run_recovers(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.fetch_error = error
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(60)
        assert world.ready("a")[-1] == reason
        assert "a secret" not in str(world.written("a"))
        world.fetch_error = None
        await asyncio.sleep(120)

    with caplog.at_level(logging.CRITICAL):
        world = play(script)
    assert world.ready("a")[-1] == "Reconciled"
    assert world.outcomes["AnomalyDetector", reason] >= 1


def a_detector_that_cannot_be_unpacked(world: World, runtime: Runtime) -> str:
    runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
    runtime._held["AnomalyDetector", "shop", "a"].packed = b"no longer what it was"
    return "AnomalyDetector"


def a_detector_whose_status_cannot_be_written(world: World, runtime: Runtime) -> str:
    world.status_error = ZeroDivisionError("a secret")
    runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
    return "AnomalyDetector"


def a_policy_whose_rule_cannot_be_written(world: World, runtime: Runtime) -> str:
    world.rule_error = ZeroDivisionError("a secret")
    runtime.seen("ThresholdPolicy", body_of(a_policy("a", mode="Record", interval="1m")))
    return "ThresholdPolicy"


DEFECTS = [
    a_detector_that_cannot_be_unpacked,
    a_detector_whose_status_cannot_be_written,
    a_policy_whose_rule_cannot_be_written,
]


@pytest.mark.parametrize("broken", DEFECTS)
def test_a_defect_outside_of_the_use_case_is_counted_and_backs_off(
    broken: Callable[[World, Runtime], str], caplog: pytest.LogCaptureFixture
) -> None:
    kind = ""

    async def script(world: World, runtime: Runtime) -> None:
        nonlocal kind
        kind = broken(world, runtime)
        await asyncio.sleep(20)
        early = world.outcomes[kind, "InternalError"]
        assert early >= 2, "tried again sooner than its interval"
        await asyncio.sleep(3600)
        assert world.outcomes[kind, "InternalError"] < early + 3600 / 50

    with caplog.at_level(logging.CRITICAL):
        world = play(script)
    assert set(world.outcomes) == {(kind, "InternalError")}


def test_a_defect_of_the_delivery_is_said_in_the_status() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        a_policy_whose_rule_cannot_be_written(world, runtime)
        await asyncio.sleep(5)
        world.rule_error = None
        await asyncio.sleep(30)

    world = play(script)
    assert world.ready("a") == ["Pending", "InternalError", "Reconciled"]
    assert "a secret" not in str(world.statuses)


def test_an_outage_is_asked_less_and_less_often() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.fetch_error = PrometheusUnreachable("Prometheus does not answer")
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h")))
        await asyncio.sleep(1800)

    fetched = [at for at, _ in play(script).fetched]
    gaps = np.diff(fetched)
    assert gaps[0] < 7 and gaps[-1] > 200
    assert len(fetched) < 15


def test_a_status_that_cannot_be_written_is_written_by_a_later_run(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.status_error = KubernetesUnavailable("the API server answered 503")
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h")))
        await asyncio.sleep(30)
        assert not world.statuses and not world.events
        world.status_error = None
        await asyncio.sleep(60)

    world = play(script)
    assert world.ready("p")[-1] == "Reconciled"
    assert "a plan could not be applied" in caplog.messages


def test_scores_go_on_while_the_api_server_refuses_every_status() -> None:
    def spiking(start: float, end: float, step: float) -> Frame:
        calm = steady(start, end, step)
        return Frame(calm.times, np.where(calm.times[:, None] < 1_000_060.0, calm.values, 500.0), calm.labels)

    def score() -> float:
        return max(gauge.value for gauge in world.gauges["uid-of-a"] if gauge.name == "opssight_anomaly_score")

    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("AnomalyDetector", body_of(a_detector("a", **DETECTOR)))
        await asyncio.sleep(30)
        assert score() < 3
        world.status_error = KubernetesUnavailable("the API server answered 403")
        world.frame, told = spiking, len(world.events)
        await asyncio.sleep(300)
        assert len(world.events) == told, "what stands in no status is told of in no Event"

    world = a_world()
    play(script, world)
    assert score() > 3


def test_a_rule_is_written_before_the_status_that_speaks_of_it_and_the_status_before_the_events() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.known["default"] = a_source()
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", mode="Record", interval="1h")))
        await asyncio.sleep(3)

    order = play(script).order
    assert order[:4] == ["status", "rule", "gauges", "status"]  # the first is Pending
    assert set(order[4:]) <= {"event"} and order[4:]


def test_a_rule_that_belongs_to_somebody_else_leaves_its_mark_in_the_status() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.rule_error = NameConflict("PrometheusRule shop/x exists and belongs to somebody else")
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", mode="Record", interval="1h")))
        await asyncio.sleep(3)

    world = play(script)
    assert world.ready("p") == ["Pending", "NameConflict"]
    assert not world.written("p")[-1].get("thresholds"), "a threshold that was not delivered was not changed"


def broken(name: str, **more: Any) -> dict[str, Any]:
    body = {**body_of(a_policy(name, interval="1h"), generation=2), **more}
    body["spec"]["expr"] = 7
    return body


def test_a_spec_that_does_not_parse_says_so_in_its_status_and_harms_nobody() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("ThresholdPolicy", broken("broken"))
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1h")))
        await asyncio.sleep(3)
        for _ in range(3):  # our own write comes back as an event
            runtime.seen("ThresholdPolicy", broken("broken", status=world.written("broken")[-1]))
            await asyncio.sleep(1)

    world = play(script)
    assert world.ready("p")[-1] == "Reconciled"
    assert world.outcomes["ThresholdPolicy", "InvalidSpec"] >= 1
    (status,) = world.written("broken")
    ready, stalled = status["conditions"]
    assert (stalled["type"], stalled["status"]) == ("Stalled", "True")
    assert (ready["status"], ready["reason"], status["observedGeneration"]) == ("False", "InvalidSpec", 2)
    assert "spec.expr: Input should be a valid string" in ready["message"]


def test_a_spec_that_does_not_parse_any_more_keeps_its_threshold_and_runs_by_the_old_spec_no_more() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1m")))
        await asyncio.sleep(5)
        runtime.seen("ThresholdPolicy", broken("p", status=world.written("p")[-1]))
        fetched = len(world.fetched)
        await asyncio.sleep(600)
        assert len(world.fetched) == fetched and not world.gauges
        assert world.ready("p") == ["Pending", "Reconciled", "InvalidSpec"]
        assert world.written("p")[-1]["thresholds"] == world.written("p")[-2]["thresholds"]
        runtime.seen("ThresholdPolicy", body_of(a_policy("p", interval="1m"), generation=3))
        await asyncio.sleep(5)

    assert play(script).ready("p")[-1] == "Reconciled"


def test_a_refusal_that_cannot_be_written_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World, runtime: Runtime) -> None:
        world.status_error = KubernetesUnavailable("the API server answered 503")
        runtime.seen("ThresholdPolicy", broken("broken"))
        await asyncio.sleep(1)

    play(script)
    assert "a refusal could not be written" in caplog.messages


def test_a_status_of_another_version_counts_as_lost() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        body = body_of(a_policy("p", interval="1h"))
        body["status"] = {"conditions": "of a later version"}
        runtime.seen("ThresholdPolicy", body)
        await asyncio.sleep(3)

    assert play(script).ready("p")[-1] == "Reconciled"


def test_a_namespace_whose_labels_change_is_looked_at_at_once() -> None:
    async def script(world: World, runtime: Runtime) -> None:
        runtime.seen("ThresholdPolicy", body_of(a_policy("in", interval="1h")))
        runtime.seen("ThresholdPolicy", body_of(a_policy("out", interval="1h", namespace="other")))
        await asyncio.sleep(3)
        began = now()
        runtime.namespace_changed("shop")
        await asyncio.sleep(1)
        assert len([at for at, _ in world.fetched if at >= began]) == 1

    play(script)
