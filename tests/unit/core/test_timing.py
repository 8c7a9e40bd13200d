from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.core.timing import LONGEST_ASKED, on_grid, pause_asked, rfc3339, seconds_of, whole_second


def test_a_time_is_rfc_3339_in_utc() -> None:
    assert rfc3339(1_700_000_040) == "2023-11-14T22:14:00Z"
    assert rfc3339(1_700_000_040.5) == "2023-11-14T22:14:00.500Z"
    assert whole_second(1_700_000_040.999) == "2023-11-14T22:14:00Z"


@given(st.integers(0, 4_000_000_000_000))
@settings(deadline=None)
def test_a_time_reads_back_to_the_millisecond(millis: int) -> None:
    assert round(seconds_of(rfc3339(millis / 1000)) * 1000) == millis


@pytest.mark.parametrize(
    ("seconds", "step", "expected"), [(119.999, 60.0, 60.0), (120.0, 60.0, 120.0), (7.3, 2.5, 5.0), (0.3, 0.1, 0.3)]
)
def test_now_is_cut_to_the_newest_step(seconds: float, step: float, expected: float) -> None:
    assert on_grid(seconds, step) == pytest.approx(expected)


PAUSES = {
    "seconds": ("7", 7.0),
    "a date": ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
    "a date that is over": ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
    "a day": ("86400", LONGEST_ASKED),
    "less than nothing": ("-1", 0.0),
    "words": ("soon", 0.0),
    "nothing": ("", 0.0),
}


@pytest.mark.parametrize(("header", "seconds"), PAUSES.values(), ids=PAUSES)
def test_a_server_says_by_number_or_date_how_long_to_stay_away(header: str, seconds: float) -> None:
    assert pause_asked(header, 1_445_412_480.0) == seconds
