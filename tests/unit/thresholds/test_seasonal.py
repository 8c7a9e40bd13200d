"""A threshold for each hour of the week, in the user's own time zone."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.thresholds import AlertBudget, Bound, Percentile, Seasonal
from opssight_detectors.thresholds.calendar import hours_of_week

MONDAY = 1_704_067_200.0  # 2024-01-01 00:00 UTC
HOUR = 3600.0
WEEK_ROWS = 7 * 24 * 12


def five_minutes(weeks):
    return MONDAY + 300.0 * np.arange(weeks * WEEK_ROWS)


def office(times, zone="UTC"):
    """100 in working hours, 10 otherwise, with a little noise."""
    hour = hours_of_week(times, ZoneInfo(zone))
    busy = (hour // 24 < 5) & (hour % 24 >= 9) & (hour % 24 < 17)
    return np.where(busy, 100.0, 10.0) + np.random.default_rng(1).random(len(times))


@given(
    times=st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=20),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
@settings(max_examples=100, deadline=None)
def test_hours_of_the_week_are_those_of_the_calendar(times, zone):
    found = hours_of_week(np.array(times, dtype=float), ZoneInfo(zone))
    expected = [d.weekday() * 24 + d.hour for d in (datetime.fromtimestamp(t, ZoneInfo(zone)) for t in times)]
    assert found.tolist() == expected


def test_busy_and_quiet_hours_have_thresholds_of_their_own():
    times = five_minutes(4)
    table = Seasonal(Percentile(95), min_samples=40).table(times, office(times), Bound.UPPER)
    by_hour = np.array([estimate.value for estimate in table.hours])
    assert set(table.pooled) == {"hour"}
    assert by_hour[10] == pytest.approx(101, abs=0.2) and by_hour[3] == pytest.approx(11, abs=0.2)
    assert by_hour[5 * 24 + 10] == pytest.approx(11, abs=0.2)
    np.testing.assert_array_equal(table.at(times[:24]), by_hour[[0] * 12 + [1] * 12])


def test_a_short_history_borrows_from_the_same_hour_of_like_days():
    times = five_minutes(1)
    table = Seasonal(Percentile(95), min_samples=50).table(times, office(times), Bound.UPPER)
    assert set(table.pooled[: 5 * 24]) == {"day kind"} and set(table.pooled[5 * 24 :]) == {"all"}
    assert table.hours[10].value == pytest.approx(101, abs=0.2)
    assert table.hours[10].samples == 5 * 12


def test_a_very_short_history_gives_one_threshold_for_all():
    times = five_minutes(1)[:24]
    table = Seasonal(Percentile(95)).table(times, office(times), Bound.UPPER)
    assert set(table.pooled) == {"all"} and len({estimate.value for estimate in table.hours}) == 1


def test_the_hours_are_local_and_follow_daylight_saving():
    start = datetime(2024, 3, 4, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    times = start + 300.0 * np.arange(6 * WEEK_ROWS)  # the clocks change on 31 March
    table = Seasonal(Percentile(95), "Europe/Berlin", min_samples=40).table(
        times, office(times, "Europe/Berlin"), Bound.UPPER
    )
    assert table.hours[9].value > 100 and table.hours[8].value < 12
    winter = datetime(2024, 3, 11, tzinfo=ZoneInfo("UTC")).timestamp()
    summer = datetime(2024, 4, 8, tzinfo=ZoneInfo("UTC")).timestamp()
    assert table.in_utc(winter)[8] > 100 > table.in_utc(winter)[7]  # 09:00 in Berlin is 08:00 UTC in winter
    assert table.in_utc(summer)[7] > 100 > table.in_utc(summer)[6]


def test_the_table_for_utc_starts_on_monday_whenever_it_is_asked():
    times = five_minutes(4)
    table = Seasonal(Percentile(95), min_samples=40).table(times, office(times), Bound.UPPER)
    for day in range(7):
        np.testing.assert_array_equal(table.in_utc(MONDAY + day * 24 * HOUR + 17.0), [e.value for e in table.hours])


def test_missing_samples_and_lower_bounds_are_as_everywhere():
    times = five_minutes(4)
    values = -office(times)
    values[::7] = math.nan
    low = Seasonal(Percentile(95), min_samples=30).table(times, values, Bound.LOWER)
    high = Seasonal(Percentile(95), min_samples=30).table(times, -values, Bound.UPPER)
    assert [e.value for e in low.hours] == [-e.value for e in high.hours]
    assert all(0.7 < estimate.coverage < 1.0 for estimate in low.hours)


def test_no_samples_are_168_unknown_thresholds():
    table = Seasonal(Percentile(95)).table(np.array([MONDAY]), np.array([math.nan]), Bound.UPPER)
    assert len(table.hours) == 168 and not any(estimate.known for estimate in table.hours)


def test_an_estimator_that_counts_episodes_sees_time_go_on_between_the_hours():
    times = five_minutes(4)
    values = office(times)
    values[hours_of_week(times, ZoneInfo("UTC")) == 10] = 50.0  # three consecutive rows never span two Mondays
    table = Seasonal(AlertBudget(100.0, for_seconds=7200.0), min_samples=30).table(times, values, Bound.UPPER)
    assert not table.hours[10].known


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"time_zone": "Nowhere/Town"}, "IANA name"),
        ({"min_samples": 0}, "min_samples must be 1 or more"),
        ({"min_weeks": 0}, "min_weeks must be 1 or more"),
    ],
)
def test_impossible_parameters_are_refused_with_a_sentence(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        Seasonal(Percentile(), **parameters)
