"""A detector that judges its queries together: matching, the joint score, who contributed, what is exported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from builders import NAN, NOW, a_detector, a_frame
from opssight_operator.api.anomaly_detector import AnomalyDetector
from opssight_operator.api.detector_status import AnomalyDetectorStatus
from opssight_operator.core.evaluation import evaluate
from opssight_operator.core.observation import DetectorObservation, QueryObservation
from opssight_operator.core.plan import ApplyRule, Plan
from opssight_operator.core.rules import detector_rule
from opssight_operator.core.timing import rfc3339, seconds_of
from opssight_operator.core.windows import detector_windows
from opssight_operator.settings import Settings

SETTINGS = Settings()
LATENCY = [10.0, 12.0, 11.0, 9.0, 8.0] * 40
ERRORS = [1.0, 1.2, 0.8, 1.1, 0.9] * 40
Columns = Mapping[str, Sequence[float]]


def together(**more: Any) -> AnomalyDetector:
    """Latency and errors of services at three sigmas."""
    joint = more.pop("together", {"by": ["service"]})
    queries = [{"name": "latency", "expr": "latency"}, {"name": "errors", "expr": "errors"}]
    method = {"type": "ZScore", "zScore": {"sensitivity": "3"}}
    return a_detector(queries=queries, method=method, together=joint, **more)


def at(detector: AnomalyDetector, latency: Columns, errors: Columns, now: float = NOW) -> Plan[AnomalyDetectorStatus]:
    """One evaluation; the last value of each column is at ``now``."""
    since = [seconds_of(a.start) for a in detector.status.anomalies if a.end is None]
    windows = detector_windows(detector.spec, now, since, SETTINGS)
    seen = []
    for name, columns in (("latency", latency), ("errors", errors)):
        frame = a_frame(columns, end=now)
        judged = frame.between(windows.judged_from, windows.now + 1)
        seen.append(QueryObservation(name, frame.between(windows.start, windows.judged_from), judged))
    return evaluate(detector, DetectorObservation(tuple(seen)), windows, now, SETTINGS)


def after(detector: AnomalyDetector, plan: Plan[AnomalyDetectorStatus]) -> AnomalyDetector:
    """The detector as it comes back once the status was written."""
    written = json.loads(json.dumps(plan.status.dump()))
    return detector.model_copy(update={"status": AnomalyDetectorStatus.model_validate(written)})


def scores(plan: Plan[AnomalyDetectorStatus]) -> dict[str, float]:
    return {dict(g.labels)["query"]: round(g.value, 3) for g in plan.gauges or () if g.name == "opssight_anomaly_score"}


def test_two_that_are_each_within_their_bounds_are_anomalous_together() -> None:
    either = {"by": ["service"], "needed": 1}
    plan = at(together(together=either), {"service=a": [*LATENCY, 13.5]}, {"service=a": [*ERRORS, 1.35]})
    (anomaly,) = plan.status.anomalies
    assert (anomaly.query, anomaly.labels, anomaly.start, anomaly.end) == (
        "together",
        {"service": "a"},
        rfc3339(NOW),
        None,
    )
    exported = scores(plan)
    assert exported["latency"] < 1
    assert exported["errors"] < 1
    assert exported["together"] == pytest.approx(np.hypot(exported["latency"], exported["errors"]), abs=2e-3)
    assert exported["together"] > 1
    assert "latency contributes" in anomaly.explanation
    assert "observed 13.5, expected 10" in anomaly.explanation


def test_each_query_contributes_its_share_of_the_squares_the_largest_first() -> None:
    plan = at(together(), {"service=a": [*LATENCY, 11.0]}, {"service=a": [*ERRORS, 3.0]})
    (anomaly,) = plan.status.anomalies
    first, second = anomaly.contributions
    assert (first.query, second.query) == ("errors", "latency")
    assert float(first.share) + float(second.share) == pytest.approx(1)
    assert float(first.share) > 0.98
    assert (first.value, second.value) == ("3", "11")
    assert plan.status.series[0].contributions == anomaly.contributions


def test_one_alone_must_be_farther_out_and_nothing_else_than_the_joint_score_is_listed() -> None:
    near = at(together(), {"service=a": [*LATENCY, 15.0]}, {"service=a": [*ERRORS, 1.0]})
    assert scores(near)["latency"] > 1
    assert near.status.anomalies == []
    assert [(s.query, s.state) for s in near.status.series] == [("together", "Normal")]
    assert near.status.summary is not None
    assert near.status.summary.series == 1
    far = at(together(), {"service=a": [*LATENCY, 17.0]}, {"service=a": [*ERRORS, 1.0]})
    assert len(far.status.anomalies) == 1


def test_a_weight_lets_a_query_decide() -> None:
    heavy = {"by": ["service"], "weights": [{"query": "errors", "weight": "9"}]}
    columns = {"service=a": [*LATENCY, 10.0]}, {"service=a": [*ERRORS, 1.45]}
    assert at(together(), *columns).status.anomalies == []
    assert len(at(together(together=heavy), *columns).status.anomalies) == 1


def test_series_belong_together_by_their_labels_and_the_highest_of_several_speaks() -> None:
    latency = {"service=a,pod=a1": [*LATENCY, 10.0], "service=a,pod=a2": [*LATENCY, 30.0], "service=b,pod=b1": LATENCY}
    errors = {"service=a": [*ERRORS, 1.0], "service=b": ERRORS}
    plan = at(together(), {k: v[-200:] for k, v in latency.items()}, {k: v[-200:] for k, v in errors.items()})
    (anomaly,) = plan.status.anomalies
    assert anomaly.labels == {"service": "a"}
    assert anomaly.contributions[0].value == "30"
    assert sorted(s.labels["service"] for s in plan.status.series) == ["a", "b"]


def test_a_query_without_a_sample_has_no_vote_and_is_named() -> None:
    plan = at(together(), {"service=a": [*LATENCY, 14.5]}, {"service=a": [*ERRORS[:-30], *[NAN] * 31]})
    (anomaly,) = plan.status.anomalies
    assert [one.query for one in anomaly.contributions] == ["latency"]
    data = next(c for c in plan.status.conditions if c.type == "DataAvailable")
    assert data.reason == "PartialData"
    assert "errors" in data.message


def test_nothing_at_all_is_no_data_and_never_normal() -> None:
    silent = {"service=a": [*LATENCY[:-30], *[NAN] * 31]}
    plan = at(together(), silent, silent)
    assert [s.state for s in plan.status.series] == ["NoData"]
    assert plan.status.series[0].score is None


def test_what_warms_up_says_so() -> None:
    plan = at(together(), {"service=a": LATENCY[:12]}, {"service=a": ERRORS[:12]})
    assert [s.state for s in plan.status.series] == ["WarmingUp"]


def test_the_alert_is_on_the_joint_score_alone() -> None:
    rule = detector_rule(together(alert={}))
    assert rule is not None
    (group,) = rule.groups
    assert group["rules"][0]["expr"] == (
        'opssight_anomaly_score{namespace="shop",detector="checkout-latency",query="together"} > 1'
    )
    plan = at(together(alert={}), {"service=a": LATENCY}, {"service=a": ERRORS})
    assert isinstance(plan.rule, ApplyRule)


def test_an_episode_teaches_none_of_its_queries_and_ends_once() -> None:
    """The level of the incident, which is over, is as anomalous as it was at first."""
    detector = together()
    latency, errors = [*LATENCY, *[20.0] * 4], [*ERRORS, *[2.0] * 4]
    story = [
        (latency, errors, NOW),
        ([*latency, *[20.0] * 16, *LATENCY[:44]], [*errors, *[2.0] * 16, *ERRORS[:44]], NOW + 3600),
    ]
    began = after(detector, at(detector, {"service=a": story[0][0]}, {"service=a": story[0][1]}, story[0][2]))
    assert began.status.anomalies[0].end is None
    over = at(began, {"service=a": story[1][0]}, {"service=a": story[1][1]}, story[1][2])
    assert over.status.anomalies[0].end is not None
    assert [event.reason for event in over.events].count("AnomalyEnded") == 1
    ended = after(began, over)
    again = at(ended, {"service=a": [*story[1][0], 20.0]}, {"service=a": [*story[1][1], 2.0]}, story[1][2] + 60)
    knowing = float(next(s.score or "nan" for s in again.status.series))
    forgetful = ended.model_copy(update={"status": AnomalyDetectorStatus()})
    plan = at(forgetful, {"service=a": [*story[1][0], 20.0]}, {"service=a": [*story[1][1], 2.0]}, story[1][2] + 60)
    assert knowing > 1.5 * float(next(s.score or "nan" for s in plan.status.series))
