"""What is answered and what is refused, from bytes to bytes and without a process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from opssight_operator.serving.answering import OPERATIONS, answer
from opssight_operator.serving.reading import Asked, Limits
from opssight_operator.serving.replies import Backtest, Detection, ProblemDetails, Thresholds
from opssight_operator.serving.requests import BacktestRequest, DetectAnomalies, FindPatterns, OptimizeThresholds

NOW = 1_772_366_400.0  # 2026-03-01T12:00:00Z
LIMITS = Limits(max_points=1000, max_series=10)


def asked(operation: str, body: Any) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, said = answer(operation, Asked(data, LIMITS, NOW, "id-1"))
    return status, json.loads(said)


def test_the_fifty_is_found() -> None:
    status, found = asked("detect_anomalies", {"values": [10, 12, 11, 50, 13, 12]})
    assert status == 200
    (anomaly,) = found["anomalies"]
    assert (anomaly["index"], anomaly["value"], anomaly["score"], anomaly["severity"]) == (3, 50, 1.1157, "Low")


def test_values_and_series_are_answered_together() -> None:
    fifty = [10, 12, 11, 50, 13, 12]
    status, both = asked("detect_anomalies", {"values": fifty, "series": {"a": fifty, "": [1, None, 1]}})
    assert status == 200
    assert {k: v for k, v in both.items() if k != "series"} == both["series"]["a"]
    assert both["series"][""]["samples"] == 2


def test_the_textbook_thresholds_come_with_a_word_that_five_samples_are_few() -> None:
    history = {"cpu_utilization": [70, 75, 72, 80, 85], "error_rate": [2, 3, 2.5, 4, 3], "latency_seconds": [0.2]}
    status, learned = asked("optimize_thresholds", history)
    assert status == 200
    thresholds = learned["thresholds"]
    assert (thresholds["cpu_utilization"]["threshold"], thresholds["error_rate"]["threshold"]) == (84, 3.8)
    assert "5 samples are few" in thresholds["cpu_utilization"]["notes"][0]
    assert asked("optimize_thresholds", {"history": history}) == (200, learned)


def test_every_estimator_can_be_chosen() -> None:
    from opssight_detectors.thresholds.registry import ESTIMATORS

    times = [NOW - 60 * (600 - i) for i in range(600)]
    history = {"cpu": [50 + i % 7 for i in range(600)]}
    body: dict[str, Any] = {"history": history, "times": times}
    for name in ESTIMATORS:
        status, learned = asked("optimize_thresholds", {**body, "estimator": name})
        assert (status, learned["thresholds"]["cpu"]["samples"]) == (200, 600), name


def test_a_window_of_incidents_becomes_a_report() -> None:
    rows = [{"timestamp": "2026-03-01T06:00:00Z", "resource_type": "Pod", "severity": "critical", "message": "OOM"}]
    status, report = asked("find_patterns", {"incidents": rows})
    assert (status, report["windowStart"], report["summary"]["incidents"]) == (200, "2026-02-28T12:00:00+00:00", 1)
    status, later = asked("find_patterns", {"incidents": rows, "end": "2026-03-01T06:30:00+00:00", "lookback_hours": 1,
                                            "time_zone": "Europe/Berlin", "previous": report})  # fmt: skip
    assert (status, later["windowStart"], later["comparison"]["previousIncidents"]) == (
        200, "2026-03-01T06:30:00+01:00", 1,
    )  # fmt: skip


def test_a_backtest_tells_alerts_a_week_and_how_they_agree_with_labels() -> None:
    values = [10.0 + i % 3 for i in range(100)]
    values[80:83] = [50.0, 55.0, 50.0]
    body = {"series": {"a": values, "b": [0.0] * 100}, "incidents": [{"start": 80 * 60, "end": 83 * 60}]}
    expected = {"incidents": 1, "detected": 1, "true_alerts": 1, "precision": 1, "recall": 1, "median_delay_seconds": 0}
    for chosen in (
        {"threshold": 40},
        {"method": "RobustZScore", "sensitivity": 5},
        {"estimator": "Percentile", "parameters": {"percentile": 99, "margin": 0.5}},
    ):
        status, found = asked("backtest", {**body, **chosen})
        assert (status, found["labels"], found["episodes"]) == (200, expected, 1), (chosen, found)
        Backtest.model_validate(found)
        (alert,) = found["alerts"]
        assert (alert["series"], alert["start"], alert["end"], alert["open"]) == ("a", 4800, 4980, False)
        assert found["judged_to"] == 6000 and 0 < found["share_of_time"] < 0.05
    assert asked("backtest", {**body, "threshold": 40, "for_seconds": 300})[1]["episodes"] == 0


def row(**changes: Any) -> dict[str, Any]:
    return {"start": NOW - 60, **changes}


REFUSED: dict[str, tuple[str, Any, int, str, str]] = {
    # the case: the operation, the body, the status, the field, a part of the sentence
    "nothing at all": ("detect_anomalies", b"", 400, "", "not JSON"),
    "binary junk": ("detect_anomalies", bytes(range(256)), 400, "", "not JSON"),
    "invalid UTF-8": ("find_patterns", b'{"incidents": [{"start": "\xff"}]}', 400, "", "not JSON"),
    "brackets a hundred thousand deep": ("detect_anomalies", b"[" * 100_000, 400, "", "recursion limit"),
    "objects a hundred thousand deep": ("find_patterns", b'{"a":' * 100_000, 400, "", "recursion limit"),
    "a lone surrogate": ("detect_anomalies", b'{"series": {"\\ud800": [1]}}', 400, "", "not JSON"),
    "a list where an object belongs": ("detect_anomalies", [1, 2], 400, "the body", "an object"),
    "NaN": ("detect_anomalies", b'{"values": [1, NaN]}', 400, "values[1]", "null for a missing sample"),
    "Infinity": ("detect_anomalies", b'{"values": [1, -Infinity]}', 400, "values[1]", "-inf"),
    "NaN in a history": ("optimize_thresholds", b'{"cpu": [1, NaN]}', 400, "", "a missing sample is null"),
    "a number no float can hold": ("detect_anomalies", b'{"values": [1e999]}', 400, "values[0]", "finite"),
    "a whole number no float can hold": (
        "detect_anomalies", b'{"values": [1' + b"0" * 400 + b"]}", 400, "values[0]", ""),
    "a number as text": ("detect_anomalies", {"series": {"a b": [1, "2"]}}, 400, 'series["a b"][1]', '"2"'),
    "true as a number": ("detect_anomalies", {"values": [True]}, 400, "values[0]", "true"),
    "no lists": ("detect_anomalies", {}, 400, "the body", "values, series or both"),
    "an empty list": ("detect_anomalies", {"values": []}, 400, "values", "at least 1"),
    "null for a list": ("detect_anomalies", {"values": None}, 400, "values", "a list"),
    "a field with a typo": ("detect_anomalies", {"values": [1], "sensitivty": 2}, 400, "sensitivty", "no field"),
    "an unknown method": ("detect_anomalies", {"values": [1], "method": "Magic"}, 400, "method", "one of Adaptive"),
    "an unknown direction": ("detect_anomalies", {"values": [1], "direction": "Up"}, 400, "direction", "'Above'"),
    "a sensitivity below the limit": (
        "detect_anomalies", {"values": [1, 2], "sensitivity": -1}, 422, "sensitivity", "at least"),
    "a word for a number": ("detect_anomalies", {"values": [1], "sensitivity": "High"}, 422, "sensitivity", "a number"),
    "a sensitivity twice": (
        "detect_anomalies", {"values": [1], "sensitivity": 2, "parameters": {"sensitivity": 2}}, 422, "sensitivity",
        "twice"),
    "an unknown parameter": (
        "detect_anomalies", {"values": [1], "parameters": {"unit": "s"}}, 422, "parameters.unit", "no parameter"),
    "an argument of the engine that is no parameter": (
        "detect_anomalies", {"values": [1], "parameters": {"policy": 1}}, 422, "parameters.policy", "no parameter"),
    "half a sample": (
        "detect_anomalies", {"values": [1], "parameters": {"min_samples": 2.5}}, 422, "parameters.min_samples",
        "whole"),
    "a time zone that is a number": (
        "detect_anomalies", {"values": [1], "method": "Adaptive", "parameters": {"time_zone": 1}}, 422,
        "parameters.time_zone", "a text"),
    "a time zone that nobody knows": (
        "detect_anomalies", {"values": [1], "method": "Adaptive", "parameters": {"time_zone": "Mars"}}, 422,
        "parameters.time_zone", "Mars"),
    "fewer times than values": ("detect_anomalies", {"values": [1, 2], "times": [1]}, 422, "times", "equally many"),
    "times that go back": ("detect_anomalies", {"values": [1, 2], "times": [2, 1]}, 422, "times[1]", "later"),
    "a time that is missing": ("detect_anomalies", {"values": [1, 2], "times": ["", 1]}, 422, "times[0]", ""),
    "a time that is none": ("detect_anomalies", {"values": [1], "times": ["noon"]}, 422, "times", "ISO 8601"),
    "times in milliseconds": ("detect_anomalies", {"values": [1], "times": [1.7e12]}, 422, "times", "milliseconds"),
    "mixed time zones of samples": (
        "detect_anomalies", {"values": [1, 2], "times": ["2026-03-01T06:00:00Z", "2026-03-01T06:01:00"]}, 422, "times",
        "mixes time zones"),
    "too many values": ("detect_anomalies", {"values": [0] * 1001}, 413, "the number of values", "1,001"),
    "too many values in all": (
        "detect_anomalies", {"values": [0] * 600, "series": {"a": [0] * 600}}, 413, "the number of values", "1,200"),
    "too many lists": (
        "detect_anomalies", {"series": {str(i): [0] for i in range(11)}}, 413, "the number of lists", "11"),
    "an empty history": ("optimize_thresholds", {}, 400, "the body", "at least 1"),
    "a history that is a list": ("optimize_thresholds", [1], 400, "the body", "an object"),
    "a metric that is a number": ("optimize_thresholds", {"cpu": 70}, 400, "cpu", "a list"),
    "a percentile of 100": (
        "optimize_thresholds", {"history": {"a": [1]}, "percentile": 100}, 400, "percentile", "less than 100"),
    "a percentile for another estimator": (
        "optimize_thresholds", {"history": {"a": [1]}, "estimator": "AlertBudget", "percentile": 9}, 422, "percentile",
        "belongs to"),
    "a parameter of another estimator": (
        "optimize_thresholds", {"history": {"a": [1]}, "parameters": {"rate": 9}}, 422, "parameters.rate",
        "no parameter"),
    "a rate above its limit": (
        "optimize_thresholds", {"history": {"a": [1]}, "estimator": "ExceedanceRate", "parameters": {"rate": 9}}, 422,
        "parameters.rate", "at most 0.1"),
    "an empty table": ("find_patterns", {"incidents": []}, 400, "incidents", "at least 1"),
    "a row that is a number": ("find_patterns", {"incidents": [1]}, 400, "incidents[0]", "an object"),
    "a row without a start": ("find_patterns", {"incidents": [row(), {"x": 1}]}, 422, "incidents", "row 2: start"),
    "no start at all": (
        "find_patterns", {"incidents": [{"severity": "low"}]}, 422, "incidents", "the table has severity"),
    "an unknown column": (
        "find_patterns", {"incidents": [row()], "columns": {"severity": "sev"}}, 422, "incidents",
        "column 'sev' for severity does not exist"),
    "an unknown field of incidents": (
        "find_patterns", {"incidents": [row()], "columns": {"colour": "x"}}, 400, "columns.colour", "one of start"),
    "mixed time zones": (
        "find_patterns", {"incidents": [{"start": "2026-03-01T06:00:00Z"}, {"start": "2026-03-01T06:00:00"}]}, 422,
        "incidents", "mixes time zones"),
    "a future time": ("find_patterns", {"incidents": [row(start=NOW + 3600)]}, 422, "incidents", "in the future"),
    "an end before its start": ("find_patterns", {"incidents": [row(end=NOW - 600)]}, 422, "incidents", "lies before"),
    "too many rows": ("find_patterns", {"incidents": [{"start": 1}] * 1001}, 413, "the number of incidents", "1,001"),
    "no lookback": (
        "find_patterns", {"incidents": [row()], "lookback_hours": 0}, 400, "lookback_hours", "greater than 0"),
    "an unknown section": (
        "find_patterns", {"incidents": [row()], "sections": ["Mood"]}, 400, "sections[0]", "Clusters"),
    "a section twice": (
        "find_patterns", {"incidents": [row()], "sections": ["Clusters", "Clusters"]}, 422, "sections", "twice"),
    "a previous report that is none": (
        "find_patterns", {"incidents": [row()], "previous": {"a": 1}}, 422, "previous", ""),
    "half a previous report": (
        "find_patterns", {"incidents": [row()], "previous": {"schemaVersion": "v1alpha1", "sections": 7}}, 422,
        "previous",
        "no pattern report"),
    "a window that ends nowhere": ("find_patterns", {"incidents": [row()], "end": ""}, 422, "end", ""),
    "a backtest of two things": (
        "backtest", {"series": {"a": [1, 2]}, "threshold": 1, "method": "ZScore"}, 422, "threshold", "one of them"),
    "series of different lengths": (
        "backtest", {"series": {"a": [1, 2], "b": [1]}}, 422, "series.b", "equally many"),
    "a history of one sample": ("backtest", {"series": {"a": [1]}}, 422, "series", "at least 2"),
    "a training longer than the history": (
        "backtest", {"series": {"a": [1, 2]}, "training_seconds": 1000}, 422, "training_seconds",
        "less than the history"),
    "too many blocks": (
        "backtest", {"series": {"a": [1] * 500}, "refit_seconds": 0.1}, 422, "refit_seconds", "at most 1000 blocks"),
    "an incident that ends before it starts": (
        "backtest", {"series": {"a": [1, 2]}, "incidents": [{"start": 2, "end": 1}]}, 422, "incidents[0].end",
        "before"),
    "a parameter of a fixed threshold": (
        "backtest", {"series": {"a": [1, 2]}, "threshold": 1, "sensitivity": 1}, 422, "sensitivity", "no parameters"),
    "a path for a time zone": ("find_patterns", {"incidents": [row()], "time_zone": "../x"}, 422, "time_zone", "IANA"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=list(REFUSED))
def test_bad_input_is_told_by_field_value_and_what_is_allowed(case: tuple[str, Any, int, str, str]) -> None:
    operation, body, status, field, sentence = case
    said_status, problem = asked(operation, body)
    ProblemDetails.model_validate(problem)
    assert (said_status, problem["status"], problem["request_id"]) == (status, status, "id-1"), problem
    assert sentence in problem["detail"]
    if field:
        assert problem["errors"][0]["field"] == field, problem
        assert problem["errors"][0]["allowed"]
    assert len(json.dumps(problem)) < 4000, "a problem is short whatever was sent"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(list(OPERATIONS)), JSON)
def test_no_json_makes_an_operation_fail(operation: str, body: Any) -> None:
    assert asked(operation, body)[0] in (200, 400, 422)


NUMBERS = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30)


@given(st.dictionaries(st.text(max_size=4), NUMBERS, min_size=1, max_size=3))
def test_any_numbers_are_answered_and_the_answer_follows_its_schema(history: dict[str, list[float | None]]) -> None:
    status, learned = asked("optimize_thresholds", {"history": history})
    assert status == 200
    assert set(Thresholds.model_validate(learned).thresholds) == set(history)
    for method in ("ZScore", "RobustZScore"):
        status, found = asked("detect_anomalies", {"series": history, "method": method})
        assert status == 200
        for detection in found["series"].values():
            Detection.model_validate(detection)


@pytest.mark.parametrize("model", [BacktestRequest, DetectAnomalies, FindPatterns, OptimizeThresholds])
def test_the_examples_of_a_schema_follow_it(model: Any) -> None:
    schema = model.model_json_schema()
    (example,) = schema["examples"]
    Draft202012Validator(schema).validate(example)
    model.model_validate_json(json.dumps(example))
