"""Events: one per transition, similar ones as a series, never a flood, never an exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from opssight_operator.adapters.recorder import BURST, COMBINED, REFILL_SECONDS, SERIES_SECONDS, SIMILAR, EventRecorder
from opssight_operator.core.plan import Event
from opssight_operator.errors import KubernetesUnavailable, TargetNotFound
from opssight_operator.reconcile.ports import Owner

DETECTOR = Owner("opssight.dev/v1alpha1", "AnomalyDetector", "latency", "shop", "uid-1")
SOURCE = Owner("opssight.dev/v1alpha1", "MetricsSource", "default", "", "uid-2")


@dataclass
class Api:
    """What would have been sent."""

    sent: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    error: Exception | None = None
    deleted: bool = False

    async def send(self, method: str, path: str, *, body: dict[str, Any], content_type: str, what: str) -> None:
        if self.error is not None:
            raise self.error
        if self.deleted and method == "PATCH":
            raise TargetNotFound("record an Event: not found")
        self.sent.append((method, path, body))

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.sent]


class Bench:
    def __init__(self, *namespaces: str) -> None:
        self.api, self.now = Api(), 1000.0
        api: Any = self.api
        self.recorder = EventRecorder(
            api,
            controller="opssight.dev/operator",
            instance="me",
            namespaces=namespaces,
            clock=lambda: self.now,
        )

    async def record(self, message: str = "a sentence", reason: str = "NoData", owner: Owner = DETECTOR) -> None:
        await self.recorder.record(owner, [Event("Warning", reason, message, "Evaluate")])


async def test_an_event_tells_of_the_resource_in_its_namespace() -> None:
    bench = Bench()
    await bench.record()
    method, path, body = bench.api.sent[0]
    assert (method, path) == ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events")
    assert body["regarding"] == {
        "apiVersion": "opssight.dev/v1alpha1",
        "kind": "AnomalyDetector",
        "name": "latency",
        "namespace": "shop",
        "uid": "uid-1",
    }
    assert (body["reason"], body["type"], body["note"], body["action"]) == (
        "NoData", "Warning", "a sentence", "Evaluate",
    )  # fmt: skip
    assert body["eventTime"].endswith("Z") and body["reportingController"] == "opssight.dev/operator"


async def test_events_of_a_cluster_scoped_resource_stand_where_kubectl_describe_looks() -> None:
    bench = Bench()
    await bench.record(owner=SOURCE)
    _, path, body = bench.api.sent[0]
    assert "/namespaces/default/" in path
    assert "namespace" not in body["regarding"]


@pytest.mark.parametrize(("namespaces", "may"), [(("shop",), False), (("shop", "default"), True), ((), True)])
async def test_where_an_install_may_write_no_events_it_tries_none(namespaces: tuple[str, ...], may: bool) -> None:
    bench = Bench(*namespaces)
    await bench.record(owner=SOURCE)
    await bench.record()
    assert ["/namespaces/default/" in path for _, path, _ in bench.api.sent] == ([True, False] if may else [False])


async def test_the_same_event_again_is_a_series_with_a_count() -> None:
    bench = Bench()
    for _ in range(3):
        await bench.record()
        bench.now += 60
    assert bench.api.methods() == ["POST", "PATCH", "PATCH"]
    name = bench.api.sent[0][2]["metadata"]["name"]
    assert all(path.endswith(f"/{name}") for _, path, _ in bench.api.sent[1:])
    assert [body["series"]["count"] for _, _, body in bench.api.sent[1:]] == [2, 3]


async def test_a_series_whose_event_was_deleted_starts_anew() -> None:
    bench = Bench()
    await bench.record()
    bench.api.deleted = True
    for _ in range(2):
        bench.now += 60
        await bench.record()
        bench.api.deleted = False
    assert bench.api.methods() == ["POST", "POST", "PATCH"]
    first, second, repeated = bench.api.sent
    assert first[2]["metadata"]["name"] != second[2]["metadata"]["name"]
    assert repeated[1].endswith(second[2]["metadata"]["name"])
    assert repeated[2]["series"]["count"] == 2


async def test_a_series_that_was_silent_for_long_starts_anew() -> None:
    bench = Bench()
    await bench.record()
    bench.now += SERIES_SECONDS
    await bench.record()
    assert bench.api.methods() == ["POST", "POST"]


async def test_a_first_event_that_was_lost_is_no_series() -> None:
    bench = Bench()
    bench.api.error = KubernetesUnavailable("the API server answered 503")
    await bench.record()
    bench.api.error = None
    await bench.record()
    assert bench.api.methods() == ["POST"]


async def test_nothing_is_ever_raised(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.api.error = KubernetesUnavailable("the API server answered 503")
    await bench.record()
    assert "an event was not recorded" in caplog.messages


async def test_many_texts_of_one_reason_become_one_event() -> None:
    bench = Bench()
    for n in range(SIMILAR + 5):
        await bench.record(f"series {n} has no data")
    assert bench.api.methods() == ["POST"] * (SIMILAR + 1) + ["PATCH"] * 4
    assert bench.api.sent[SIMILAR][2]["note"].startswith(COMBINED)
    assert bench.api.sent[-1][2]["series"]["count"] == 5


async def test_a_text_of_before_still_has_its_own_series() -> None:
    bench = Bench()
    for n in range(SIMILAR + 2):
        await bench.record(f"series {n} has no data")
    await bench.record("series 3 has no data")
    assert bench.api.sent[-1][1].endswith(bench.api.sent[3][2]["metadata"]["name"])


async def test_an_object_cannot_flood_the_cluster_and_others_are_not_held_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    for n in range(BURST + 10):
        await bench.record(reason=f"Reason{n}")
    assert bench.api.methods() == ["POST"] * BURST
    assert "too many events of one object" in caplog.messages
    await bench.record(owner=SOURCE)
    assert len(bench.api.sent) == BURST + 1
    bench.now += REFILL_SECONDS
    await bench.record(reason="Later")
    await bench.record(reason="TooSoon")
    assert len(bench.api.sent) == BURST + 2


async def test_a_long_text_fits_the_limits_of_kubernetes() -> None:
    bench = Bench()
    await bench.record("x" * 5000, reason="R" * 500)
    body = bench.api.sent[0][2]
    assert len(body["note"]) == 1024
    assert len(body["reason"]) == 128
    assert len(body["metadata"]["name"]) <= 253
