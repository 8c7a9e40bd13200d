from __future__ import annotations

from typing import Any

import pytest

from builders import NOW
from opssight_operator.api.detector_status import AnomalyDetectorStatus
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.meaning import status_changed

T = "2023-11-14T22:14:00Z"
READY = {"type": "Ready", "status": "True", "reason": "Reconciled", "message": "3 series", "observedGeneration": 1}
SERIES = {"query": "p99", "labels": {"service": "a"}, "state": "Anomalous", "score": "1.4", "severity": "Low"}
ANOMALY = {
    "query": "p99",
    "labels": {"service": "a"},
    "start": T,
    "peak": "50",
    "peakScore": "1.4",
    "severity": "Low",
    "explanation": "observed 50",
}
DETECTOR: dict[str, Any] = {
    "conditions": [READY],
    "observedGeneration": 1,
    "summary": {"series": 3, "anomalous": 1},
    "series": [SERIES, {**SERIES, "labels": {"service": "b"}, "state": "Normal"}],
    "anomalies": [ANOMALY],
    "model": {"method": "ZScore", "samples": 90, "from": T, "to": T, "digest": "sha256:1"},
}
THRESHOLD = {"labels": {}, "current": "0.05", "reason": "WithinDeadBand", "message": "held", "changedAt": T}
POLICY: dict[str, Any] = {"conditions": [READY], "count": 1, "thresholds": [THRESHOLD], "digest": "sha256:1"}


def changed(kind: type, old: dict[str, Any], new: dict[str, Any], **more: Any) -> bool:
    given = {"now": NOW, "interval": 60.0, "heartbeat": 0.0, **more}
    return status_changed(kind.model_validate(old), kind.model_validate(new), **given)


NUMBERS = {
    "a score moves": {"series": [{**SERIES, "score": "1.5", "value": "51"}, DETECTOR["series"][1]]},
    "another normal series is listed": {"series": [SERIES, {**SERIES, "labels": {"service": "c"}, "state": "Normal"}]},
    "the severity of a point moves around the peak's": {"series": [{**SERIES, "severity": "None"}]},
    "a peak grows within its severity": {"anomalies": [{**ANOMALY, "peak": "51", "peakScore": "1.45"}]},
    "the training window moves on": {"model": {**DETECTOR["model"], "samples": 91, "to": "2023-11-14T22:15:00Z"}},
    "the message of a good condition counts on": {"conditions": [{**READY, "message": "4 series"}]},
}
MEANINGS = {
    "an episode becomes more severe": {"anomalies": [{**ANOMALY, "severity": "High"}]},
    "an episode ends": {"anomalies": [{**ANOMALY, "end": T}]},
    "an episode begins": {"anomalies": [ANOMALY, {**ANOMALY, "labels": {"service": "z"}}]},
    "a series becomes anomalous": {"series": [SERIES, {**SERIES, "labels": {"service": "b"}}]},
    "a count changes": {"summary": {"series": 4, "anomalous": 1}},
    "a condition flips": {"conditions": [{**READY, "status": "Unknown"}]},
    "a reason changes": {"conditions": [{**READY, "reason": "Suspended"}]},
    "the spec is a new one": {"observedGeneration": 2},
    "the queries are others": {"model": {**DETECTOR["model"], "digest": "sha256:2"}},
}


@pytest.mark.parametrize("difference", NUMBERS.values(), ids=NUMBERS.keys())
def test_a_detectors_status_means_the_same_when(difference: dict[str, Any]) -> None:
    assert not changed(AnomalyDetectorStatus, DETECTOR, {**DETECTOR, **difference})


@pytest.mark.parametrize("difference", MEANINGS.values(), ids=MEANINGS.keys())
def test_a_detectors_status_is_written_when(difference: dict[str, Any]) -> None:
    assert changed(AnomalyDetectorStatus, DETECTOR, {**DETECTOR, **difference})


POLICY_NUMBERS = {
    "the proposal moves": {"thresholds": [{**THRESHOLD, "proposed": "0.051", "samples": 3, "message": "other"}]},
    "another guardrail holds": {"thresholds": [{**THRESHOLD, "reason": "Cooldown"}]},
}
POLICY_MEANINGS = {
    "a threshold changes": {"thresholds": [{**THRESHOLD, "current": "0.06"}]},
    "a threshold loses its data": {"thresholds": [{**THRESHOLD, "reason": "NoData"}]},
    "thresholds are for other labels": {"thresholds": [{**THRESHOLD, "labels": {"service": "a"}}]},
    "the expression is another": {"digest": "sha256:2"},
}


@pytest.mark.parametrize("difference", POLICY_NUMBERS.values(), ids=POLICY_NUMBERS.keys())
def test_a_policys_status_means_the_same_when(difference: dict[str, Any]) -> None:
    assert not changed(ThresholdPolicyStatus, POLICY, {**POLICY, **difference})


@pytest.mark.parametrize("difference", POLICY_MEANINGS.values(), ids=POLICY_MEANINGS.keys())
def test_a_policys_status_is_written_when(difference: dict[str, Any]) -> None:
    assert changed(ThresholdPolicyStatus, POLICY, {**POLICY, **difference})


def test_the_message_of_a_bad_condition_counts_but_not_its_numbers() -> None:
    bad = {**READY, "status": "False", "reason": "InvalidQuery", "message": "unexpected ) at 17"}
    other_place = {**bad, "message": "unexpected ) at 18"}
    other_fault = {**bad, "message": "unknown function"}
    assert not changed(ThresholdPolicyStatus, {"conditions": [bad]}, {"conditions": [other_place]})
    assert changed(ThresholdPolicyStatus, {"conditions": [bad]}, {"conditions": [other_fault]})


def test_numbers_come_along_once_in_a_heartbeat() -> None:
    new = {**DETECTOR, "series": [{**SERIES, "score": "1.5"}]}
    written = [
        changed(AnomalyDetectorStatus, DETECTOR, new, now=NOW + 60.0 * i, heartbeat=900.0, uid="abc") for i in range(60)
    ]
    assert sum(written) == 4
    assert not any(
        changed(AnomalyDetectorStatus, DETECTOR, DETECTOR, now=NOW + 60.0 * i, heartbeat=900.0) for i in range(60)
    )


def test_resources_do_not_all_write_at_the_same_moment() -> None:
    new = {**DETECTOR, "series": [{**SERIES, "score": "1.5"}]}
    first = {
        next(
            i
            for i in range(60)
            if changed(AnomalyDetectorStatus, DETECTOR, new, now=NOW + 60.0 * i, heartbeat=900.0, uid=f"uid-{n}")
        )
        for n in range(20)
    }
    assert len(first) > 5
