"""What can be said of an expression without asking anybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opssight_operator.core.promql import check, compact, looks_back_only, range_pinned
from opssight_operator.errors import InvalidQuery


def test_what_parses_passes() -> None:
    check("sum by (a) (rate(x{b=`\\d`}[5m])) > 1_000 # per second")


BAD = {
    "an open bracket": ("sum(x", "does not parse"),
    "an open string": ('x{a="b', "cannot be read from character 5"),
    "an unknown function": ("holt_winters(x[5m], 0.5, 0.5)", "holt_winters"),
    "arithmetic in a duration": ("rate(x[5m + 1m])", "does not parse"),
    "nothing": ("", "does not parse"),
    "no bound to its depth": ("abs(" * 26 + "x" + ")" * 26, "26 brackets inside each other; at most 25"),
    "no bound to its width": ("x" + " or x" * 61, "61 operators; at most 60"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_parse_is_refused_with_a_reason(case: str) -> None:
    expression, fragment = BAD[case]
    with pytest.raises(InvalidQuery) as caught:
        check(expression)
    assert fragment in str(caught.value)


def test_the_deepest_expression_that_is_read_is_read() -> None:
    check("abs(" * 25 + "x" + " + x" * 60 + ")" * 25)


COMPACT = {
    "comments and lines": ("x # a\n + # b\n\ty ", "x + y"),
    "strings with anything in them": ("x{a='#  b'}  + y", "x{a='#  b'} + y"),
    "a raw string with a line end": ("x{a=`b\n\nc`}", "x{a=`b\n\nc`}"),
    "no space is added": ("x[5m:1m]+y", "x[5m:1m]+y"),
}


@pytest.mark.parametrize("case", COMPACT)
def test_comments_and_layout_go_and_strings_stay(case: str) -> None:
    written, expected = COMPACT[case]
    assert compact(written) == expected


@given(st.lists(st.sampled_from(["x", "(", ")", "+", '"a b"', "5m", "#c\n", " ", "\n", "{", "}", "`#`"])).map("".join))
def test_compacting_twice_changes_nothing_more(expression: str) -> None:
    once = compact(expression)
    assert compact(once) == once


LOOKS_AHEAD = {
    "the at modifier": "x @ 1700000000",
    "the end of the range": "x @ end()",
    "a negative offset": "rate(x[5m] offset -5m)",
    "a negative offset after a comment": "x offset # back\n -1h",
    "smoothing": "rate(x[5m] smoothed)",
}


@pytest.mark.parametrize("case", LOOKS_AHEAD)
def test_an_expression_whose_past_can_change_is_known(case: str) -> None:
    assert not looks_back_only(LOOKS_AHEAD[case])


@pytest.mark.parametrize("expression", ["x", "x offset 5m", 'x{a="@"}', "rate(x[5m:1m]) # @ end()", "x - 5", "offset"])
def test_an_expression_whose_past_stays_is_known(expression: str) -> None:
    assert looks_back_only(expression)


PINNED = {
    "both ends": ("x @ start() - x @ end()", "x @ 10.000 - x @ 20.500"),
    "with spaces and capitals": ("x @ END ( )", "x @ 20.500"),
    "a metric of that name": ("start @ start()", "start @ 10.000"),
    "neither": ("x @ 5 + start", "x @ 5 + start"),
    "in a subquery": ("rate(x[5m:1m] @ end())", "rate(x[5m:1m] @ 20.500)"),
}


@pytest.mark.parametrize("case", PINNED)
def test_the_ends_of_the_range_become_moments(case: str) -> None:
    written, expected = PINNED[case]
    assert range_pinned(written, 10, 20.5) == expected


def test_whether_an_expression_looks_back_is_worked_out_once() -> None:
    before = looks_back_only.cache_info().misses
    assert [looks_back_only("sum(rate(asked_again[5m]))") for _ in range(3)] == [True] * 3
    assert looks_back_only.cache_info().misses == before + 1
