"""Cron against croniter where no clock is changed, and by hand where one is."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.api.pattern_report import CRON_PATTERN, NEVER_PATTERN
from opssight_operator.api.validation import fits
from opssight_operator.core.cron import Cron

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone=UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def a_field(low: int, high: int):
    number = st.integers(low, high)
    span = st.tuples(number, number).filter(lambda pair: pair[0] < pair[1]).map("{0[0]}-{0[1]}".format)
    every = st.one_of(st.just("*"), st.integers(1, 30).map("*/{}".format))
    stepped = st.tuples(span, st.integers(1, 30)).map("{0[0]}/{0[1]}".format)
    return st.one_of(every, st.lists(st.one_of(number.map(str), span, stepped), min_size=1, max_size=3).map(",".join))


CRONS = st.tuples(a_field(0, 59), a_field(0, 23), a_field(1, 31), a_field(1, 12), a_field(0, 6)).map(" ".join)


@given(CRONS, st.integers(1_600_000_000, 1_900_000_000))
@settings(max_examples=50, deadline=None)
def test_in_utc_the_next_time_is_that_of_croniter(text, moment):
    assert fits(CRON_PATTERN, text)
    minute, hour, day, month, weekday = text.split()
    if "*/" in day + weekday:  # croniter takes it for a restriction; cron and Kubernetes do not
        text = f"{minute} {hour} * {month} *"
    try:
        expected = croniter(text, float(moment)).get_next(float)
    except Exception:
        with pytest.raises(ValueError, match="never comes"):
            Cron.parse(text)
        return
    cron = Cron.parse(text)
    assert cron.after(moment, UTC) == expected
    assert cron.latest(moment + 1, expected + 59, UTC) == expected if expected - moment > 1 else True


@given(CRONS, st.integers(1_600_000_000, 1_900_000_000), st.sampled_from(["Europe/Berlin", "America/Santiago"]))
@settings(max_examples=50, deadline=None)
def test_in_any_zone_the_latest_time_until_the_next_is_the_next(text, moment, zone):
    try:
        cron = Cron.parse(text)
    except ValueError:
        return
    following = cron.after(moment, ZoneInfo(zone))
    assert following > moment
    assert cron.latest(moment + 0.001, following, ZoneInfo(zone)) == following
    if following - moment < 40 * 86_400:
        assert cron.latest(moment + 0.001, following - 0.001, ZoneInfo(zone)) is None


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 6 * * *", "2026-03-28 07:00", ["2026-03-29 04:00", "2026-03-30 04:00"]),
        ("0 6 * * *", "2026-10-24 05:00", ["2026-10-25 05:00", "2026-10-26 05:00"]),
        ("30 2 * * *", "2026-03-28 05:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),  # left out: at the jump
        ("30 2 * * *", "2026-10-24 05:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),  # shown twice: once
        ("30 * * * *", "2026-03-29 00:00", ["2026-03-29 00:30", "2026-03-29 01:30"]),
        ("30 * * * *", "2026-10-25 00:00", ["2026-10-25 00:30", "2026-10-25 01:30"]),  # both of the two half past two
    ],
)
def test_in_berlin_the_clock_on_the_wall_counts(text, after, expected):
    cron, moment, seen = Cron.parse(text), at(after), []
    for _ in expected:
        moment = cron.after(moment, BERLIN)
        seen.append(utc(moment))
    assert seen == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 6 * *", "has 4 fields"),
        ("60 6 * * *", '"60" is no minute; it must be from 0 to 59'),
        ("0 6 0 * *", '"0" is no day of the month'),
        ("0 6 * foo *", '"foo" is no month'),
        ("0 6 * * mon-", '"" is no day of the week'),
        ("*/0 6 * * *", '"0" is no step of the minute'),
        ("0 6 30 2 *", "never comes"),
        ("0 6 31 */2 0-7", None),
        ("0 6 31 4,6,9,11 *", "never comes"),
        ("0 6 31 2-2,apr *", "never comes"),
        ("²3 6 * * *", "is no minute"),
    ],
)
def test_what_cannot_be_is_refused_by_the_field(text, says):
    if says is None:
        Cron.parse(text)
        return
    with pytest.raises(ValueError) as refusal:
        Cron.parse(text)
    assert says in str(refusal.value)


@given(st.sampled_from(["30", "31", "30,31", "30-31"]), st.lists(st.integers(1, 12), min_size=1, max_size=4))
@settings(deadline=None)
def test_the_rule_of_the_api_server_never_refuses_what_comes(days, months):
    text = f"0 6 {days} {','.join(map(str, months))} *"
    if fits(NEVER_PATTERN, text):
        with pytest.raises(ValueError, match="never comes"):
            Cron.parse(text)


def test_sunday_has_two_numbers():
    assert Cron.parse("0 0 * * 0-7").weekdays == frozenset(range(7))
    assert Cron.parse("0 0 * * 7").weekdays == Cron.parse("0 0 * * sun").weekdays == frozenset({0})
    assert Cron.parse("0 0 * * fri-mon").weekdays == frozenset({5, 6, 0, 1})


def test_a_date_on_a_day_of_the_week_is_found_however_many_years_away() -> None:
    utc = ZoneInfo("UTC")
    assert Cron.parse("0 0 7 10 */7").after(datetime(2020, 9, 13, tzinfo=utc).timestamp(), utc) == (
        datetime(2029, 10, 7, tzinfo=utc).timestamp()
    )
    assert Cron.parse("0 0 29 2 */7").after(datetime(2090, 1, 1, tzinfo=utc).timestamp(), utc) == (
        datetime(2128, 2, 29, tzinfo=utc).timestamp()
    )
