"""Who may start."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opssight_operator.controllers.lanes import Lanes
from opssight_operator.settings import Settings

LIMITS = {"namespace": 2, "source": 3}
OVERALL = 5


def a_pair(namespace: int, source: int) -> tuple[tuple[str, str], ...]:
    return ("namespace", str(namespace)), ("source", str(source))


class Queue(RuleBasedStateMachine):
    """Any order of arrivals, departures, starts and ends, against plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(OVERALL, LIMITS)
        self.waiting: dict[int, tuple[tuple[str, str], ...]] = {}
        self.running: list[tuple[tuple[str, str], ...]] = []

    @rule(key=st.integers(0, 30), namespace=st.integers(0, 3), source=st.integers(0, 2))
    def arrive(self, key: int, namespace: int, source: int) -> None:
        self.lanes.add(key, a_pair(namespace, source))
        self.waiting[key] = a_pair(namespace, source)

    @rule(key=st.integers(0, 30))
    def leave(self, key: int) -> None:
        self.lanes.discard(key)
        self.waiting.pop(key, None)

    @rule()
    def start(self) -> None:
        taken = self.lanes.take()
        startable = [key for key, lanes in self.waiting.items() if self.fits(lanes)]
        if taken is None:
            assert not startable, "somebody could have started"
            return
        key, lanes = taken
        assert key in startable
        assert lanes == self.waiting.pop(key)  # type: ignore[call-overload]
        self.running.append(lanes)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.lanes.free(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))))

    def fits(self, lanes: tuple[tuple[str, str], ...]) -> bool:
        used = Counter(lane for running in self.running for lane in running)
        return len(self.running) < OVERALL and all(used[lane] < LIMITS[lane[0]] for lane in lanes)

    @invariant()
    def agrees(self) -> None:
        assert len(self.lanes) == len(self.waiting)
        assert self.lanes.running == len(self.running) <= OVERALL
        assert all(key in self.lanes for key in self.waiting)


Queue.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLanes = Queue.TestCase


def test_a_source_that_hangs_fills_its_own_lane_and_nobody_elses() -> None:
    lanes = Lanes(8, {"namespace": 8, "source": 3})
    for n in range(20):
        lanes.add(f"slow-{n}", a_pair(0, 0))
    lanes.add("healthy", a_pair(0, 1))
    started = [lanes.take() for _ in range(5)]
    assert [taken[0] for taken in started if taken] == ["slow-0", "healthy", "slow-1", "slow-2"]


def test_two_sources_that_hang_leave_room_for_a_third_by_default() -> None:
    limits = Settings()
    lanes = Lanes(
        limits.max_concurrent_reconciles,
        {"namespace": limits.max_concurrent_per_namespace, "source": limits.max_concurrent_per_source},
    )
    for n in range(100):
        lanes.add(f"slow-{n}", a_pair(n, n % 2))
    while lanes.take() is not None:
        pass
    lanes.add("healthy", a_pair(0, 2))
    taken = lanes.take()
    assert taken is not None and taken[0] == "healthy"


def test_a_namespace_with_one_resource_does_not_wait_for_one_with_many() -> None:
    lanes = Lanes(1, {"namespace": 4, "source": 4})
    for n in range(100):
        lanes.add(f"many-{n}", a_pair(0, 0))
    lanes.add("single", a_pair(1, 0))
    order = []
    for _ in range(3):
        taken = lanes.take()
        assert taken is not None
        order.append(taken[0])
        lanes.free(taken[1])
    assert order == ["many-0", "single", "many-1"]


def test_what_waits_keeps_its_place_when_it_is_asked_for_again() -> None:
    lanes = Lanes(1, {"namespace": 4, "source": 4})
    for key in ("first", "second", "first"):
        lanes.add(key, a_pair(0, 0))
    taken = lanes.take()
    assert taken is not None and taken[0] == "first"
