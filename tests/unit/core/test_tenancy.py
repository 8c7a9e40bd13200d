"""A tenant's query never leaves its namespace."""

from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opssight_operator.core.literals import parse
from opssight_operator.core.promql import selectors
from opssight_operator.core.tenancy import enforce, refuse_forged
from opssight_operator.errors import InvalidQuery, NotAllowed

OWN = {"namespace": "shop"}

CONFINED = {
    "a bare name": ("up", 'up{namespace="shop"}'),
    "empty braces": ("up{}", 'up{namespace="shop"}'),
    "a range and an offset": ('rate(x{a="b"}[5m] offset 1h)', 'rate(x{namespace="shop",a="b"}[5m] offset 1h)'),
    "no name at all": ('{__name__=~".+"}', '{namespace="shop",__name__=~".+"}'),
    "a quoted name": ('{"http.server"}', '{namespace="shop","http.server"}'),
    "its own namespace, asked for": ('x{namespace="shop"}', 'x{namespace="shop",namespace="shop"}'),
    "set operators, and a brace inside a string": (
        'x or y{a="}"} unless z',
        'x{namespace="shop"} or y{namespace="shop",a="}"} unless z{namespace="shop"}',
    ),
    "a subquery": ("max_over_time(rate(x[5m])[1h:1m])", 'max_over_time(rate(x{namespace="shop"}[5m])[1h:1m])'),
    "no selector": ("vector(1)", "vector(1)"),
    "a comment that opens a brace": ('x{a="b"} # {evil', 'x{namespace="shop",a="b"}'),
    "a comment inside the braces": ('x{ # }\na="b"}', 'x{namespace="shop", a="b"}'),
    "a hash inside a string": ('x{a="# b"}', 'x{namespace="shop",a="# b"}'),
    "a single-quoted string with the other quote": ("x{a='\"}'}", 'x{namespace="shop",a=\'"}\'}'),
    "an escaped quote": ('x{a="\\"} or y"}', 'x{namespace="shop",a="\\"} or y"}'),
    "a comma at the end": ('x{a="b",}', 'x{namespace="shop",a="b",}'),
    "capital keywords": ("SUM BY (a) (x) OR y", 'SUM BY (a) (x{namespace="shop"}) OR y{namespace="shop"}'),
    "functions that are not called": ("rate + sum", 'rate{namespace="shop"} + sum{namespace="shop"}'),
    "a parameter that selects": ("topk(scalar(n), x)", 'topk(scalar(n{namespace="shop"}), x{namespace="shop"})'),
    "labels named like keywords": ('x{by="a",on="b"}', 'x{namespace="shop",by="a",on="b"}'),
    "a quoted label with a dot": ('{"a.b","c.d"="e"}', '{namespace="shop","a.b","c.d"="e"}'),
    "no space at all": ("x+y/z", 'x{namespace="shop"}+y{namespace="shop"}/z{namespace="shop"}'),
    "numbers of every kind": (
        "x > 0x1F + 1_000 + Inf + 5m",
        'x{namespace="shop"} > 0x1F + 1_000 + Inf + 5m',
    ),
    "a raw string": ("x{a=`\\d`}", 'x{namespace="shop",a=`\\d`}'),
    "grouping before and after": (
        "sum by (a) (x) + avg(y) without (b)",
        'sum by (a) (x{namespace="shop"}) + avg(y{namespace="shop"}) without (b)',
    ),
    "an aggregation's name as a metric": ("sum", 'sum{namespace="shop"}'),
    "matching and group_left": (
        "x / on (a) group_left (b) y",
        'x{namespace="shop"} / on (a) group_left (b) y{namespace="shop"}',
    ),
    "the at modifier": ("x @ start()", 'x{namespace="shop"} @ start()'),
    "a relabelled result": (
        'label_replace(x, "namespace", "other", "a", "b")',
        'label_replace(x{namespace="shop"}, "namespace", "other", "a", "b")',
    ),
    "a negative offset": ("-x offset -5m", '-x{namespace="shop"} offset -5m'),
    "an absence": ("absent(x)", 'absent(x{namespace="shop"})'),
}


@pytest.mark.parametrize("case", CONFINED)
def test_every_selector_is_confined(case: str) -> None:
    query, confined = CONFINED[case]
    assert enforce(query, OWN) == confined


REFUSED = {
    "another namespace": ('x{namespace="other"}', NotAllowed, 'namespace = "other"'),
    "a quoted label": ('x{"namespace"="other"}', NotAllowed, 'namespace = "other"'),
    "any namespace by a regular expression": ('x{namespace=~".*"}', NotAllowed, 'namespace =~ ".*"'),
    "not its own": ('x{namespace!="shop"}', NotAllowed, 'namespace != "shop"'),
    "hidden behind an or": ('x or y{namespace="other"}', NotAllowed, "may only read"),
    "hidden in a subquery": ('max_over_time(x{namespace="other"}[1h:5m])', NotAllowed, "may only read"),
    "or between matchers": ('x{a="b" or namespace="other"}', InvalidQuery, "'or' between its matchers"),
    "no PromQL": ("up{", InvalidQuery, "does not parse"),
    "a keyword as a name": ("by", NotAllowed, "cannot be confined"),
    "a second query": ("up; drop", InvalidQuery, ""),
    "a line end that ends comments for some": ("x # \r or secret", NotAllowed, "cannot be confined"),
    "the same inside braces": ('x{ # \r}\na="b"}', InvalidQuery, "does not parse"),
    "a space that is none for Prometheus": ("x\u00a0or y", InvalidQuery, ""),
    "a function that reads on its own": ("info(x)", NotAllowed, "info()"),
    "the same with labels": ('info(x, {a="b"})', NotAllowed, "info()"),
    "the same in capitals, which is no function": ("INFO(x)", InvalidQuery, ""),
    "a name that another reader might end early": ('x{a="b\\\n"}', InvalidQuery, ""),
    "an escape inside the label's value": ('x{namespace="s\\x68op "}', NotAllowed, "may only read"),
    "an open string": ('x{a="b}', InvalidQuery, "cannot be read"),
    "an empty name for itself": ("{}", InvalidQuery, "does not parse"),
    "its own namespace or none": ('x{namespace=~"shop|"}', NotAllowed, "may only read"),
    "no namespace at all": ('x{namespace=""}', NotAllowed, "may only read"),
    "depth that would end the process": ("(" * 2000 + "x" + ")" * 2000, InvalidQuery, "brackets inside each other"),
    "width that would end the process": ("x" + "+x" * 2000, InvalidQuery, "2000 operators"),
    "signs that would end the process": ("-" * 4000 + "x", InvalidQuery, "4000 operators"),
    "syntax of newer servers": ("rate(x[5m + 1m])", InvalidQuery, "does not parse"),
    "a function of older servers": ("holt_winters(x[5m], 0.5, 0.5)", InvalidQuery, "holt_winters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_reaches_outside_is_refused_and_named(case: str) -> None:
    query, error, fragment = REFUSED[case]
    with pytest.raises(error) as caught:
        enforce(query, OWN)
    assert fragment in str(caught.value)


def test_without_matchers_the_query_is_left_for_prometheus_to_judge() -> None:
    assert enforce("holt_winters(x[5m], 0.5, 0.5) # as it is", {}) == "holt_winters(x[5m], 0.5, 0.5) # as it is"


def test_several_matchers_all_reach_every_selector() -> None:
    confined = enforce("x or y", {"namespace": "shop", "cluster": "eu"})
    assert confined == 'x{namespace="shop",cluster="eu"} or y{namespace="shop",cluster="eu"}'


def test_the_value_is_quoted_so_that_it_cannot_break_out() -> None:
    confined = enforce("up", {"namespace": 'a"} or evil{b="'})
    (selector,) = selectors(parse(confined))
    assert [(m.name, m.value) for m in selector.matchers.matchers] == [("namespace", 'a"} or evil{b="')]


HONEST = {
    "its own namespace": {"namespace": "shop", "pod": "a"},
    "no namespace, as after a sum": {"pod": "a"},
    "a label that is not enforced": {"exported_namespace": "other"},
}
FORGED = {
    "another namespace": {"namespace": "other"},
    "no name at all": {"namespace": ""},
    "nearly its own": {"namespace": "shop "},
    "a long one": {"namespace": "x" * 10_000},
}


@pytest.mark.parametrize("labels", HONEST.values(), ids=HONEST)
def test_a_series_may_speak_of_its_own_namespace(labels: dict[str, str]) -> None:
    refuse_forged([labels], OWN)
    refuse_forged([{"namespace": "other"}], {})


@pytest.mark.parametrize("labels", FORGED.values(), ids=FORGED)
def test_a_series_that_was_given_another_namespace_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(NotAllowed, match="may only speak of namespace") as refused:
        refuse_forged([{"namespace": "shop"}, labels], OWN)
    assert len(str(refused.value)) < 300


LEAVES = st.sampled_from(["x", 'y{a="b"}', '{__name__="z"}', "w[5m:1m]", "1", "vector(1)", "x offset 5m"])


def _nest(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map(lambda e: f"sum by (a) ({e})"),
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"-({e})"),
        inner.map(lambda e: f"max_over_time(({e})[1h:5m])"),
        st.tuples(inner, st.sampled_from(["+", "or", "unless", "> bool", "/ on(a)"]), inner).map(" ".join),
    )


@given(st.recursive(LEAVES, _nest, max_leaves=6))
def test_no_nesting_loses_the_matcher(query: str) -> None:
    try:
        parse(query)
    except InvalidQuery:
        return
    for selector in selectors(parse(enforce(query, OWN))):
        assert any(
            m.name == "namespace" and m.value == "shop" and m.op == promql_parser.MatchOp.Equal
            for m in selector.matchers.matchers
        )
