"""Numbers out of text, thousands at a time, as ``float`` reads each."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opssight_operator.adapters.prometheus.decimals import NORMAL_NAN, REACH, decimals


def read(texts: list[str]) -> np.ndarray:
    front = b"0" * REACH
    joined = front + b'"'.join(text.encode() for text in texts) + b'"' + front
    lengths = np.array([len(text.encode()) for text in texts])
    ends = len(front) + np.cumsum(lengths + 1) - 1
    return decimals(np.frombuffer(joined, dtype=np.uint8), ends - lengths, ends)


def bits(value: float) -> int:
    return int(np.float64(value).view(np.uint64))


def go_text(value: float) -> str:
    """As Prometheus writes a float: shortest, without an exponent where that is not too long."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value)
    text = np.format_float_positional(value, unique=True, trim="-")
    return "-0" if text == "-0." else text


def as_float(text: str) -> int:
    value = float(text)
    return bits(NORMAL_NAN) if value != value else bits(value)


floats = st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n))[0])
ordinary = st.floats(-1e15, 1e15) | st.floats(0, 1) | st.integers(-(10**18), 10**18).map(float)
digits = st.text("0123456789", min_size=1, max_size=23)
decimal_texts = st.builds(
    lambda sign, whole, point, rest: sign + whole + (point + rest if point else ""),
    st.sampled_from(["", "-"]),
    digits,
    st.sampled_from(["", "."]),
    digits,
)


@given(st.lists((ordinary | floats).map(go_text) | decimal_texts, min_size=1, max_size=50))
@example(["9007199254740993", "9007199254740992.5", "4503599627370497.5", "18446744073709551615", "0.1"])
@example(["0.0000012345678901234567", "-0", "-0.5", "+Inf", "-Inf", "NaN", "5e-324", "1.7976931348623157e+308"])
@example(
    ["123456789012345678901234567890", "12345678", "123456789", "1234567.8", "5.", ".5", ".00000000000000000000123"]
)
@example(["99999999999999999999", "9999999999999999999.9", "0.30000000000000004", "1"])
def test_every_number_is_read_to_the_last_bit(texts: list[str]) -> None:
    assert [bits(value) for value in read(texts)] == [as_float(text) for text in texts]


def test_the_middle_between_two_floats_goes_to_the_even_one() -> None:
    """Ties of 17 digits, which a division in plain floats gets wrong in one of some hundred cases."""
    rng = np.random.default_rng(1)
    texts = []
    for mantissa in rng.integers(2**52, 2**53, size=3000):
        texts.append(f"{mantissa}.5")
        texts.append(f"{mantissa // 8}.{(mantissa % 8) * 125 + 62:03d}5")
    assert [bits(value) for value in read(texts)] == [as_float(text) for text in texts]


BAD = [
    "",
    "-",
    ".",
    "+",
    "1.2.3",
    "1..2",
    "--1",
    "1-2",
    "abc",
    "1_000",
    " 1",
    "1 ",
    "0x10",
    "inf",
    "nan",
    "Infinity",
    "1e",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        read(["1", text, "2.5"])


def test_nothing_is_nothing() -> None:
    assert read([]).size == 0
