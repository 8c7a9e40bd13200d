"""One Prometheus, asked with blocking calls from a worker thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from prometheus_api_client import PrometheusConnect

from opssight_operator.core.observation import Flavour, Frame, LoadedRule, ServerInfo
from opssight_operator.errors import OpsSightError, PrometheusOverloaded, PrometheusUnreachable, Throttled, TooMuchData

from .answers import read_build, read_rule_groups, read_rules
from .errors import ours
from .frames import FrameBuilder
from .grid import Grid
from .matrix import read_matrix
from .session import REFUSAL, Answer, PrometheusSession
from .transport import Adapter, Identity, trust

SAMPLE_BYTES = 50  # of one sample as text, rather too many
_GROUP_SHARE = 0.25  # of the bytes of an answer that one group may have, since its rules are many times as large
_SERVER_SHARE = 0.9  # of the time-out, after which Prometheus itself gives up, so that it can still say so


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and one frame of several requests, may cost; ``seconds`` is for each request."""

    seconds: float = 30.0
    max_series: int = 500
    max_points: int = 10_000
    max_bytes: int = 67_108_864
    max_cells: int = 50_000_000
    connections: int = 4


class PrometheusClient:
    """Range queries as frames, rules, and who the server is. Safe to use from several threads at once.

    Every method raises errors of ``opssight_operator.errors`` alone, and defects.
    """

    def __init__(
        self,
        url: str,
        limits: Limits,
        *,
        token: Callable[[], str | None] = lambda: None,
        username: str | None = None,
        headers: Mapping[str, str] | None = None,
        certificates: str | None = None,
        identity: Identity | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._limits = limits
        self._session = PrometheusSession(limits.seconds, limits.max_bytes, token, username=username, headers=headers)
        self._connect = PrometheusConnect(self._url, session=self._session, method="POST")
        # after the constructor, which mounts an adapter that retries
        self._session.adapters.clear()
        trusted = trust(certificates, identity) if self._url.startswith("https://") else None
        self._session.mount(self._url, Adapter(limits.connections, trusted))

    def range(self, expression: str, grid: Grid) -> Frame:
        """The samples of ``expression`` on ``grid``, read in as many requests as the limits ask for."""
        builder = FrameBuilder(grid, self._limits.max_series, self._limits.max_cells)
        warnings: list[str] = []
        first = 0
        while first < grid.rows:
            part = grid.part(first, min(self._rows_at_once(builder.n_series), grid.rows - first))
            warnings += self._part(expression, part, builder)
            first += part.rows
        return builder.build(warnings)

    def rules(self, group: str) -> tuple[LoadedRule, ...]:
        """The rules of all groups of this name. Servers that cannot select a group send all of them."""
        with _meaning(), self._ask(f"{self._url}/api/v1/rules", {"rule_group[]": group}) as answer:
            groups = read_rule_groups(answer.whole()).data.groups
            wanted = [found.rules for found in groups if found.name == group]
            if sum(len(memoryview(rules)) for rules in wanted) > _GROUP_SHARE * self._limits.max_bytes:
                raise TooMuchData(f"rule group {group[:200]} takes more than a quarter of limits.maxBytes")
            read = [rule for rules in wanted for rule in read_rules(rules)]
        return tuple(
            LoadedRule(
                group=group,
                name=rule.name,
                kind=rule.type,
                health=rule.health,
                last_error=rule.last_error,
                firing=sum(alert.state == "firing" for alert in rule.alerts),
                labels=rule.labels,
                query=rule.query,
                for_seconds=rule.duration,
                keep_firing_for_seconds=rule.keep_firing_for,
            )
            for rule in read
        )

    def server(self) -> ServerInfo:
        """Who answers; at least ``vector(1)`` is answered by everyone who speaks PromQL."""
        try:
            with self._ask(f"{self._url}/api/v1/status/buildinfo") as answer:
                hosted = "X-Server-Hostname" in answer.headers
                answer.max_bytes = min(answer.max_bytes, REFUSAL)
                build = read_build(answer.whole()).data
        except (OpsSightError, msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            if isinstance(error, Throttled) or (isinstance(error, PrometheusUnreachable) and not error.answered):
                raise  # another question would meet the same
            self.range("vector(1)", Grid(0, 1000, 1))
            return ServerInfo()
        return ServerInfo(_flavour(build.application, build.version, build.go_version, hosted=hosted), build.version)

    def retire(self) -> None:
        """Keep no connections; requests that are under way end by themselves."""
        self._connect.close()

    def close(self) -> None:
        """End what is under way and close all connections."""
        self._session.cut()
        self._connect.close()

    def _rows_at_once(self, n_series: int) -> int:
        """How many rows one answer can hold, for as many series as were seen, or as there may be."""
        series = int(1.5 * n_series) + 1 if n_series else self._limits.max_series
        fitting = self._limits.max_bytes // (min(series, self._limits.max_series) * SAMPLE_BYTES)
        return max(1, min(self._limits.max_points, fitting))

    def _part(self, expression: str, part: Grid, builder: FrameBuilder) -> tuple[str, ...]:
        """One request; in two halves when it was too heavy or too long, once."""
        try:
            return self._once(expression, part, builder)
        except (PrometheusOverloaded, TooMuchData) as error:
            if part.rows == 1 or (isinstance(error, TooMuchData) and error.whole):
                raise
        return tuple(warning for half in part.halves() for warning in self._once(expression, half, builder))

    def _once(self, expression: str, part: Grid, builder: FrameBuilder) -> tuple[str, ...]:
        parameters = {
            "start": _seconds(part.start),
            "end": _seconds(part.end),
            "step": _seconds(part.step),
            "timeout": f"{self._limits.seconds * _SERVER_SHARE * 1000:.0f}ms",
            "limit": str(self._limits.max_series + 1),  # servers that do not know it send all
        }
        moments = [datetime.fromtimestamp(part.start / 1000, UTC)] * 2  # replaced by the parameters, which are exact
        with _meaning():
            answer: Answer = self._connect.custom_query_range(expression, *moments, step="", params=parameters)
            with answer:
                return read_matrix(answer.pieces(), part, builder)

    def _ask(self, url: str, parameters: dict[str, str] | None = None) -> Answer:
        return self._session.request("GET", url, params=parameters)


@contextmanager
def _meaning() -> Iterator[None]:
    """Turns what reading an answer raises into errors of ours."""
    try:
        yield
    except OpsSightError:
        raise
    except Exception as error:
        # ValueError is what numbers, times and sizes raise that are none
        meant = ours(error) or (ours(UnicodeError()) if isinstance(error, ValueError) else None)
        if meant is None:
            raise
        raise meant from error


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"


def _flavour(application: str, version: str, go_version: str, *, hosted: bool) -> Flavour:
    """Mimir gives its name, VictoriaMetrics a header of its own, and Thanos has versions below 1."""
    if "Mimir" in application:
        return "Mimir"
    if hosted:
        return "VictoriaMetrics"
    if not (version and go_version):
        return "Unknown"
    return "Thanos" if version.startswith("0.") else "Prometheus"
