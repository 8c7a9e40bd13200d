"""Every method as a detector uses it: what it finds, what it keeps, what teaches it nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from builders import NOW, STEP, a_detector, a_frame
from opssight_detectors.methods.adaptive import Adaptive
from opssight_detectors.registry import METHODS
from opssight_operator.api.anomaly_detector import AnomalyDetector
from opssight_operator.api.detector_status import AnomalyDetectorStatus
from opssight_operator.core.evaluation import evaluate
from opssight_operator.core.models import SERIES_BYTES, Learned, ModelMemory, packed, unpacked
from opssight_operator.core.observation import DetectorObservation, QueryObservation
from opssight_operator.core.plan import Plan
from opssight_operator.core.timing import rfc3339, seconds_of
from opssight_operator.core.windows import detector_windows
from opssight_operator.settings import Settings

SETTINGS = Settings()
POINTS = 600


def quiet(seed: int = 1, series: int = 5, points: int = POINTS) -> dict[str, list[float]]:
    """Series around ten that know no season."""
    dice = np.random.default_rng(seed)
    return {f"pod={name}": list(10 + dice.normal(0, 0.5, points)) for name in "abcdefgh"[:series]}


def at(
    detector: AnomalyDetector,
    columns: Mapping[str, Sequence[float]],
    now: float,
    learned: Mapping[str, Learned] | None = None,
) -> Plan[AnomalyDetectorStatus]:
    """One evaluation; the last value of each column is at ``now``."""
    since = [seconds_of(a.start) for a in detector.status.anomalies if a.end is None]
    windows = detector_windows(detector.spec, now, since, SETTINGS)
    frame = a_frame(columns, end=now)
    judged = frame.between(windows.judged_from, windows.now + 1)
    training = frame.between(windows.start, windows.judged_from)
    seen = DetectorObservation((QueryObservation("p99", training, judged),), learned=learned or {})
    return evaluate(detector, seen, windows, now, SETTINGS)


def after(detector: AnomalyDetector, plan: Plan[AnomalyDetectorStatus]) -> AnomalyDetector:
    """The detector as it comes back once the status was written."""
    written = json.loads(json.dumps(plan.status.dump()))
    return detector.model_copy(update={"status": AnomalyDetectorStatus.model_validate(written)})


def watching(method: str, **more: Any) -> AnomalyDetector:
    return a_detector(method={"type": method}, trainingWindow="8h", **more)


def scores(plan: Plan[AnomalyDetectorStatus]) -> dict[tuple[str, ...], float]:
    assert plan.gauges is not None
    return {
        (gauge.name, *sorted(gauge.labels.values())): gauge.value for gauge in plan.gauges if "anomaly" in gauge.name
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_spike_of_one_pod_is_found_with_a_reason(method: str) -> None:
    columns = quiet()
    for back in range(1, 5):
        columns["pod=c"][-back] = 40.0
    plan = at(watching(method), columns, NOW)
    assert {a.labels["pod"] for a in plan.status.anomalies if a.end is None} >= {"c"}
    worst = max(plan.status.anomalies, key=lambda a: float(a.peak_score))
    assert worst.labels == {"pod": "c"}
    assert "observed 40" in worst.explanation and "above" in worst.explanation
    assert plan.status.model is not None and plan.status.model.method == method


@pytest.mark.parametrize("method", METHODS)
def test_a_restart_gives_the_same_scores_as_going_on(method: str) -> None:
    columns, detector = quiet(points=POINTS + 90), watching(method)
    kept: Mapping[str, Learned] = {}
    for tick in range(0, 90, 6):
        now = NOW + tick * STEP
        seen = {name: values[: POINTS + tick] for name, values in columns.items()}
        went_on, anew = at(detector, seen, now, kept), at(detector, seen, now)
        kept = went_on.learned
        expected = scores(anew)
        assert expected and scores(went_on) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
        detector = after(detector, went_on)


@pytest.mark.parametrize("method", ["Adaptive", "IsolationForest", "Autoencoder"])
def test_a_model_that_is_costly_to_fit_is_kept_between_evaluations(method: str) -> None:
    columns, detector = quiet(points=POINTS + 1), watching(method)
    before = at(detector, {name: values[:-1] for name, values in columns.items()}, NOW)
    then = at(detector, columns, NOW + STEP, before.learned)
    assert then.learned["p99"].key == before.learned["p99"].key
    assert then.learned["p99"].until == before.learned["p99"].until + STEP


def test_a_past_incident_does_not_widen_the_band_that_it_broke() -> None:
    columns = quiet(series=1)
    columns["pod=a"][200:230] = [60.0] * 30
    blind = at(watching("ZScore"), columns, NOW).status.series[0]
    known = [
        {
            "query": "p99",
            "labels": {"pod": "a"},
            "start": rfc3339(NOW - (POINTS - 1 - 200) * STEP),
            "end": rfc3339(NOW - (POINTS - 1 - 229) * STEP),
            "peak": "60",
            "peakScore": "40",
            "severity": "Critical",
            "explanation": "seen",
        }
    ]
    detector = a_detector(
        method={"type": "ZScore"},
        trainingWindow="8h",
        status=AnomalyDetectorStatus.model_validate({"anomalies": known}),
    )
    taught = at(detector, columns, NOW).status.series[0]
    assert float(taught.upper or "nan") < 12.5 < float(blind.upper or "nan")


@pytest.mark.parametrize("method", ["RobustZScore", "Seasonal", "EWMA"])
def test_a_level_that_lasts_is_accepted_after_the_stated_time_and_said_to_have_moved(method: str) -> None:
    dice = np.random.default_rng(3)
    columns, detector = quiet(series=1), watching(method, acceptAfter="2h", query={"minDeviation": {"absolute": "3"}})
    events: list[tuple[int, str]] = []
    for minute in range(0, 180, 5):
        columns["pod=a"] += list(30 + dice.normal(0, 0.5, 5))
        plan = at(detector, columns, NOW + (minute + 5) * STEP)
        events += [(minute + 5, event.reason) for event in plan.events]
        detector = after(detector, plan)
        if minute == 60:
            assert plan.status.series[0].state == "Anomalous"
    moved = [minute for minute, reason in events if reason == "BaselineMoved"]
    assert len(moved) == 1 and 118 <= moved[0] <= 126
    assert plan.status.series[0].state == "Normal"
    assert float(plan.status.series[0].expected or 0) == pytest.approx(30, abs=1)
    assert detector.status.anomalies[-1].moved_at is not None


def test_the_memory_of_models_forgets_those_used_least_lately() -> None:
    memory = ModelMemory(max_bytes=25 * SERIES_BYTES)
    for uid in "abc":
        memory.put(uid, {"q": Learned("k", 0.0, (), 10)})
        memory.get("a")
    assert [uid for uid in "abc" if memory.get(uid)] == ["a", "c"]
    memory.put("a", {})
    assert not memory.get("a")


def test_models_are_packed_where_there_is_no_room_for_all_of_them_as_they_are() -> None:
    memory = ModelMemory(max_bytes=25 * SERIES_BYTES)
    dice = np.random.default_rng(5)
    model = Adaptive().fit(np.arange(90) * 60.0, dice.normal(10, 1, (90, 1)))
    learned = {"q": Learned("k", 0.0, (model,), 1)}
    for number in range(100):
        memory.put(str(number), packed(learned) if memory.crowded else learned)
    kept = unpacked(memory.get("99"))["q"]
    assert (kept.key, kept.until, kept.series) == ("k", 0.0, 1)
    assert len([number for number in range(100) if memory.get(str(number))]) > 80
    newest = np.array([6000.0]), np.array([[17.0]])
    for field in ("score", "expected", "lower", "upper"):
        assert getattr(kept.models[0].score(*newest), field) == getattr(model.score(*newest), field)


def test_a_detector_scores_the_same_whether_its_models_are_packed_or_not() -> None:
    kept = at(watching("Adaptive"), quiet(series=2), NOW).learned
    assert kept and not set(kept) - set(packed(kept))
    again = unpacked(packed(kept))
    one, other = (at(watching("Adaptive"), quiet(series=2), NOW + STEP, learned=which) for which in (kept, again))
    assert one.status == other.status
