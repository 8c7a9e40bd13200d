"""A detector's decisions over a story of evaluations, each of which knows nothing but the status before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NAN, NOW, STEP, a_detector, a_frame, a_loaded_rule
from opssight_operator.api.anomaly_detector import AnomalyDetector
from opssight_operator.api.detector_status import AnomalyDetectorStatus
from opssight_operator.core.evaluation import evaluate
from opssight_operator.core.judgement import volume_of
from opssight_operator.core.observation import (
    DetectorObservation,
    Frame,
    QueryObservation,
    RuleObjectState,
    RuleObservation,
)
from opssight_operator.core.plan import ApplyRule, KeepRule, Plan, RemoveRule
from opssight_operator.core.rules import detector_rule
from opssight_operator.core.timing import rfc3339, seconds_of
from opssight_operator.core.windows import detector_windows
from opssight_operator.settings import Settings

SETTINGS = Settings()
QUIET = [10.0, 12.0, 11.0, 9.0, 8.0] * 40


def observed_at(
    detector: AnomalyDetector, frame: Frame, now: float = NOW, *, volume: Frame | None = None
) -> tuple[DetectorObservation, float]:
    since = [seconds_of(a.start) for a in detector.status.anomalies if a.end is None]
    windows = detector_windows(detector.spec, now, since, SETTINGS)
    judged = frame.between(windows.judged_from, windows.now + 1)
    training = frame.between(windows.start, windows.judged_from)
    found = None if volume is None else volume_of(judged.labels, judged.times, volume)
    return DetectorObservation((QueryObservation("p99", training, judged, found),)), now


def at(
    detector: AnomalyDetector,
    columns: Mapping[str, Sequence[float]],
    *,
    now: float = NOW,
    rule: RuleObservation | None = None,
    volume: Mapping[str, Sequence[float]] | None = None,
) -> Plan[AnomalyDetectorStatus]:
    """The plan of one evaluation of the series ``columns``, whose last value is at ``now``."""
    observation, _ = observed_at(
        detector, a_frame(columns, end=now), now, volume=None if volume is None else a_frame(volume, end=now)
    )
    if rule is not None:
        observation = DetectorObservation(observation.queries, rule)
    since = [seconds_of(a.start) for a in detector.status.anomalies if a.end is None]
    return evaluate(detector, observation, detector_windows(detector.spec, now, since, SETTINGS), now, SETTINGS)


def after(detector: AnomalyDetector, plan: Plan[AnomalyDetectorStatus]) -> AnomalyDetector:
    """The detector as it comes back from the API server once the plan's status was written."""
    written = json.loads(json.dumps(plan.status.dump()))
    return detector.model_copy(update={"status": AnomalyDetectorStatus.model_validate(written)})


def reasons(plan: Plan[AnomalyDetectorStatus]) -> list[str]:
    return [event.reason for event in plan.events]


def said(plan: Plan[AnomalyDetectorStatus]) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in plan.status.conditions}


def gauges(plan: Plan[AnomalyDetectorStatus], name: str = "opssight_anomaly_score") -> list[dict[str, str]]:
    return [dict(g.labels) for g in plan.gauges or () if g.name == name]


def test_a_quiet_series_is_normal_and_the_detector_is_ready() -> None:
    plan = at(a_detector(), {"service=a": QUIET})
    assert said(plan) == {
        "Ready": ("True", "Reconciled"),
        "DataAvailable": ("True", "SamplesFound"),
        "ModelTrained": ("True", "Trained"),
        "RuleLoaded": ("True", "NoRule"),
    }
    assert plan.status.summary is not None
    assert plan.status.summary.model_dump() == {"series": 1, "anomalous": 0, "warming_up": 0, "no_data": 0}
    assert plan.status.series[0].state == "Normal"
    assert plan.status.anomalies == []
    assert plan.status.model is not None
    assert plan.status.model.samples == len(QUIET) - 5
    assert reasons(plan) == ["Reconciled"]


def test_a_spike_is_an_anomaly_with_what_was_seen_and_what_was_expected() -> None:
    plan = at(a_detector(), {"service=a": [*QUIET, 50.0], "service=b": [*QUIET, 10.0]})
    (anomaly,) = plan.status.anomalies
    assert anomaly.labels == {"service": "a"}
    assert (anomaly.start, anomaly.end, anomaly.peak) == (rfc3339(NOW), None, "50")
    assert float(anomaly.expected or "nan") == pytest.approx(10, abs=0.1)
    assert float(anomaly.deviation or "nan") == pytest.approx(40, abs=0.1)
    assert "observed 50, expected 10" in anomaly.explanation
    first, second = plan.status.series
    assert (first.state, first.since, first.labels) == ("Anomalous", rfc3339(NOW), {"service": "a"})
    assert second.state == "Normal"
    assert plan.status.summary is not None
    assert plan.status.summary.anomalous == 1
    (event,) = [e for e in plan.events if e.reason == "AnomalyStarted"]
    assert event.type == "Warning"
    assert event.message.startswith('p99{service="a"}: observed 50, expected 10')
    assert f"since {rfc3339(NOW)}" in event.message
    assert said(plan)["Ready"] == ("True", "Reconciled"), "an anomaly is data, not a lack of readiness"


def test_an_episode_goes_on_over_evaluations_and_ends_once() -> None:
    detector, values, told = a_detector(), list(QUIET), []
    for minute, value in enumerate([50.0, 60.0, 55.0, 10.0, 11.0, 10.0, 11.0, 10.0, 11.0]):
        values.append(value)
        plan = at(detector, {"service=a": values}, now=NOW + minute * STEP)
        told.append([r for r in reasons(plan) if r != "Reconciled"])
        detector = after(detector, plan)
    (anomaly,) = detector.status.anomalies
    assert (anomaly.start, anomaly.end, anomaly.peak) == (rfc3339(NOW), rfc3339(NOW + 120), "60")
    assert [t for t in told if t] == [["AnomalyStarted"], ["AnomalyEnded"]]
    assert told[0] == ["AnomalyStarted"]
    assert told.index(["AnomalyEnded"]) == 6, "three quiet steps are bridged"


def test_the_incident_never_trains_the_model_that_judges_it() -> None:
    detector, values = a_detector(), list(QUIET)
    expected = []
    for minute in range(60):
        values.append(50.0)
        plan = at(detector, {"service=a": values}, now=NOW + minute * STEP)
        expected.append(float(plan.status.series[0].expected or "nan"))
        detector = after(detector, plan)
    assert expected == pytest.approx([10.0] * 60, abs=0.05)
    assert len(set(expected[5:])) == 1
    assert len(detector.status.anomalies) == 1


def test_a_restart_in_the_middle_gives_the_same_status() -> None:
    values = [*QUIET, *[50.0] * 20]
    detector = a_detector()
    one_by_one = detector
    for minute in range(20):
        plan = at(one_by_one, {"service=a": values[: len(QUIET) + minute + 1]}, now=NOW + minute * STEP)
        if plan.status_changed:  # what a restarted operator finds is what was written
            one_by_one = after(one_by_one, plan)
    assert plan.status.anomalies[0].start == rfc3339(NOW)
    assert plan.status.summary is not None
    assert plan.status.summary.anomalous == 1


def test_the_same_data_twice_change_nothing_and_tell_nothing() -> None:
    detector = a_detector(alert={})
    columns = {"service=a": [*QUIET, 50.0, 51.0], "service=b": [*QUIET, 10.0, NAN]}
    first = at(detector, columns)
    second = at(after(detector, first), columns)
    assert first.status_changed
    assert not second.status_changed
    assert second.status == first.status
    assert second.events == ()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_whatever_the_data_the_same_evaluation_twice_is_quiet(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detector = a_detector(alert={}, method={"type": "RobustZScore"} if seed % 2 else {"type": "ZScore"})
    rows = int(rng.integers(1, 120))
    columns = {}
    for name in range(int(rng.integers(1, 5))):
        values = rng.normal(10, rng.choice([0, 1, 5]), rows)
        values[rng.random(rows) < 0.1] = rng.choice([NAN, np.inf, 1e6, -1e6])
        columns[f"service={name}"] = values
    first = at(detector, columns)
    assert after(detector, first).status == first.status, "what is written is what is read back"
    second = at(after(detector, first), columns)
    assert not second.status_changed
    assert second.events == ()
    later = at(after(detector, second), {k: [*v, v[-1]] for k, v in columns.items()}, now=NOW + STEP)
    starts = {(json.dumps(a.labels), a.start) for a in second.status.anomalies}
    assert starts <= {(json.dumps(a.labels), a.start) for a in later.status.anomalies}, "no episode is forgotten"


def test_every_way_a_series_can_be_unknown_is_a_state_and_never_a_score() -> None:
    plan = at(
        a_detector(),
        {
            "service=gone": [*QUIET, *[NAN] * 10],
            "service=new": [*[NAN] * len(QUIET), *[10.0] * 10],
            "service=fine": [*QUIET, *[10.0] * 10],
            "service=infinite": [*QUIET, *[np.inf] * 10],
            "service=constant": [7.0] * (len(QUIET) + 10),
        },
    )
    states = {s.labels["service"]: s.state for s in plan.status.series}
    assert states == {
        "gone": "NoData",
        "new": "WarmingUp",
        "fine": "Normal",
        "infinite": "NoData",
        "constant": "Normal",
    }
    scores = {s.labels["service"]: s.score for s in plan.status.series}
    assert (scores["gone"], scores["new"], scores["infinite"]) == (None, None, None)
    assert {g["service"] for g in gauges(plan)} == {"fine", "constant"}
    assert said(plan)["DataAvailable"] == ("True", "PartialData")
    assert said(plan)["ModelTrained"] == ("False", "WarmingUp")
    assert said(plan)["Ready"] == ("True", "Reconciled")


NOT_READY = {
    "no series at all": ({}, "NoData", "False"),
    "no recent sample": ({"service=a": [*QUIET, *[NAN] * 20]}, "NoData", "False"),
    "too little to learn from": ({"service=a": [10.0] * 20}, "WarmingUp", "True"),
}


@pytest.mark.parametrize(("columns", "reason", "data"), NOT_READY.values(), ids=NOT_READY.keys())
def test_a_detector_that_judges_nothing_is_not_ready(columns: dict[str, list[float]], reason: str, data: str) -> None:
    plan = at(a_detector(), columns)
    assert said(plan)["Ready"] == ("False", reason)
    assert said(plan)["DataAvailable"][0] == data
    assert gauges(plan) == []


def test_one_late_sample_does_not_make_a_series_vanish() -> None:
    plan = at(a_detector(), {"service=a": [*QUIET, 10.0, NAN, NAN]})
    assert plan.status.series[0].state == "Normal"
    assert plan.status.series[0].value == "10"


def test_a_sample_that_arrives_late_is_still_judged() -> None:
    detector = a_detector()
    blind = at(detector, {"service=a": [*QUIET, NAN]})
    late = at(after(detector, blind), {"service=a": [*QUIET, 50.0, 10.0]}, now=NOW + STEP)
    assert [a.start for a in late.status.anomalies] == [rfc3339(NOW)]
    assert "AnomalyStarted" in reasons(late)


def test_an_anomalous_series_that_vanishes_ends_its_episode_in_time() -> None:
    detector, values = a_detector(), [*QUIET, 50.0]
    detector = after(detector, at(detector, {"service=a": values}))
    ended = []
    for minute in range(1, 25):
        values.append(NAN)
        plan = at(detector, {"service=a": values, "service=b": [10.0] * len(values)}, now=NOW + minute * STEP)
        ended += [minute for r in reasons(plan) if r == "AnomalyEnded"]
        detector = after(detector, plan)
    assert len(ended) == 1
    assert 10 <= ended[0] <= 20
    assert detector.status.anomalies[0].end == rfc3339(NOW)


def test_an_episode_of_a_query_that_is_gone_is_closed() -> None:
    detector = after(a_detector(), at(a_detector(), {"service=a": [*QUIET, 50.0]}))
    plan = at(detector, {"service=b": [*QUIET, 10.0, 10.0]}, now=NOW + STEP)
    assert plan.status.anomalies[0].end is not None
    assert "AnomalyEnded" in reasons(plan)


def test_a_permanently_changed_level_becomes_the_new_normal() -> None:
    detector, values = a_detector(trainingWindow="1h", step="1m"), list(QUIET)
    state = ""
    for minute in range(180):
        values.append(30.0)
        plan = at(detector, {"service=a": values}, now=NOW + minute * STEP)
        detector = after(detector, plan)
        state = plan.status.series[0].state
        if minute == 10:
            assert state == "Anomalous"
    assert state == "Normal"
    assert len(detector.status.anomalies) == 1
    assert detector.status.anomalies[0].start == rfc3339(NOW)


def test_policies_of_the_metric_speak_before_the_alarm() -> None:
    spike = {"service=a": [*QUIET, 50.0]}
    assert at(a_detector(query={"direction": "Below"}), spike).status.anomalies == []
    assert at(a_detector(query={"minDeviation": {"absolute": "45"}}), spike).status.anomalies == []
    out_of_range = at(a_detector(query={"range": {"max": "11.5"}}), {"service=a": [*QUIET, 12.0]})
    assert out_of_range.status.anomalies != []


def test_low_traffic_is_never_anomalous_and_unknown_traffic_excuses_nothing() -> None:
    detector = a_detector(query={"volume": {"expr": "rate", "min": "1"}})
    columns = {"service=a,pod=x": [*QUIET, 50.0]}
    few = at(detector, columns, volume={"service=a": [5.0] * 200 + [0.5]})
    many = at(detector, columns, volume={"service=a": [5.0] * 201})
    unknown = at(detector, columns, volume={"service=other": [0.0] * 201})
    assert few.status.anomalies == []
    assert len(many.status.anomalies) == 1
    assert len(unknown.status.anomalies) == 1
    assert said(unknown)["DataAvailable"] == ("True", "PartialData")


def test_volumes_are_matched_by_the_labels_they_share_and_added_up() -> None:
    volume = a_frame({"service=a,code=200": [1.0, 2.0], "service=a,code=500": [10.0, NAN], "service=b": [7.0, 7.0]})
    labels = ({"service": "a", "pod": "x"}, {"service": "c"}, {"service": "b"})
    found = volume_of(labels, np.array([NOW - STEP, NOW, NOW + STEP]), volume)
    np.testing.assert_array_equal(found, [[11.0, NAN, 7.0], [2.0, NAN, 7.0], [NAN, NAN, NAN]])


def test_a_label_of_the_series_that_collides_with_ours_is_kept_as_exported() -> None:
    columns = {"namespace=other,detector=x,query=y,service=a,__name__=latency": QUIET}
    (labels,) = gauges(at(a_detector(), columns))
    assert labels == {
        "namespace": "shop",
        "detector": "checkout-latency",
        "query": "p99",
        "service": "a",
        "exported_namespace": "other",
        "exported_detector": "x",
        "exported_query": "y",
    }


def test_a_namespace_that_agrees_is_not_exported_twice() -> None:
    (labels,) = gauges(at(a_detector(), {"namespace=shop,service=a": QUIET}))
    assert set(labels) == {"namespace", "detector", "query", "service"}


def test_two_metrics_of_one_query_stay_two_series() -> None:
    found = gauges(at(a_detector(), {"__name__=cpu,pod=a": QUIET, "__name__=memory,pod=a": QUIET}))
    assert [labels["metric"] for labels in found] == ["cpu", "memory"]


def test_only_so_many_series_are_exported_and_the_anomalous_ones_first() -> None:
    columns = {f"service=s{i:03}": [*QUIET, 50.0 if i >= 298 else 10.0] for i in range(300)}
    plan = at(a_detector(), columns)
    exported = {labels["service"] for labels in gauges(plan)}
    assert len(exported) == SETTINGS.max_series_exported
    assert {"s298", "s299"} <= exported


def test_status_stays_small_whatever_the_labels() -> None:
    columns = {f"service=s{i:03},path={'/x' * 100},pod={'p' * 63},node={'n' * 63}": [*QUIET, 50.0] for i in range(300)}
    plan = at(a_detector(), columns)
    assert len(json.dumps(plan.status.dump())) < 16 * 1024
    assert plan.status.summary is not None
    assert plan.status.summary.anomalous == 300
    started = [e for e in plan.events if e.reason == "AnomalyStarted"]
    assert len(started) == 11
    assert started[-1].message == "290 more like these; status and metrics have them"


def test_episodes_that_a_full_list_has_forgotten_are_no_news() -> None:
    detector = a_detector()
    columns = {f"service=s{i:03}": [*QUIET, 50.0] for i in range(60)}
    detector = after(detector, at(detector, columns))
    for minute in range(1, 12):
        columns = {name: [*values, 50.0] for name, values in columns.items()}
        plan = at(detector, columns, now=NOW + minute * STEP)
        detector = after(detector, plan)
        assert plan.status.summary is not None
        assert plan.status.summary.anomalous == 60
    assert "AnomalyStarted" not in reasons(plan)


RULE = detector_rule(a_detector(alert={}))
assert RULE is not None
RULES = {
    "a missing rule is written": ({}, RuleObservation(), ApplyRule(RULE), ("False", "NotLoaded"), "True", 30.0),
    "a loaded rule is left": ({}, a_loaded_rule(RULE), KeepRule(), ("True", "Loaded"), "True", None),
    "a foreign object is a conflict": (
        {},
        RuleObservation(RuleObjectState.FOREIGN),
        KeepRule(),
        ("False", "NameConflict"),
        "False",
        None,
    ),
    "a changed rule is written": (
        {"for": "1m"},
        a_loaded_rule(RULE),
        None,
        ("False", "NotLoaded"),  # the old one still is
        "True",
        30.0,
    ),
}


@pytest.mark.parametrize(("alert", "observed", "intent", "loaded", "ready", "again"), RULES.values(), ids=RULES.keys())
def test_the_alert_on_the_score_is_owned(
    alert: dict[str, str],
    observed: RuleObservation,
    intent: object,
    loaded: tuple[str, str],
    ready: str,
    again: float | None,
) -> None:
    plan = at(a_detector(alert=alert), {"service=a": QUIET}, rule=observed)
    if intent is not None:
        assert plan.rule == intent
    else:
        assert isinstance(plan.rule, ApplyRule)
    assert said(plan)["RuleLoaded"] == loaded
    assert said(plan)["Ready"][0] == ready
    assert plan.retry_after == again


def test_a_rule_that_is_not_wanted_any_more_is_removed() -> None:
    plan = at(a_detector(), {"service=a": QUIET}, rule=a_loaded_rule(RULE))
    assert plan.rule == RemoveRule("opssight-adet-checkout-latency")
    assert said(plan)["RuleLoaded"] == ("True", "NoRule")


def test_prometheus_is_not_asked_early_for_ever_about_a_rule_that_does_not_load() -> None:
    observed = RuleObservation(RuleObjectState.OURS, RULE.digest if RULE else "", RULE.groups if RULE else (), ())
    detector = a_detector(alert={})
    soon = at(detector, {"service=a": QUIET}, rule=observed)
    detector = after(detector, soon)
    later = at(detector, {"service=a": QUIET}, now=NOW + 3600, rule=observed)
    assert (soon.retry_after, later.retry_after) == (30.0, None)
    assert "ruleSelector" in soon.status.conditions[-1].message


def test_what_prometheus_warns_of_is_said() -> None:
    frame = a_frame({"service=a": QUIET}, warnings=["fetching from store-1: timeout"])
    detector = a_detector()
    observation, now = observed_at(detector, frame)
    plan = evaluate(detector, observation, detector_windows(detector.spec, now, [], SETTINGS), now, SETTINGS)
    assert "store-1" in plan.status.conditions[1].message
