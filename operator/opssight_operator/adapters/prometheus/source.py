"""One source as one namespace may use it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from opssight_operator.core.observation import Frame, LoadedRule
from opssight_operator.core.promql import looks_back_only, range_pinned
from opssight_operator.core.tenancy import refuse_forged
from opssight_operator.errors import InvalidQuery

from .client import Limits, PrometheusClient
from .frames import too_many_series, too_much_data
from .grid import Grid
from .window_cache import WindowCache
from .windows import Fetch, Window

T = TypeVar("T")


class Desk(Protocol):
    """Where a source is asked; ``identity`` changes when it becomes another server or other credentials."""

    identity: int
    limits: Limits

    async def confine(self, expression: str, matchers: Mapping[str, str]) -> str:
        """The expression with the matchers in every selector; raises ``SpecError``."""
        ...

    async def ask(self, question: Callable[[PrometheusClient], T]) -> T:
        """The answer to a question that is put in a worker thread."""
        ...


class BoundSource:
    """``ports.MetricSource``: every query carries the matchers of its namespace."""

    def __init__(self, find: Callable[[], Desk], cache: WindowCache, matchers: Mapping[str, str]) -> None:
        self._find = find
        self._cache = cache
        self._matchers = matchers

    @property
    def matchers(self) -> Mapping[str, str]:
        """The label matchers that every query of this namespace carries."""
        return self._matchers

    async def range(self, expr: str, start: float, end: float, step: float) -> Frame:
        """Samples of ``expr``, confined, at ``start, start + step, ...`` up to and including ``end``."""
        desk = self._find()
        grid = Grid.of(start, end, step)
        confined = await desk.confine(expr, self._matchers)
        if not _is_cacheable(confined):
            frame = await desk.ask(lambda client: client.range(_pinned(confined, grid), grid))  # read off the loop
            refuse_forged(frame.labels, self._matchers)
            return frame

        def ask(question: Callable[[Fetch], Window]) -> Awaitable[Window]:
            return desk.ask(lambda client: question(lambda part: client.range(confined, part)))

        frame = await self._cache.frame((desk.identity, confined), grid, ask)
        # each fetch keeps to the limits, but several together may not
        if frame.n_series > desk.limits.max_series:
            raise too_many_series(desk.limits.max_series)
        if frame.values.size > desk.limits.max_cells:
            raise too_much_data(desk.limits.max_cells, grid.rows)
        refuse_forged(frame.labels, self._matchers)
        return frame

    async def rules(self, group: str) -> tuple[LoadedRule, ...]:
        """The rules of one group as Prometheus lists them."""
        return await self._find().ask(lambda client: client.rules(group))


def _is_cacheable(expression: str) -> bool:
    try:
        return looks_back_only(expression)
    except InvalidQuery:  # not PromQL as we know it, and the server's to judge
        return False


def _pinned(expression: str, grid: Grid) -> str:
    try:
        return range_pinned(expression, grid.start / 1000, grid.end / 1000)
    except InvalidQuery:
        return expression
