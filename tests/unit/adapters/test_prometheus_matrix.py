"""The answer to a range query, however it is cut into pieces, is the frame that a plain reading gives."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_operator.adapters.prometheus.frames import LABEL_BYTES, FrameBuilder
from opssight_operator.adapters.prometheus.grid import Grid
from opssight_operator.adapters.prometheus.matrix import read_matrix
from opssight_operator.core.observation import Frame
from opssight_operator.errors import PrometheusUnreachable, TooManySeries, TooMuchData

START = 1_700_000_040_000
MINUTE = 60_000
Sample = tuple[float, str]
Series = tuple[Mapping[str, str], Sequence[Sample]]


def at(row: int, grid: Grid) -> float:
    moment = (grid.start + row * grid.step) / 1000
    return int(moment) if moment == int(moment) else moment


def body(series: Sequence[Series], **more: object) -> bytes:
    """As Prometheus writes it."""
    result = [{"metric": dict(labels), "values": [list(sample) for sample in samples]} for labels, samples in series]
    return wrapped(result, **more)


def wrapped(result: object, **more: object) -> bytes:
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def read(text: bytes, grid: Grid, *, size: int = 1 << 19, max_series: int = 1000, max_cells: int = 10**9) -> Frame:
    builder = FrameBuilder(grid, max_series, max_cells)
    warnings = read_matrix(pieces(text, size), grid, builder)
    return builder.build(warnings)


def plainly(text: bytes, grid: Grid) -> dict[tuple[tuple[str, str], ...], list[float]]:
    """The slow, obvious reading: a list of floats a series, NaN where there is no sample."""
    columns = {}
    for series in json.loads(text)["data"]["result"]:
        column = [float("nan")] * grid.rows
        for seconds, value in series.get("values", []):
            column[round((seconds * 1000 - grid.start) / grid.step)] = float(value)
        columns[tuple(sorted(series["metric"].items()))] = column
    return columns


def assert_is(frame: Frame, text: bytes, grid: Grid) -> None:
    expected = plainly(text, grid)
    assert [tuple(sorted(labels.items())) for labels in frame.labels] == sorted(expected)
    assert frame.values.shape == (grid.rows, len(expected))
    assert frame.values.flags.c_contiguous
    for column, key in enumerate(sorted(expected)):
        np.testing.assert_array_equal(frame.values[:, column], np.array(expected[key]))


values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(["NaN", "+Inf", "-Inf", "0", "-0", "1e-07"]),
)
labels = st.dictionaries(
    st.sampled_from(["__name__", "job", "values", "metric", "a.b"]),
    st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(['},"values":[[', "]]}", '"', "\\", "#"]),
    max_size=3,
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Grid]:
    grid = Grid(
        draw(st.sampled_from([START, START + 500, 999_999_000, 1_799_999_940_000, 60_000])),
        draw(st.sampled_from([MINUTE, 15_000, 1_500])),
        draw(st.integers(1, 40)),
    )
    series: list[Series] = []
    for one in draw(st.lists(labels, max_size=8, unique_by=lambda found: tuple(sorted(found.items())))):
        complete = draw(st.booleans())
        rows = range(grid.rows) if complete else sorted(draw(st.sets(st.integers(0, grid.rows - 1), min_size=1)))
        series.append((one, [(at(row, grid), draw(values)) for row in rows]))
    return body(series), grid


@given(answers(), st.integers(1, 5000))
@settings(max_examples=150, deadline=None)
def test_any_answer_in_any_pieces_is_read_as_written(answer: tuple[bytes, Grid], size: int) -> None:
    text, grid = answer
    assert_is(read(text, grid, size=size), text, grid)


def shop(n_series: int, rows: int, seed: int = 1, *, gaps: bool = False) -> tuple[bytes, Grid]:
    """A large answer, of the shape that takes the fast way."""
    rng = np.random.default_rng(seed)
    grid = Grid(START, MINUTE, rows)
    numbers = rng.lognormal(0, 8, (n_series, rows)) * rng.choice([1, -1], (n_series, 1))
    present = rng.random((n_series, rows)) > 0.3 if gaps else np.ones((n_series, rows), bool)
    return body(
        [
            (
                {"__name__": "x", "pod": f"p{i:05}"},
                [(at(k, grid), repr(float(numbers[i, k]))) for k in range(rows) if present[i, k]],
            )
            for i in range(n_series)
            if present[i].any()
        ]
    ), grid


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("size", [1_000, 65_536, 1 << 24])
def test_a_large_answer_is_read_to_the_last_bit(gaps: bool, size: int) -> None:
    text, grid = shop(40, 300, gaps=gaps)
    assert_is(read(text, grid, size=size), text, grid)


def test_series_come_sorted_whatever_the_order_of_the_answer() -> None:
    grid = Grid(START, MINUTE, 2)
    text = body([({"a": name}, [(at(0, grid), "1"), (at(1, grid), name)]) for name in ("3", "1", "2")])
    frame = read(text, grid)
    assert [dict(series) for series in frame.labels] == [{"a": "1"}, {"a": "2"}, {"a": "3"}]
    assert frame.values[1].tolist() == [1, 2, 3]


def test_warnings_and_infos_are_kept_once_each() -> None:
    grid = Grid(START, MINUTE, 1)
    text = body([({}, [(at(0, grid), "1")])], warnings=["w", "w"], infos=["i"])
    assert read(text, grid).warnings == ("w", "i")


def test_a_partial_answer_of_victoriametrics_is_a_warning() -> None:
    assert read(body([], isPartial=True), Grid(START, MINUTE, 1)).warnings == ("the answer is partial",)


HISTOGRAM = [START / 1000, {"count": "3", "sum": "6", "buckets": [[0, "1", "2", "3"]]}]


def test_histograms_beside_floats_are_left_out_with_a_warning() -> None:
    grid = Grid(START, MINUTE, 2)
    text = wrapped(
        [
            {"metric": {"a": "1"}, "values": [[at(0, grid), "1"]]},
            {"metric": {"a": "2"}, "histograms": [HISTOGRAM]},
            {"metric": {"a": "3"}, "values": [[at(1, grid), "3"]], "histograms": [HISTOGRAM]},
        ]
    )
    for size in (10, 10_000):
        frame = read(text, grid, size=size)
        assert [dict(series) for series in frame.labels] == [{"a": "1"}, {"a": "3"}]
        np.testing.assert_array_equal(frame.values, [[1, np.nan], [np.nan, 3]])
        assert frame.warnings == (
            "2 series have native histograms, which are left out; turn them into numbers with histogram_quantile(), "
            "histogram_avg() or the like",
        )


def test_more_series_than_allowed_are_refused_before_the_answer_has_arrived() -> None:
    text, grid = shop(200, 30)

    def endless() -> Iterator[bytes]:
        yield text[: len(text) // 2]
        raise AssertionError("was read on")

    with pytest.raises(TooManySeries, match="more than 50 series"):
        read_matrix(endless(), grid, FrameBuilder(grid, 50, 10**9))


def test_more_points_than_allowed_are_refused() -> None:
    text, grid = shop(20, 30)
    with pytest.raises(TooMuchData, match=r"more than 299 points \(30 a series\)"):
        read(text, grid, max_cells=299)


def test_a_series_whose_labels_no_status_can_show_is_refused() -> None:
    grid = Grid(START, MINUTE, 2)
    for length, allowed in ((LABEL_BYTES - 1, True), (LABEL_BYTES, False)):
        text = body([({"a": "x" * length}, [(at(0, grid), "1")])])
        with nullcontext() if allowed else pytest.raises(TooMuchData, match="labels are longer than 6000 bytes"):
            assert read(text, grid).n_series == 1


STRANGE: dict[str, object] = {
    "a time before the window": {"metric": {}, "values": [[START / 1000 - 60, "1"]]},
    "a time behind the window": {"metric": {}, "values": [[START / 1000 + 120, "1"]]},
    "a time beside the grid": {"metric": {}, "values": [[START / 1000 + 1, "1"]]},
    "the same time twice": {"metric": {}, "values": [[START / 1000, "1"], [START / 1000, "1"]]},
    "falling times": {"metric": {}, "values": [[START / 1000 + 60, "1"], [START / 1000, "1"]]},
    "a number that is none": {"metric": {}, "values": [[START / 1000, "one"]]},
    "a number without quotes": {"metric": {}, "values": [[START / 1000, 1]]},
    "a time in quotes": {"metric": {}, "values": [[str(START / 1000), "1"]]},
    "three in a sample": {"metric": {}, "values": [[START / 1000, "1", "2"]]},
    "an object for the samples": {"metric": {}, "values": {"a": 1}},
    "a label that is a number": {"metric": {"a": 1}, "values": [[START / 1000, "1"]]},
    "no labels": {"values": [[START / 1000, "1"]]},
    "a series that is a list": [["a"]],
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_prometheus_would_not_write_is_refused(case: str) -> None:
    grid = Grid(START, MINUTE, 2)
    good = {"metric": {"good": "1"}, "values": [[at(0, grid), "1"], [at(1, grid), "2"]]}
    for size in (7, 10_000):
        with pytest.raises((PrometheusUnreachable, msgspec.MsgspecError, ValueError)):
            read(wrapped([good, STRANGE[case]]), grid, size=size)


def test_an_answer_with_a_wrong_character_is_refused_or_read_as_json_would_read_it() -> None:
    rng = np.random.default_rng(3)
    text, grid = shop(3, 60)
    refused = 0
    for position in rng.choice(np.arange(text.index(b"[["), len(text)), 400, replace=False):
        broken = bytearray(text)
        broken[position] = rng.choice(np.frombuffer(b'0127+-.,;:"[]{} eEx_\xff', dtype=np.uint8))
        try:
            frame = read(bytes(broken), grid)
        except (PrometheusUnreachable, msgspec.MsgspecError, ValueError):
            refused += 1
        else:
            assert_is(frame, bytes(broken), grid)
    assert 200 < refused < 390


@pytest.mark.parametrize("strange", [b"170000003:", b"169999999J", b"1700000040.0", b"17e8", b"9" * 19, b"1e400"])
def test_a_time_that_only_adds_up_is_refused(strange: bytes) -> None:
    text, grid = shop(3, 60)
    broken = text.replace(b"1700000040", strange, 1)
    try:
        json.loads(broken)
    except ValueError:
        with pytest.raises((msgspec.MsgspecError, ValueError)):
            read(broken, grid)
    else:
        with pytest.raises((PrometheusUnreachable, ValueError)) if float(strange) != 1700000040 else nullcontext():
            read(broken, grid)


def test_a_series_named_twice_is_refused() -> None:
    grid = Grid(START, MINUTE, 1)
    with pytest.raises(PrometheusUnreachable, match="names a series twice"):
        read(body([({"a": "1"}, [(at(0, grid), "1")])] * 2), grid)


BROKEN = {
    "half an answer": body([({"a": "1"}, [(START / 1000, "1")])])[:-6],
    "nothing": b"",
    "a page": b"<html>" * 20_000,
    "no result": b'{"status":"success"}',
    "a vector": b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}',
    "an error with status 200": b'{"status":"error","errorType":"internal","error":"x"}',
    "a comma too many": b'{"status":"success","data":{"resultType":"matrix","result":[,]}}',
    "something behind the end": body([]) + b"{}",
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_answer_is_refused(case: str) -> None:
    for size in (5, 100_000):
        with pytest.raises((PrometheusUnreachable, msgspec.MsgspecError)):
            read(BROKEN[case], Grid(START, MINUTE, 1), size=size)


def test_several_answers_make_one_frame() -> None:
    text, grid = shop(30, 90)
    builder = FrameBuilder(grid, 100, 10**6)
    whole = read(text, grid)
    for part in (grid.part(0, 40), grid.part(40, 49), grid.part(89, 1)):
        result = [
            {"metric": s["metric"], "values": [v for v in s["values"] if part.start <= v[0] * 1000 <= part.end]}
            for s in json.loads(text)["data"]["result"]
        ]
        read_matrix([wrapped(result)], part, builder)
    frame = builder.build()
    np.testing.assert_array_equal(frame.values, whole.values)
    assert frame.labels == whole.labels


def test_reading_takes_less_than_twice_the_memory_of_the_frame() -> None:
    text, grid = shop(100, 1500)
    read(text, grid)
    held = list(pieces(text, 65_536))
    tracemalloc.start()
    try:
        builder = FrameBuilder(grid, 500, 10**9)
        read_matrix(held, grid, builder)
        frame = builder.build()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * frame.values.nbytes + 1_000_000  # what is read at once does not grow with the answer
