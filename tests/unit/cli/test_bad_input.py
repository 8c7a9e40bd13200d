"""What is wrong is said in one sentence that names it; nothing hangs and nothing is half written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Opssight
from opssight_operator.api.kinds import kind_of
from opssight_operator.api.schema import root_schema
from opssight_operator.cli.admission import complaints

ROW = "timestamp,severity\n2026-03-01T10:00:00Z,low\n"
TABLES: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "an empty file": (b"", (), "empty"),
    "a header alone": (b"timestamp,severity\n", (), "at least one row"),
    "an unknown column": (ROW.encode(), ("--column", "severity=prio"), "prio"),
    "an unknown field": (ROW.encode(), ("--column", "colour=severity"), "colour"),
    "mixed time zones": (
        b"timestamp,severity\n2026-03-01T10:00:00Z,low\n2026-03-01 11:00:00,low\n",
        (),
        "row 1 has an offset, row 2 has none",
    ),
    "future times": (b"timestamp,severity\n2099-03-01T10:00:00Z,low\n", (), "seconds in the future"),
    "a time that is none": (b"timestamp,severity\nyesterday,low\n", (), "yesterday"),
    "binary junk": (bytes(range(256)) * 10, (), "binary"),
    "invalid UTF-8": (b"timestamp,severity\n2026-03-01T10:00:00Z,l\xff\xfew\n", (), "UTF-8"),
    "a row that is too long": (ROW.encode() + b"a,b,c,d\n", (), "line 3"),
    "broken JSON": (b'[{"timestamp": ', (), "not JSON"),
    "JSON that is nested too deeply": (b"[" * 100_000, (), "nested too deeply"),
    "an unknown zone": (ROW.encode(), ("--time-zone", "Berlin"), "Berlin"),
    "an unknown section": (ROW.encode(), ("--section", "weather"), "weather"),
    "a level of certainty": (ROW.encode(), ("--level", "1"), "level"),
    "a lookback of nothing": (ROW.encode(), ("--lookback", "0s"), "--lookback is 0s"),
    "an end that is none": (ROW.encode(), ("--end", "soon"), "--end"),
    "a report before that is none": (ROW.encode(), ("--previous", "-"), "no JSON of a report"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_table_of_incidents_is_refused_in_one_sentence(opssight: Opssight, tmp_path: Path, case: str) -> None:
    data, options, says = TABLES[case]
    file = tmp_path / "table.csv"
    file.write_bytes(data)
    answer = opssight("patterns", file, *options, stdin="{}")
    assert (answer.code, answer.out) == (2, ""), answer
    assert says in answer.err
    assert answer.err.startswith("opssight: ")
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err


HISTORY = "time,p99\n2026-03-01T10:00:00Z,1\n2026-03-01T10:01:00Z,2\n2026-03-01T10:02:00Z,3\n"
COMMANDS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "a query without a Prometheus": ("detect", ("--query", "up"), "--prometheus"),
    "a Prometheus without a query": ("detect", ("--prometheus", "http://localhost:9"), "--query"),
    "a Prometheus that is no address": ("detect", ("--prometheus", "localhost:9", "--query", "up"), "localhost:9"),
    "credentials in an address": ("detect", ("--prometheus", "http://a:b@c", "--query", "up"), "without credentials"),
    "a query that does not parse": ("detect", ("--prometheus", "http://localhost:9", "--query", "sum("), "--query"),
    "a Prometheus that does not answer": (
        "thresholds",
        ("--prometheus", "http://127.0.0.1:9", "--query", "up", "--last", "1h"),
        "--query",
    ),
    "years of seconds": (
        "detect",
        ("--prometheus", "http://localhost:9", "--query", "up", "--last", "500w", "--step", "1s"),
        "at most 5,000,000",
    ),
    "two sources at once": ("detect", ("--csv", "a", "--json", "b"), "--csv and --json"),
    "an unknown column of times": ("detect", ("--csv", "HISTORY", "--time-column", "when"), "'when'"),
    "an unknown column of numbers": (
        "detect",
        ("--csv", "HISTORY", "--time-column", "time", "--column", "p50"),
        "'p50'",
    ),
    "an unknown estimator": ("thresholds", ("1", "2", "--estimator", "Guess"), "Guess"),
    "a parameter of another estimator": (
        "thresholds",
        ("1", "2", "--estimator", "AlertBudget", "--margin", "1"),
        "--margin",
    ),
    "a parameter that is no number": (
        "thresholds",
        ("1", "2", "--estimator", "ExceedanceRate", "--set", "rate=often"),
        "often",
    ),
    "a percentile of 101": ("thresholds", ("1", "2", "--percentile", "101"), "101"),
    "a method and a threshold": ("backtest", ("1", "2", "3", "--method", "ZScore", "--threshold", "1"), "--threshold"),
    "a training longer than the history": ("backtest", ("--csv", "HISTORY", "--training", "1d"), "--training"),
    "a refit of nothing": ("backtest", ("--csv", "HISTORY", "--refit", "0s"), "--refit"),
    "a history of one sample": ("backtest", ("1",), "at least 2 samples"),
    "a manifest that is none": ("backtest", ("-f", "HISTORY", "1", "2"), "neither an AnomalyDetector"),
    "incidents without a start": ("backtest", ("1", "2", "3", "--incidents", "HISTORY"), "no column start"),
    "an index beyond the end": ("explain", ("1", "2", "3", "--at", "3"), "from 0 to 2"),
    "a time where there are none": ("explain", ("1", "2", "3", "--at", "noon"), "have no times"),
    "too few values to judge": ("explain", ("1",), "too few"),
    "Parquet that is none": ("detect", ("--parquet", "HISTORY"), "is not Parquet"),
    "Parquet that is not there": (
        "detect",
        ("--parquet", "nowhere.parquet"),
        "nowhere.parquet cannot be read: there is",
    ),
    "a file that is not there": ("patterns", ("nowhere.csv",), "nowhere.csv"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_bad_command_is_refused_in_one_sentence(opssight: Opssight, tmp_path: Path, case: str) -> None:
    command, options, says = COMMANDS[case]
    history = tmp_path / "history.csv"
    history.write_text(HISTORY)
    answer = opssight(command, *(str(history) if option == "HISTORY" else option for option in options))
    assert (answer.code, answer.out) == (2, ""), answer
    assert says in answer.err
    assert answer.err.startswith("opssight: ")
    assert answer.err.count("\n") == 1


def test_a_million_rows_are_read_and_one_more_is_refused(opssight: Opssight, tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    line = "2026-03-01T10:00:00Z,low\n"
    file.write_text("timestamp,severity\n" + line * 1_000_001)
    answer = opssight("patterns", file, "--end", "2026-03-01T12:00:00Z")
    assert answer.code == 2
    assert "1,000,000" in answer.err
    file.write_text("timestamp,severity\n" + line * 200_000)
    told = opssight("patterns", file, "--end", "2026-03-01T12:00:00Z", "--section", "ResourceTypes", "-o", "json")
    assert json.loads(told.out)["summary"]["incidents"] == 200_000


def test_a_file_that_is_too_large_is_refused_before_it_is_read(opssight: Opssight, tmp_path: Path) -> None:
    file = tmp_path / "huge.csv"
    with file.open("wb") as out:
        out.truncate(2**30)  # a hole, not a gigabyte
    for command in (("patterns", file), ("detect", "--csv", file)):
        answer = opssight(*command)
        assert answer.code == 2
        assert "1,073,741,824 bytes" in answer.err


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    script = f"{sys.executable} -m opssight_operator.cli methods | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Word(str):
    """A text that is compared by a call, which a profile counts."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)


def validated(entries: int) -> tuple[list[str], int]:
    """What is said of a status with so many conditions, and how many calls that took."""
    conditions = [{"type": Word(f"Type{number}")} for number in range(entries)]
    body = {"metadata": {"name": "x"}, "spec": {"expr": "up"}, "status": {"conditions": conditions}}
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    schema = root_schema(kind_of("ThresholdPolicy"))
    sys.setprofile(count)
    try:
        said = complaints(body, schema)
    finally:
        sys.setprofile(None)
    return said, calls


def test_a_list_that_is_much_too_long_is_named_once_at_a_cost_that_grows_no_faster_than_it() -> None:
    said, calls = validated(300)
    assert said == ["status.conditions: Too many: 300: must have at most 16 items"]
    assert validated(600)[1] < 2.1 * calls


def test_words_where_a_status_should_hold_objects_are_named_by_their_place(opssight: Opssight) -> None:
    body = {"apiVersion": "opssight.dev/v1alpha1", "kind": "ThresholdPolicy", "metadata": {"name": "x"}}
    status = {"conditions": ["Ready", "Ready"]}
    answer = opssight("validate", "-", stdin=json.dumps(body | {"spec": {"expr": "up"}, "status": status}))
    assert answer.code == 1, answer
    assert "status.conditions[1]: in body must be of type object" in answer.out
