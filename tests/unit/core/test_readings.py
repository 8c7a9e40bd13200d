"""Two texts of PromQL mean the same, or they do not."""

from __future__ import annotations

import pytest

from opssight_operator.core.readings import reading_of, same

SAME = {
    "layout and comments": ("errors >  5 # many", "errors > 5"),
    "brackets": ("((errors)) > (5)", "errors > 5"),
    "spellings of a number": ("errors > 1e-1 or x > 0x10", "errors > 0.1 or x > 16"),
    "a duration as seconds": ("time() - x > 5m", "time() - x > 300"),
    "spellings of a string": ('x{a="b"} > 1', "x{a='b'} > 1"),
    "the order of matchers": ('x{a="1",b="2"} > 1', 'x{b="2",a="1"} > 1'),
    "the name as a matcher": ('{__name__="x"} > 1', "x > 1"),
    "where the grouping stands": ("sum(x) by (a, b) > 1", "sum by (b, a) (x) > 1"),
    "a grouping by nothing": ("sum by () (x) > 1", "sum(x) > 1"),
    "ignoring nothing": ("a / ignoring () b > 1", "a / b > 1"),
    "a vector": ("vector(0.5)", "vector( 5e-1 )\n"),
    "what only Prometheus reads": ("x  >>  1", "x >> 1"),
}
DIFFERENT = {
    "the metric": ("errors > 5", "failures > 5"),
    "the operator": ("errors > 5", "errors >= 5"),
    "the number": ("errors > 5", "errors > 6"),
    "the side of the number": ("errors > 5", "5 > errors"),
    "a term more": ("errors > 5", "errors > 5 and on () up"),
    "another term": ("errors > 5 and up", "errors > 5 unless up"),
    "a matcher": ('errors{a="1"} > 5', 'errors{a="2"} > 5'),
    "the kind of a matcher": ('errors{a="1"} > 5', 'errors{a=~"1"} > 5'),
    "a matcher that nobody adds": ("errors > 5", 'errors{a="1"} > 5'),
    "a window": ("rate(x[5m]) > 5", "rate(x[1m]) > 5"),
    "an offset": ("x offset 5m > 5", "x > 5"),
    "a moment": ("x @ 100 > 5", "x @ 200 > 5"),
    "the step of a subquery": ("max_over_time(x[5m:1m]) > 5", "max_over_time(x[5m:]) > 5"),
    "a function": ("rate(x[5m]) > 5", "irate(x[5m]) > 5"),
    "an aggregation": ("sum(x) > 5", "max(x) > 5"),
    "a grouping": ("sum by (a) (x) > 5", "sum without (a) (x) > 5"),
    "how the sides meet": ("a > on (x) group_left () b", "a > on (x) b"),
    "what comes along": ("a > on (x) group_left (y) b", "a > on (x) group_left () b"),
    "bool": ("a > bool 5", "a > 5"),
    "a string": ('label_replace(x, "a", "1", "", "") > 5', 'label_replace(x, "a", "2", "", "") > 5'),
    "what binds first": ("a - b - c > 5", "a - (b - c) > 5"),
    "what belongs to whom": ("max(a, b) > 5 or c", "max(a) > 5 or c"),
    "what only Prometheus reads": ("x >> 1", "x >> 2"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_it_means_the_same_in_spite_of(one: str, other: str) -> None:
    assert same(reading_of(one), reading_of(other), {})


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_it_means_something_else_by(one: str, other: str) -> None:
    assert not same(reading_of(one), reading_of(other), {})
    assert not same(reading_of(other), reading_of(one), {})


ENFORCED = {"namespace": "shop", "team": "a"}
ADDED = {
    "to each selector": ('errors{a="1",namespace="shop"} / all{namespace="shop"} > 5', True),
    "nothing": ('errors{a="1"} / all > 5', True),
    "to one selector alone": ('errors{a="1",namespace="shop"} / all > 5', False),
    "another value than that of the label": ('errors{a="1",namespace="blog"} / all{namespace="blog"} > 5', False),
    "not by equality": ('errors{a="1",namespace=~"shop"} / all{namespace=~"shop"} > 5', False),
    "a matcher that no label explains": ('errors{a="1",b="2"} / all{b="2"} > 5', False),
    "in place of another": ('errors{namespace="shop"} / all{namespace="shop"} > 5', False),
}


@pytest.mark.parametrize(("listed", "accepted"), ADDED.values(), ids=ADDED)
def test_a_matcher_was_added(listed: str, accepted: bool) -> None:
    assert same(reading_of('errors{a="1"} / all > 5'), reading_of(listed), ENFORCED) is accepted


def test_a_matcher_that_was_there_before_is_added_once() -> None:
    wanted = reading_of('errors{namespace="shop"} / all > 5')
    assert same(wanted, reading_of('errors{namespace="shop"} / all{namespace="shop"} > 5'), ENFORCED)
