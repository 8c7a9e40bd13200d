"""A tenant's query, parsed and answered by Prometheus itself, never leaves its namespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localcluster import Cluster

from component.prometheus_servers import STEP, alone, selectors_of, start_of, syntax_tree, write
from opssight_operator.adapters.prometheus.sources import Sources
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.metrics_source import MetricsSource, MetricsSourceSpec, MetricsSourceStatus
from opssight_operator.core.tenancy import enforce
from opssight_operator.errors import InvalidQuery, NotAllowed

START = start_of(30)
OWN = {"namespace": "shop"}


@pytest.fixture(scope="module")
def servers() -> Iterator[Cluster]:
    with alone("--enable-feature=promql-experimental-functions") as running:
        for server in (running.prometheus, running.start_prometheus_old()):
            for namespace, value in (("shop", 1.0), ("bank", 42.0)):
                columns = [({"__name__": name, "namespace": namespace, "a": "b"}, [value] * 30) for name in "xyz"]
                write(server, START, columns)
        yield running


QUERIES = [
    "x",
    "x{}",
    '{__name__=~"x|y"}',
    '{"x"}',
    '{"x", "a"="b"}',
    'x{a="b",}',
    "x{a=~`b|\\d`}",
    "x # or y\n or z",
    'x{a="}"} or y{a="# \\""}',
    "sum by (namespace) (x) + on () group_left () count(y)",
    "SUM(x) OR y UNLESS z",
    "topk(scalar(max(x)), y)",
    "quantile_over_time(scalar(max(x)) / 100, y[5m])",
    "max_over_time((x + y)[10m:1m])",
    "rate(x[5m:1m] offset 1m)",
    "x offset -1m",
    "x @ end() + y @ start() - z @ 1700000000",
    'label_replace(x, "namespace", "bank", "a", "(.*)")',
    'label_join(x, "namespace", "", "a")',
    'count_values("namespace", x)',
    "absent(nothing) or vector(1)",
    "absent_over_time(x[5m])",
    "histogram_quantile(0.9, sum by (le) (rate(x[5m])))",
    "-x ^ -y",
    "x > bool y",
    "group(x) and ignoring (a) y",
    "limitk(1, x)",
    "sort_by_label(x, 'a')",
    "1 + 0x1F * Inf",
]


@pytest.mark.parametrize("query", QUERIES)
def test_prometheus_itself_sees_the_matcher_in_every_selector(servers: Cluster, query: str) -> None:
    before, after = (selectors_of(syntax_tree(servers.prometheus, text)) for text in (query, enforce(query, OWN)))
    assert len(before) == len(after)
    for matchers in after:
        assert {"name": "namespace", "type": "=", "value": "shop"} in matchers


LEAVES = st.sampled_from(["x", 'y{a="b"}', '{__name__=~"z|x"}', "1", "sum", "x offset 1m", "rate(y[5m])", "scalar(z)"])


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "or", "UNLESS", "and on(a)", "> bool", "^", "/ ignoring(a) group_left(a)"])
    spaces = st.sampled_from([" ", "\n", "\t# {or z}\n", " # '\n"])
    return st.one_of(
        inner.map(lambda e: f"sum by (a) ({e})"),
        inner.map(lambda e: f"topk(2, {e}) "),
        inner.map(lambda e: f"-({e})"),
        inner.map(lambda e: f"max_over_time(({e})[10m:1m] offset 1m)"),
        inner.map(lambda e: f"label_replace({e}, 'namespace', 'bank', 'a', '(.*)')"),
        st.tuples(inner, spaces, operators, spaces, inner).map("".join),
    )


@given(st.recursive(LEAVES, nested, max_leaves=6))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_nesting_hides_a_selector_from_the_matcher(servers: Cluster, query: str) -> None:
    try:
        confined = enforce(query, OWN)
    except InvalidQuery:
        return  # a scalar where a vector is wanted, as Prometheus would say too
    for matchers in selectors_of(syntax_tree(servers.prometheus, confined)):
        assert {"name": "namespace", "type": "=", "value": "shop"} in matchers


async def sources_of(url: str) -> Sources:
    async def secret(name: str) -> dict[str, str]:
        raise AssertionError(name)

    sources = Sources(threads=2, max_cells=10**6, read_secret=secret, namespace_labels=lambda _: {})
    spec: dict[str, Any] = {
        "url": url,
        "tenancy": {"enforcedMatchers": [{"label": "namespace", "value": "$(namespace)"}]},
    }
    sources.update(
        MetricsSource(
            metadata=ObjectMeta(name="default", namespace="", uid="u", generation=1),
            spec=MetricsSourceSpec.model_validate(spec),
            status=MetricsSourceStatus(),
        )
    )
    return sources


async def test_each_namespace_reads_its_own_samples_on_both_servers(servers: Cluster) -> None:
    assert servers.prometheus_old is not None
    for server in (servers.prometheus, servers.prometheus_old):
        sources = await sources_of(server.url)
        try:
            for namespace, value in (("shop", 1.0), ("bank", 42.0), ("empty", None)):
                bound = sources.bind("default", namespace)
                for query in ("x", "max by (a) (x or y)", 'label_replace(x, "place", "bank", "", "")'):
                    frame = await bound.range(query, START, START + 5 * STEP, STEP)
                    assert set(frame.values.ravel().tolist()) == ({value} if value is not None else set())
            with pytest.raises(NotAllowed, match="bank"):
                await sources.bind("default", "shop").range('x{namespace="bank"}', START, START + STEP, STEP)
            with pytest.raises(InvalidQuery, match="does not parse"):
                await sources.bind("default", "shop").range("sum(x", START, START + STEP, STEP)
        finally:
            sources.close()


FORGING = [
    'label_replace(x, "namespace", "bank", "", "")',
    'label_replace(x, "namespace", "$1", "a", "(.*)")',
    'label_join(x, "namespace", "-", "a", "a")',
    'count_values("namespace", x)',
    'max_over_time(label_replace(x, "namespace", "bank", "", "")[5m:1m])',
]


@pytest.mark.parametrize("query", FORGING)
async def test_no_function_makes_samples_speak_for_another_namespace(servers: Cluster, query: str) -> None:
    sources = await sources_of(servers.prometheus.url)
    try:
        with pytest.raises(NotAllowed, match='may only speak of namespace="shop"'):
            await sources.bind("default", "shop").range(query, START, START + 5 * STEP, STEP)
    finally:
        sources.close()
