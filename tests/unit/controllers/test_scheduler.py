"""The deadline heap, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable

import pytest

from opssight_operator.controllers.scheduler import Scheduler
from opssight_operator.core.scheduling import phase
from virtual_time import in_virtual_time

SHOP = (("namespace", "shop"), ("source", "default"))
LIMITS = {"namespace": 4, "source": 6}


def time() -> float:
    return asyncio.get_running_loop().time()


class Bench:
    """A scheduler on the virtual clock, whose runs are noted and take ``seconds``."""

    def __init__(
        self,
        seconds: float = 0.0,
        wanted: Callable[[Hashable], float | None] = lambda _: None,
        *,
        concurrency: int = 8,
        limits: dict[str, int] = LIMITS,
    ) -> None:
        self.began: list[tuple[float, Hashable]] = []
        self.ended: list[tuple[float, Hashable]] = []
        self.cancelled: list[Hashable] = []
        self.at_once: Counter[Hashable] = Counter()
        self.most: Counter[Hashable] = Counter()
        self.lags: list[float] = []
        self.missed = 0
        self.seconds = seconds
        self.wanted = wanted
        self.scheduler = Scheduler(
            self.work,
            concurrency=concurrency,
            lane_limits=limits,
            lagged=self.lags.append,
            coalesced=self.coalesced,
            clock=time,
        )

    async def work(self, key: Hashable) -> float | None:
        self.began.append((time(), key))
        for name in (key, "all"):
            self.at_once[name] += 1
            self.most[name] = max(self.most[name], self.at_once[name])
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        finally:
            self.at_once.subtract((key, "all"))
        self.ended.append((time(), key))
        return self.wanted(key)

    def coalesced(self, count: int) -> None:
        self.missed += count

    def put(self, key: str, interval: float = 60.0, delay: float = 0.0, uid: str = "") -> None:
        self.scheduler.put(key, uid=uid or key, lanes=SHOP, interval=interval, delay=delay)

    def runs(self, key: str) -> list[float]:
        return [at for at, name in self.began if name == key]


def run(bench: Callable[[], Bench], script: Callable[[Bench], Awaitable[None]]) -> Bench:
    async def play() -> Bench:
        made = bench()
        turning = asyncio.create_task(made.scheduler.run())
        await script(made)
        turning.cancel()
        await asyncio.wait([turning])
        return made

    return in_virtual_time(play())


def test_a_new_resource_runs_at_once_and_then_on_its_own_grid() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=60.0)
        await asyncio.sleep(3600)

    runs = run(Bench, script).runs("a")
    assert runs[0] == 1_000_000.0
    assert len(runs) == 61
    assert all((at - phase("a", 60.0)) % 60 == pytest.approx(0, abs=1e-3) or at == runs[0] for at in runs)


def test_a_thousand_resources_do_not_run_together() -> None:
    async def script(bench: Bench) -> None:
        for n in range(1000):
            bench.put(f"r{n}", interval=60.0, delay=phase(f"r{n}", 60.0))
        await asyncio.sleep(600)

    bench = run(lambda: Bench(limits={"namespace": 10_000, "source": 10_000}, concurrency=10_000), script)
    per_second = Counter(int(at) for at, _ in bench.began if at > 1_000_060)
    assert 990 * 9 <= sum(per_second.values()) <= 1010 * 10
    assert max(per_second.values()) < 45  # 17 on average


def test_a_new_generation_runs_at_once() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=3600.0)
        await asyncio.sleep(100)
        bench.put("a", interval=3600.0)
        await asyncio.sleep(100)

    assert run(Bench, script).runs("a") == [1_000_000.0, 1_000_100.0]


def test_a_spec_that_changes_while_it_runs_is_run_once_more_after_that() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=3600.0)
        for _ in range(5):
            await asyncio.sleep(1)
            bench.put("a", interval=3600.0)
        await asyncio.sleep(100)

    bench = run(lambda: Bench(seconds=10.0), script)
    assert bench.runs("a") == [1_000_000.0, 1_000_010.0]
    assert bench.most["a"] == 1


def test_a_deleted_resource_is_cancelled_and_never_runs_again() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=5.0)
        bench.put("b", interval=5.0, delay=4.0)
        await asyncio.sleep(1)
        bench.scheduler.drop("a")
        bench.scheduler.drop("b")
        bench.scheduler.drop("never seen")
        await asyncio.sleep(100)

    bench = run(lambda: Bench(seconds=10.0), script)
    assert [key for _, key in bench.began] == ["a"]
    assert bench.cancelled == ["a"]
    assert not bench.ended


def test_a_resource_that_was_made_anew_starts_anew() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=3600.0, uid="first")
        await asyncio.sleep(1)
        bench.put("a", interval=3600.0, uid="second")
        await asyncio.sleep(100)

    bench = run(lambda: Bench(seconds=10.0), script)
    assert bench.cancelled == ["a"]
    assert [at for at, _ in bench.ended] == [1_000_011.0]


def test_runs_that_came_due_meanwhile_are_one_run_and_are_counted() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=10.0)
        await asyncio.sleep(46)

    bench = run(lambda: Bench(seconds=35.0), script)
    assert len(bench.began) == 2  # the second one soon after the first has ended, on the grid
    assert bench.missed == 3


def test_an_outcome_may_ask_for_another_time() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=3600.0)
        await asyncio.sleep(21)

    assert run(lambda: Bench(wanted=lambda _: 5.0), script).runs("a") == [1_000_000.0 + 5 * n for n in range(5)]


def test_no_more_run_at_once_than_allowed_and_all_are_served() -> None:
    async def script(bench: Bench) -> None:
        for n in range(20):
            bench.put(f"r{n}", interval=3600.0)
        await asyncio.sleep(0.5)
        assert bench.scheduler.waiting == 17
        await asyncio.sleep(20)

    bench = run(lambda: Bench(seconds=1.0, concurrency=3), script)
    assert bench.most["all"] == 3
    assert len({key for _, key in bench.ended}) == 20
    assert max(bench.lags) == pytest.approx(6.0, abs=0.01)  # 20 of one second each, three at a time


def test_a_source_that_hangs_delays_only_its_own_resources() -> None:
    async def script(bench: Bench) -> None:
        for n in range(50):
            bench.scheduler.put(
                f"slow-{n}", uid=f"slow-{n}", lanes=(("namespace", "a"), ("source", "slow")), interval=3600.0
            )
        bench.scheduler.put("quick", uid="q", lanes=(("namespace", "a"), ("source", "other")), interval=3600.0)
        await asyncio.sleep(1)

    bench = run(lambda: Bench(seconds=30.0, limits={"namespace": 8, "source": 3}), script)
    assert bench.runs("quick") == [1_000_000.0]


def test_a_source_that_is_renamed_while_a_resource_waits_moves_it_to_the_other_lane() -> None:
    async def script(bench: Bench) -> None:
        slow, other = (("source", "slow"),), (("source", "other"),)
        bench.scheduler.put("first", uid="1", lanes=slow, interval=3600.0)
        bench.scheduler.put("moves", uid="2", lanes=slow, interval=3600.0)
        await asyncio.sleep(1)
        bench.scheduler.put("moves", uid="2", lanes=other, interval=3600.0)
        await asyncio.sleep(0)
        bench.scheduler.put("third", uid="3", lanes=other, interval=3600.0, delay=0.5)
        await asyncio.sleep(1)

    bench = run(lambda: Bench(seconds=30.0, limits={"source": 1}), script)
    assert [key for _, key in bench.began] == ["first", "moves"]


def test_a_run_that_fails_without_being_handled_is_logged_and_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Hashable) -> float:
        raise ZeroDivisionError

    async def script(bench: Bench) -> None:
        bench.put("a", interval=10.0)
        await asyncio.sleep(25)

    with caplog.at_level(logging.ERROR):
        bench = run(lambda: Bench(wanted=fail), script)
    assert len(bench.began) >= 3
    assert "a run ended with an error that nobody handled" in caplog.messages


def test_an_entry_whose_next_time_cannot_be_known_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=0.0)
        bench.put("b")
        await asyncio.sleep(601)

    with caplog.at_level(logging.CRITICAL):
        bench = run(Bench, script)
    assert len(bench.runs("a")) == 11
    assert len(bench.runs("b")) >= 10


def test_a_stop_lets_runs_finish_and_starts_nothing() -> None:
    async def script(bench: Bench) -> None:
        for n in range(4):
            bench.put(f"r{n}", interval=3600.0)
        await asyncio.sleep(1)
        await bench.scheduler.stop(30.0)
        bench.put("late", interval=3600.0)
        await asyncio.sleep(100)

    bench = run(lambda: Bench(seconds=10.0, concurrency=2), script)
    assert [at for at, _ in bench.ended] == [1_000_010.0] * 2
    assert len(bench.began) == 2


def test_a_stop_cancels_what_takes_too_long() -> None:
    async def script(bench: Bench) -> None:
        bench.put("a", interval=3600.0)
        await asyncio.sleep(1)
        began = time()
        await bench.scheduler.stop(4.0)
        assert time() - began < 5.1

    assert run(lambda: Bench(seconds=1000.0), script).cancelled == ["a"]


def test_the_loop_turns_at_least_once_a_minute_with_nothing_to_do() -> None:
    async def script(bench: Bench) -> None:
        await asyncio.sleep(1000)
        assert time() - bench.scheduler.turned_at <= 60.0

    run(Bench, script)
