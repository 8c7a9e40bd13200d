from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.core.numbers import (
    decimal_text,
    exact_text,
    number_or_none,
    number_text,
    readable,
    readable_towards,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
ordinary = st.floats(min_value=-1e12, max_value=1e12, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-12)

TEXTS = {
    "a whole number has no point": (42.0, "42"),
    "a fraction is the shortest that reads back": (0.1, "0.1"),
    "a small number has no exponent": (1e-7, "0.0000001"),
    "a large number has no exponent": (1e21, "1000000000000000000000"),
    "minus zero is zero": (-0.0, "0"),
    "a negative number keeps its sign": (-2.50, "-2.5"),
}


@pytest.mark.parametrize(("value", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_a_number_in_a_rule_is_plain(value: float, text: str) -> None:
    assert decimal_text(value) == text


@given(finite)
@settings(deadline=None)
def test_a_number_in_a_rule_reads_back_as_it_was(value: float) -> None:
    text = decimal_text(value)
    assert float(text) == value
    assert "e" not in text.lower()
    assert float(exact_text(value)) == value
    assert len(exact_text(value)) <= 32


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_written(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        decimal_text(value)
    assert number_or_none(value) is None
    assert number_text(value) == "unknown"


@given(finite)
@settings(deadline=None)
def test_a_number_in_status_always_fits_and_is_close(value: float) -> None:
    text = number_or_none(value)
    assert text is not None
    assert len(text) <= 32
    assert float(text) == pytest.approx(value, rel=1e-5)


def test_a_number_in_status_has_six_digits() -> None:
    assert number_or_none(12.345678) == "12.3457"
    assert readable(0.1 + 0.2) == 0.3


@given(value=ordinary, anchor=ordinary)
@settings(deadline=None)
def test_rounding_towards_the_current_threshold_never_makes_a_longer_step(value: float, anchor: float) -> None:
    rounded = readable_towards(value, anchor)
    assert abs(rounded - anchor) <= abs(value - anchor) * (1 + 1e-9)
    assert (rounded - anchor) * (value - anchor) >= 0


def test_rounding_drops_the_noise_of_floats_and_not_a_digit_more() -> None:
    assert readable_towards(0.07 * 1.25, 0.07) == 0.0875
