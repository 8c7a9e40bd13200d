"""One engine: the command line, the HTTP API and the custom resources answer the same for the same input."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW, STEP, a_detector, a_frame, a_policy, a_policy_observation
from opssight_operator.cli import main
from opssight_operator.core.judgement import SeriesJudgement, judge
from opssight_operator.core.observation import DetectorObservation, QueryObservation
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.windows import DetectorWindows, history_window
from opssight_operator.serving.answering import answer
from opssight_operator.serving.reading import Asked, Limits
from opssight_operator.settings import Settings

Values = list[float | None]
# Quiet values with a few that stand out, so that there is something to agree on.
LISTS = st.lists(
    st.none() | st.integers(0, 20).map(float) | st.sampled_from([50.0, -40.0, 1e6]) | st.floats(-100, 100),
    min_size=10,
    max_size=60,
)


def over_http(operation: str, body: Any) -> Any:
    status, said = answer(operation, Asked(json.dumps(body).encode(), Limits(1000, 10), NOW))
    assert status == 200, said
    return json.loads(said)


def on_the_command_line(command: str, lists: dict[str, Values], *options: str) -> Any:
    out = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["opssight", command, *options, "-o", "json"]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(lists).encode()))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.suppress(SystemExit),
    ):
        main()
    return json.loads(out.getvalue())


def of_a_detector(values: Values, method: dict[str, Any], direction: str) -> SeriesJudgement:
    """What an AnomalyDetector says that has learned from the very values that it judges, as a list on its own is."""
    spec = a_detector(method=method, minTrainingSamples=3, query={"direction": direction}).spec
    frame = a_frame({"service=a": [float("nan") if value is None else value for value in values]})
    long_ago = DetectorWindows(STEP, STEP, NOW - len(values) * STEP, NOW, NOW, len(values) * STEP)
    seen = QueryObservation("p99", frame, frame)
    (query,) = judge(spec, DetectorObservation((seen,)), long_ago)
    return query.series[0]


METHODS: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = {
    # the method: as options, in a request, in a manifest
    "ZScore": ([], {}, {"type": "ZScore"}),
    "ZScore, 3": (["--sensitivity", "3"], {"sensitivity": 3}, {"type": "ZScore", "zScore": {"sensitivity": "3"}}),
    "RobustZScore": (["--method", "RobustZScore"], {"method": "RobustZScore"}, {"type": "RobustZScore"}),
}


@settings(max_examples=40, deadline=None)
@given(LISTS, st.sampled_from(list(METHODS)), st.sampled_from(["Above", "Below", "Both"]))
def test_anomalies_are_the_same_in_all_three_places(values: Values, method: str, direction: str) -> None:
    options, request, manifest = METHODS[method]
    http = over_http("detect_anomalies", {"series": {"a": values}, "direction": direction, **request})
    assert http == on_the_command_line("detect", {"a": values}, "--direction", direction, *options)
    found, judged = http["series"]["a"], of_a_detector(values, manifest, direction)
    times = [NOW - (len(values) - 1 - place) * STEP for place in range(len(values))]
    anomalous = {times[anomaly["index"]]: anomaly for anomaly in found["anomalies"]}
    inside = {time for time in anomalous for e in judged.episodes if e.start <= time <= e.end}
    assert inside == set(anomalous), "every anomalous point lies in an episode"
    assert all(episode.start in anomalous for episode in judged.episodes), "and every episode begins with one"
    if judged.value is not None and NOW in anomalous:
        last = anomalous[NOW]
        said = (judged.value, round(judged.score, 4), judged.expected)
        assert said == (last["value"], last["score"], pytest.approx(last["expected"], rel=1e-12))
        bounds = [b for b in (judged.lower, judged.upper) if b == b]
        assert bounds == [b for b in (last["lower"], last["upper"]) if b is not None]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 1000).map(lambda value: round(value, 3)), min_size=15, max_size=60),
    st.sampled_from([90.0, 95.0, 99.0]),
    st.sampled_from([0.0, 0.25]),
    st.sampled_from(["Upper", "Lower"]),
)
def test_thresholds_are_the_same_in_all_three_places(
    values: list[float], percentile: float, margin: float, bound: str
) -> None:
    http = over_http(
        "optimize_thresholds", {"history": {"m": values}, "percentile": percentile, "margin": margin, "bound": bound}
    )
    options = ("--percentile", str(percentile), "--margin", str(margin), "--bound", bound)
    assert http == on_the_command_line("thresholds", {"m": list(values)}, *options)
    policy = a_policy(
        bound=bound,
        estimator={"type": "Percentile", "percentile": {"percentile": str(percentile), "margin": str(margin)}},
    )
    observation = a_policy_observation(a_frame({"service=a": values}))
    window = history_window(policy.spec, NOW, Settings())
    plan = evaluate(policy, observation, window, NOW, Settings())
    (threshold,) = plan.status.thresholds
    assert threshold.proposed is not None
    assert float(threshold.proposed) == pytest.approx(http["thresholds"]["m"]["threshold"], rel=1e-5, abs=1e-9)


def test_the_textbook_examples_are_the_same_on_the_command_line_and_over_http() -> None:
    fifty: Values = [10, 12, 11, 50, 13, 12]
    assert over_http("detect_anomalies", {"values": fifty}) == on_the_command_line("detect", fifty)  # type: ignore[arg-type]
    history: dict[str, Values] = {"cpu_utilization": [70, 75, 72, 80, 85], "error_rate": [2, 3, 2.5, 4, 3]}
    assert over_http("optimize_thresholds", history) == on_the_command_line("thresholds", history)


def test_a_backtest_is_the_same_on_the_command_line_and_over_http(tmp_path: Path) -> None:
    values: Values = [10.0 + place % 4 for place in range(200)]
    values[150:155] = [50.0] * 5
    labels = [{"start": 150 * 60, "end": 155 * 60}]
    file = tmp_path / "incidents.json"
    file.write_text(json.dumps(labels))
    cases: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("--method", "RobustZScore", "--sensitivity", "5"), {"method": "RobustZScore", "sensitivity": 5}),
        (("--threshold", "40", "--for", "2m"), {"threshold": 40, "for_seconds": 120}),
        (
            ("--estimator", "Percentile", "--set", "percentile=99", "--refit", "10m"),
            {"estimator": "Percentile", "parameters": {"percentile": 99}, "refit_seconds": 600},
        ),
    ]
    for options, request in cases:
        http = over_http("backtest", {"series": {"a": values}, "incidents": labels, **request})
        assert http["episodes"] == 1
        assert http == on_the_command_line("backtest", {"a": values}, "--incidents", str(file), *options)


def test_patterns_are_the_same_on_the_command_line_and_over_http() -> None:
    rows = [
        {
            "timestamp": f"2023-11-14T{hour:02d}:{minute:02d}:00Z",
            "resource_type": "Pod",
            "message": f"OOMKilled pod-{hour}",
        }
        for hour in range(11)
        for minute in (0, 20, 40)
    ]
    end = "2023-11-14T12:00:00Z"
    http = over_http("find_patterns", {"incidents": rows, "end": end})
    assert http["summary"]["incidents"] == 33
    assert http == on_the_command_line("patterns", rows, "-", "--end", end)  # type: ignore[arg-type]
