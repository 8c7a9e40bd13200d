"""Thresholds of the hours of a week: the value, its text, and the rule that follows the hour by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOW
from opssight_operator.core.hour_rule import hour_rule, offset_changes, table_expression, table_of
from opssight_operator.core.hours import HourTable, calmed, hour_name
from opssight_operator.core.promql import check

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]
LABELS = {"namespace": "shop", "policy": "p"}
YEAR = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
tables = st.lists(st.sampled_from([0.1, 0.25, 3.0, -1.5, 1e-7, 2e9]), min_size=168, max_size=168).map(
    lambda values: HourTable(tuple(values), "UTC")
)


def local_hour(seconds: float, zone: str) -> int:
    local = datetime.fromtimestamp(seconds, ZoneInfo(zone))
    return local.weekday() * 24 + local.hour


@given(st.integers(0, 3 * 365 * 86400 - 1), st.sampled_from(ZONES))
def test_the_offsets_give_the_local_hour_of_the_week_for_three_years(after: int, zone: str) -> None:
    moment = YEAR + after
    first, changes = offset_changes(zone, YEAR + 200 * 86400)
    local = moment + first + sum(step for instant, step in changes if moment >= instant)
    day = (local // 86400 + 4) % 7  # 0 is Sunday, as in PromQL
    assert (day + 6) % 7 * 24 + local % 86400 // 3600 == local_hour(moment, zone)


def test_the_rule_of_the_hour_has_the_same_text_for_a_whole_year() -> None:
    texts = {str(hour_rule("Europe/Berlin", YEAR + day * 86400.0, LABELS)) for day in range(365)}
    assert len(texts) == 1
    check(hour_rule("Europe/Berlin", YEAR, LABELS)["expr"])


@given(tables)
def test_a_table_survives_its_text_and_its_rule(table: HourTable) -> None:
    assert HourTable.parse(table.text, "UTC") == table
    expression = table_expression(table, LABELS)
    assert table_of(expression, "UTC") == table
    assert table_of(expression.replace("on ()", "on()").replace(" or ", " or\n  "), "UTC") == table


@pytest.mark.parametrize("text", ["vector(1)", "up", "", 'vector(1) and on () (opssight:hour_of_week{a="b"} >= 0 < 8)'])
def test_another_expression_is_no_table(text: str) -> None:
    assert table_of(text, "UTC") is None


@pytest.mark.parametrize("text", ["", "1:5", "0:1 0:2", "0:1 168:2", "0:1 9:2 8:3", "x"])
def test_another_text_is_no_table(text: str) -> None:
    with pytest.raises(ValueError, match=r"hour 0|invalid literal|could not convert"):
        HourTable.parse(text, "UTC")


def test_a_table_is_read_in_its_own_time_zone() -> None:
    table = HourTable(tuple(float(h) for h in range(168)), "Asia/Kolkata")
    assert table.now(NOW) == local_hour(NOW, "Asia/Kolkata") == 2 * 24 + 3  # Wednesday 03:44
    assert hour_name(51) == "Wed 03:00"
    times = NOW + 3600.0 * np.arange(400)
    assert table.at(times).tolist() == [local_hour(t, "Asia/Kolkata") for t in times]


@given(
    st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.05, 0.5]),
    st.sampled_from([1.0, -1.0]),
)
def test_calmed_values_lie_outside_and_no_further_than_the_band(values: list[float], band: float, sign: float) -> None:
    result = calmed(values, band, sign)
    assert len(result) == len(values)
    for before, after in zip(values, result, strict=True):
        assert sign * after >= sign * before
        assert abs(after - before) <= band * max(map(abs, values)) + 1e-12


def test_neighbours_within_the_band_share_the_outermost() -> None:
    assert calmed([100, 103, 101, 120, 121, 100], 0.05, 1.0) == (103, 103, 103, 121, 121, 100)
    assert calmed([100, 103, 101, 120, 121, 100], 0.05, -1.0) == (100, 100, 100, 120, 120, 100)
