"""Whatever the data, the status that a plan wants to write is one that the API server takes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    NOW,
    a_detector,
    a_detector_observation,
    a_frame,
    a_policy,
    a_policy_observation,
    a_report,
    a_source,
)
from opssight_operator import errors
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
    assert refusal(type(resource).__name__, plan.status) == []
