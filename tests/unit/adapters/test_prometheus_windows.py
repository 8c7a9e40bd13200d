"""What is answered from fetched windows equals what a fetch would have answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.adapters.prometheus.decimals import NORMAL_NAN
from opssight_operator.adapters.prometheus.grid import Grid
from opssight_operator.adapters.prometheus.window_cache import WindowCache
from opssight_operator.adapters.prometheus.windows import Window, lengthened
from opssight_operator.core.observation import Frame
from opssight_operator.errors import OpsSightError, PrometheusUnreachable, TooMuchData

STEP = 60_000
ABSENT = np.nan


class Store:
    """What a server knows, ``[time, series]`` from row 0 on, and what it was asked for."""

    def __init__(self, cells: np.ndarray, warnings: tuple[str, ...] = ()) -> None:
        self.cells = cells
        self.warnings = warnings
        self.asked: list[tuple[int, int]] = []

    def fetch(self, grid: Grid) -> Frame:
        first = grid.start // STEP
        self.asked.append((first, first + grid.rows - 1))
        part = self.cells[first : first + grid.rows]
        here = (part.view(np.int64) != np.float64(ABSENT).view(np.int64)).any(axis=0)
        labels = tuple({"series": f"{i:02}"} for i in np.flatnonzero(here))
        return Frame(grid.times, np.ascontiguousarray(part[:, here]), labels, self.warnings)


def rows(first: int, last: int) -> Grid:
    return Grid(first * STEP, STEP, last - first + 1)


def assert_same(got: Frame, expected: Frame) -> None:
    assert got.labels == expected.labels
    np.testing.assert_array_equal(got.times, expected.times)
    np.testing.assert_array_equal(got.values.view(np.int64), expected.values.view(np.int64))


def some_cells(n_rows: int = 200, n_series: int = 4, seed: int = 1, share: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(n_rows, n_series))
    cells[rng.random(cells.shape) < 0.05] = NORMAL_NAN
    cells[rng.random(cells.shape) > share] = ABSENT
    return cells


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_order_of_requests_gets_what_a_fetch_gets(data: st.DataObject) -> None:
    """Series come and go in stretches, and samples within the overlap may still change."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    cells = rng.normal(size=(60, 5))
    for series in range(5):
        for start in rng.integers(0, 60, size=2):
            cells[start : start + rng.integers(1, 25), series] = rng.choice([ABSENT, ABSENT, NORMAL_NAN])
    overlap = data.draw(st.integers(0, 6))
    store, window, newest = Store(cells), None, 0
    seen: list[tuple[Frame, np.ndarray]] = []
    for _ in range(data.draw(st.integers(1, 8))):
        last = data.draw(st.integers(0, 59))
        grid = rows(data.draw(st.integers(max(0, last - 30), last)), last)
        if last > newest:  # late samples, as old as the overlap before what was asked for last
            late = rng.random((max(0, last - max(0, newest - overlap + 1)) + 1, 5)) < 0.1
            part = cells[max(0, newest - overlap + 1) :][: len(late)]
            part[late[: len(part)]] = rng.normal(size=int(late[: len(part)].sum()))
        newest = max(newest, last)
        if window is None or not window.covers(grid):
            window = lengthened(window, grid, store.fetch, overlap * STEP)
            frame = window.cut(grid)
            # what was known and is settled is not asked for again, so only the rest can be compared with the store
            assert_same(frame, Store(cells).fetch(grid))
        else:
            frame = window.cut(grid)
        seen.append((frame, frame.values.copy()))
    for frame, values in seen:  # nothing that was given away was written again
        np.testing.assert_array_equal(frame.values, values)


def test_a_tick_asks_for_the_new_end_and_the_overlap_alone() -> None:
    store = Store(some_cells())
    window = lengthened(None, rows(0, 99), store.fetch, 5 * STEP)
    window = lengthened(window, rows(1, 100), store.fetch, 5 * STEP)
    window = lengthened(window, rows(2, 101), store.fetch, 5 * STEP)
    assert store.asked == [(0, 99), (95, 100), (96, 101)]
    assert_same(window.cut(rows(2, 101)), store.fetch(rows(2, 101)))
    assert window.grid == rows(2, 101)


def test_a_longer_window_asks_for_what_lies_before_and_is_then_kept() -> None:
    store = Store(some_cells())
    window = lengthened(None, rows(50, 99), store.fetch, 0)
    window = lengthened(window, rows(20, 100), store.fetch, 0)
    assert store.asked == [(50, 99), (20, 49), (100, 100)]
    window = lengthened(window, rows(60, 110), store.fetch, 0)
    assert window.grid == rows(30, 110)  # as long as the longest
    assert_same(window.cut(rows(30, 110)), store.fetch(rows(30, 110)))


def test_a_window_that_does_not_touch_is_fetched_anew() -> None:
    store = Store(some_cells())
    window = lengthened(None, rows(0, 20), store.fetch, 5 * STEP)
    window = lengthened(window, rows(22, 30), store.fetch, 5 * STEP)
    assert store.asked[-1] == (22, 30)
    assert window.grid == rows(22, 30)


def test_ticks_share_memory_until_it_is_full() -> None:
    store = Store(some_cells(400, share=1.1))
    window = lengthened(None, rows(0, 79), store.fetch, 0)
    memories = []
    for tick in range(1, 40):
        window = lengthened(window, rows(tick, 79 + tick), store.fetch, 0)
        memories.append(id(window.memory))
        assert_same(window.cut(rows(tick, 79 + tick)), store.fetch(rows(tick, 79 + tick)))
    assert len(set(memories)) <= 5


def test_a_late_sample_reaches_the_window_and_not_the_frames_before() -> None:
    store = Store(some_cells(share=1.1))
    window = lengthened(None, rows(0, 50), store.fetch, 3 * STEP)
    window = lengthened(window, rows(0, 51), store.fetch, 3 * STEP)
    before = window.cut(rows(0, 51))
    old = before.values[50, 0]
    store.cells[50, 0] = 42.0
    window = lengthened(window, rows(0, 52), store.fetch, 3 * STEP)
    assert window.cut(rows(0, 52)).values[50, 0] == 42.0
    assert before.values[50, 0] == old


def test_a_sample_that_turns_out_to_be_none_is_taken_back() -> None:
    """A series is marked as ended some time after it was last seen."""
    store = Store(some_cells(share=1.1))
    window = lengthened(None, rows(0, 50), store.fetch, 3 * STEP)
    store.cells[48:, 0] = ABSENT
    window = lengthened(window, rows(0, 51), store.fetch, 3 * STEP)
    assert_same(window.cut(rows(0, 51)), store.fetch(rows(0, 51)))


def test_frames_from_a_window_cannot_be_written() -> None:
    window = lengthened(None, rows(0, 50), Store(some_cells()).fetch, 0)
    window = lengthened(window, rows(0, 51), Store(some_cells()).fetch, 0)
    with pytest.raises(ValueError, match="read-only"):
        window.cut(rows(0, 51)).values[0, 0] = 1.0


# the cache


class Server:
    """Asked as a source is: in order, each answer only when it is let go."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: OpsSightError | None = None

    async def ask(self, question: Callable[[Callable[[Grid], Frame]], Window]) -> Window:
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return question(self.store.fetch)


async def test_many_who_ask_the_same_at_once_are_one_request() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(10**9)
    server.gate.clear()
    waiting = [asyncio.create_task(cache.frame("q", rows(0, 50), server.ask)) for _ in range(20)]
    await asyncio.sleep(0)
    server.gate.set()
    for frame in await asyncio.gather(*waiting):
        assert_same(frame, Store(some_cells()).fetch(rows(0, 50)))
    assert server.store.asked == [(0, 50)]


async def test_who_asks_for_more_meanwhile_gets_more_for_one_request_more() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(10**9, overlap_seconds=0)
    frames = await asyncio.gather(
        cache.frame("q", rows(40, 50), server.ask),
        cache.frame("q", rows(30, 50), server.ask),
        cache.frame("q", rows(45, 50), server.ask),
    )
    assert [frame.times[0] for frame in frames] == [40 * 60, 30 * 60, 45 * 60]
    assert server.store.asked == [(40, 50), (30, 39)]


async def test_other_steps_and_other_phases_are_other_windows() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(10**9)
    await cache.frame("q", Grid(0, STEP, 10), server.ask)
    await cache.frame("q", Grid(0, 2 * STEP, 10), server.ask)
    await cache.frame("q", Grid(1000, STEP, 10), server.ask)
    assert len(server.store.asked) == 3


async def test_a_server_that_is_down_is_asked_once_for_all_who_wait() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(10**9)
    server.gate.clear()
    server.fails = PrometheusUnreachable("down")
    asked = 0

    async def ask(question: Callable[[Callable[[Grid], Frame]], Window]) -> Window:
        nonlocal asked
        asked += 1
        return await server.ask(question)

    waiting = [asyncio.create_task(cache.frame("q", rows(0, n), ask)) for n in range(10, 20)]
    await asyncio.sleep(0)
    server.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, PrometheusUnreachable) for result in results)
    assert asked == 1
    server.fails = None
    assert (await cache.frame("q", rows(0, 15), ask)).times.size == 16


async def test_who_asked_for_too_much_fails_alone() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(10**9)

    async def ask(question: Callable[[Callable[[Grid], Frame]], Window]) -> Window:
        await asyncio.sleep(0)
        if not server.store.asked and not server.fails:
            server.fails = TooMuchData("too much")
            raise server.fails
        return question(server.store.fetch)

    greedy, modest = await asyncio.gather(
        cache.frame("q", rows(0, 100), ask), cache.frame("q", rows(90, 100), ask), return_exceptions=True
    )
    assert isinstance(greedy, TooMuchData)
    assert isinstance(modest, Frame)


async def test_who_gives_up_waiting_does_not_take_the_others_along() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(10**9)
    server.gate.clear()
    first, second = (asyncio.create_task(cache.frame("q", rows(0, 50), server.ask)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    server.gate.set()
    assert (await second).times.size == 51
    assert first.cancelled()


async def test_what_came_with_missing_data_is_given_and_not_kept() -> None:
    store = Store(some_cells(share=1.1), warnings=("a store did not answer",))
    server, cache = Server(store), WindowCache(10**9)
    frame = await cache.frame("q", rows(0, 50), server.ask)
    assert frame.warnings == ("a store did not answer",)
    store.warnings = ("PromQL info: metric might not be a counter",)
    await cache.frame("q", rows(0, 50), server.ask)
    await cache.frame("q", rows(0, 51), server.ask)
    store.warnings = ("a store did not answer",)
    store.cells[52] = 7.0
    partial = await cache.frame("q", rows(0, 52), server.ask)
    store.cells[52] = 8.0
    store.warnings = ()
    whole = await cache.frame("q", rows(0, 52), server.ask)
    assert store.asked[:2] == [(0, 50), (0, 50)]
    assert (partial.values[52, 0], whole.values[52, 0]) == (7.0, 8.0)


async def test_the_windows_that_were_not_asked_for_the_longest_make_room() -> None:
    server = Server(Store(some_cells()))
    size = lengthened(None, rows(0, 50), server.store.fetch, 0).size
    server.store.asked.clear()
    cache = WindowCache(int(2.5 * size))
    for query in ("a", "b", "a", "c", "a", "b"):
        await cache.frame(query, rows(0, 50), server.ask)
        assert cache.size <= 2.5 * size
    assert len(server.store.asked) == 4  # a, b, c, and b again


async def test_a_window_larger_than_the_cache_is_answered_all_the_same() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(1)
    frames = await asyncio.gather(*(cache.frame("q", rows(0, 50), server.ask) for _ in range(3)))
    assert [frame.times.size for frame in frames] == [51] * 3
    assert cache.size == 0
    assert len(server.store.asked) == 1


async def test_what_belongs_to_a_source_that_is_gone_is_forgotten() -> None:
    server, cache = Server(Store(some_cells())), WindowCache(10**9)
    await cache.frame(("one", "q"), rows(0, 50), server.ask)
    await cache.frame(("two", "q"), rows(0, 50), server.ask)
    held = cache.size
    cache.forget(lambda key: isinstance(key, tuple) and key[0] == "one")
    assert cache.size == held // 2
