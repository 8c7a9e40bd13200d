"""Whatever the data, the status that a plan wants to write is one that the API server takes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    NOW,
    STATUS_BYTES,
    a_detector,
    a_detector_observation,
    a_frame,
    a_policy,
    a_policy_observation,
    a_report,
    a_source,
)
from opssight_operator import errors
from opssight_operator.adapters.prometheus.frames import LABEL_BYTES
from opssight_operator.api.kinds import KINDS
from opssight_operator.api.schema import root_schema
from opssight_operator.cli.admission import complaints
from opssight_operator.core import evaluation, held, policy_plan, report_plan, source_plan
from opssight_operator.core.observation import Frame, ServerInfo
from opssight_operator.core.report_journal import Journal, WarningEvent, with_events
from opssight_operator.core.report_schedule import timetable
from opssight_operator.core.windows import detector_windows, history_window
from opssight_operator.settings import Settings

SETTINGS = Settings()
SCHEMAS = {kind.name: root_schema(kind) for kind in KINDS}
SPECS = {
    "MetricsSource": {"url": "http://prometheus"},
    "AnomalyDetector": {"queries": [{"name": "p99", "expr": "x"}]},
    "ThresholdPolicy": {"expr": "x"},
    "PatternReport": {},
}
WILD = [1.7976931348623157e308, -1e-300, 0.1 + 0.2, 1e21, 123456789.123456789, float("nan"), float("inf"), 0.0]
LABELS = {
    "no labels": {},
    "any text": {"service": 'a "quoted" \\ one\n and another line ☃'},
    "a long value": {"service": "x" * 3000},
    "many labels": {f"label_{i}": str(i) for i in range(80)},
}


def refusal(kind, status):
    """What the API server would say to the status, as JSON carries it."""
    written = json.loads(json.dumps(status.dump()))
    return complaints({"metadata": {"name": "x"}, "spec": SPECS[kind], "status": written}, SCHEMAS[kind])


def with_labels(frame: Frame, *labels):
    return Frame(frame.times, frame.values, labels, frame.warnings)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@given(
    calm=st.lists(st.sampled_from([1.0, 2.0, *WILD]), min_size=40, max_size=60),
    wild=st.lists(st.sampled_from([1.0, *WILD]), min_size=6, max_size=12),
)
@settings(max_examples=25, deadline=None)
def test_of_a_detector(labels, calm, wild):
    detector = a_detector(trainingWindow="1h", alert={}, minTrainingSamples=3)
    windows = detector_windows(detector.spec, NOW, [], SETTINGS)
    training = with_labels(a_frame({"": calm}, end=windows.judged_from - 60), labels)
    judged = with_labels(a_frame({"": wild}, end=windows.now), labels)
    plan = evaluation.evaluate(detector, a_detector_observation(training, judged), windows, NOW, SETTINGS)
    assert refusal("AnomalyDetector", plan.status) == []


@pytest.mark.parametrize("service", ["a", 'a "quoted" \\ one\n☃', "x" * 3000])
@given(history=st.lists(st.sampled_from([1.0, 2.0, *WILD]), min_size=1, max_size=61))
@settings(max_examples=25, deadline=None)
def test_of_a_policy(service, history):
    policy = a_policy(mode="Record", perLabels=["service"], alert={"for": "5m", "keepFiringFor": "10m"})
    frame = with_labels(a_frame({"": history}), {"service": service})
    window = history_window(policy.spec, NOW, SETTINGS)
    plan = policy_plan.evaluate(policy, a_policy_observation(frame), window, NOW, SETTINGS)
    assert refusal("ThresholdPolicy", plan.status) == []


@given(
    st.lists(
        st.builds(
            WarningEvent,
            kind=st.sampled_from(["Pod", "", "x" * 300]),
            name=st.text(max_size=30),
            reason=st.text(max_size=300),
            note=st.sampled_from(["", "a note\n☃" * 200, "Back-off 17"]),
            first=st.floats(NOW - 86_000, NOW - 60),
            last=st.just(0.0),
            count=st.integers(0, 10**9),
        ),
        max_size=40,
    )
)
@settings(max_examples=15, deadline=None)
def test_of_a_report(events):
    report = a_report(name="x" * 200, schedule={"type": "Once"}, inputs={"events": {}})
    observation = report_plan.ReportObservation(journal=with_events(Journal(), events, NOW))
    plan = report_plan.evaluate(report, observation, timetable(report, NOW), NOW, SETTINGS)
    assert refusal("PatternReport", plan.status) == []


LONG = LABEL_BYTES // 2  # one of two labels, the longest that a series may have
MANY = 500


def written(status):
    """The bytes of a status, as the API server keeps it."""
    return len(json.dumps(status.dump(), ensure_ascii=False).encode())


def hostile(number):
    """Labels as long as they are read."""
    return {"service": f"{number}-" + "x" * (LONG - 20), "path": "/☃" * (LONG // 4 - 20)}


def test_a_status_of_a_detector_is_small_whatever_the_series():
    detector = a_detector(trainingWindow="1h", alert={}, minTrainingSamples=3, method={"type": "ZScore"})
    for minute in range(2):
        windows = detector_windows(detector.spec, NOW + 60 * minute, [], SETTINGS)
        columns = {f"n={n}": [1.0] * 40 for n in range(MANY)}
        training = with_labels(a_frame(columns, end=windows.judged_from - 60), *map(hostile, range(MANY)))
        wild = {f"n={n}": [1e9 * (n + 1)] * 6 for n in range(MANY)}
        judged = with_labels(a_frame(wild, end=windows.now), *map(hostile, range(MANY)))
        seen = a_detector_observation(training, judged)
        plan = evaluation.evaluate(detector, seen, windows, windows.now, SETTINGS)
        assert plan.status.summary.anomalous == MANY
        assert written(plan.status) < STATUS_BYTES
        assert refusal("AnomalyDetector", plan.status) == []
        detector = detector.model_copy(update={"status": plan.status})


@pytest.mark.parametrize("mode", ["Recommend", "Record"])
def test_a_status_of_a_policy_is_small_whatever_the_series(mode):
    many = 4 * MANY if mode == "Recommend" else 30  # a rule has no room for more
    policy = a_policy(mode=mode, perLabels=["service", "path"], guardrails={"maxStep": "1", "cooldown": "1m"})
    for hour in range(3 if mode == "Recommend" else 12):
        now = NOW + 3600 * hour
        columns = {f"n={n}": [float(n + 10 * hour + i % 7) for i in range(61)] for n in range(many)}
        frame = with_labels(a_frame(columns, end=now), *map(hostile, range(many)))
        plan = policy_plan.evaluate(
            policy, a_policy_observation(frame), history_window(policy.spec, now, SETTINGS), now, SETTINGS
        )
        assert plan.status.count == many and plan.status.thresholds and plan.status.history
        assert written(plan.status) < STATUS_BYTES
        assert refusal("ThresholdPolicy", plan.status) == []
        policy = policy.model_copy(update={"status": plan.status})


def test_a_status_of_a_report_is_small_whatever_happened():
    report = a_report(name="x" * 200, schedule={"type": "Once"}, inputs={"events": {}, "alerts": {}}, historyLimit=30)
    events = [
        WarningEvent(
            kind="☃" * 300,
            name=f"{n % 7}" + "y" * 250,
            reason=f"Reason{n % 97}" + "☃" * 200,
            note=f"☃{n % 89} " * 300,
            first=NOW - 86_000 + 20 * n,
            last=NOW - 86_000 + 20 * n,
            count=10**9,
            component="z" * 250,
        )
        for n in range(4_000)
    ]
    observation = report_plan.ReportObservation(journal=with_events(Journal(), events, NOW), cut=("more " * 500,) * 8)
    plan = report_plan.evaluate(report, observation, timetable(report, NOW), NOW, SETTINGS)
    assert plan.status.last_report is not None and plan.status.last_report.incidents > 10
    assert written(plan.status) < STATUS_BYTES
    assert refusal("PatternReport", plan.status) == []


def test_a_status_of_a_source_is_small_whatever_the_server_says():
    plan = source_plan.answering(a_source(), ServerInfo(flavour="Prometheus", version="☃" * 50_000), NOW)
    assert written(plan.status) < STATUS_BYTES
    assert refusal("MetricsSource", plan.status) == []


@pytest.mark.parametrize("version", ["3.16.0", "", "v" * 200])
def test_of_a_source(version):
    plan = source_plan.answering(a_source(), ServerInfo(flavour="Prometheus", version=version), NOW)
    assert refusal("MetricsSource", plan.status) == []


@pytest.mark.parametrize(
    "resource", [a_source(), a_detector(), a_policy(), a_report()], ids=["source", "detector", "policy", "report"]
)
@pytest.mark.parametrize(
    "error",
    [
        errors.PrometheusUnreachable("connection refused\n" * 200),
        errors.InvalidQuery("x" * 50_000),
        errors.NameConflict(""),
        RuntimeError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_of_anything_that_failed(resource, error):
    plan = held.held_plan(resource, error, NOW, SETTINGS)
    assert written(plan.status) < STATUS_BYTES
    assert refusal(type(resource).__name__, plan.status) == []
