from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW, a_detector, a_policy
from opssight_operator.core.windows import detector_windows, history_window
from opssight_operator.errors import InvalidSpec
from opssight_operator.settings import Settings

SETTINGS = Settings()
HOUR = 3600.0


def test_the_last_five_points_are_judged_and_the_week_before_is_learned() -> None:
    windows = detector_windows(a_detector().spec, NOW + 30.7, [], SETTINGS)
    assert windows.now == NOW
    assert windows.judged_from == NOW - 4 * 60
    assert windows.judged_from - windows.start == 7 * 24 * HOUR


def test_two_intervals_are_judged_so_that_a_missed_evaluation_loses_nothing() -> None:
    windows = detector_windows(a_detector(interval="10m").spec, NOW, [], SETTINGS)
    assert windows.judged_from == NOW - 19 * 60
    assert windows.lookback == 20 * 60


def test_an_open_episode_is_judged_from_its_beginning_by_the_model_from_before() -> None:
    spec = a_detector().spec
    assert detector_windows(spec, NOW + HOUR, [NOW, NOW + 600], SETTINGS).judged_from == NOW
    assert detector_windows(spec, NOW, [NOW], SETTINGS) == detector_windows(spec, NOW, [], SETTINGS)


def test_an_episode_that_never_ends_is_learned_at_last() -> None:
    windows = detector_windows(a_detector(trainingWindow="4h").spec, NOW, [NOW - 100 * HOUR], SETTINGS)
    assert windows.judged_from == NOW - 4 * HOUR - windows.lookback + 60


def test_a_heavy_window_can_be_halved_but_not_below_what_training_needs() -> None:
    spec = a_detector(trainingWindow="1h", minTrainingSamples=20).spec
    half = detector_windows(spec, NOW, [], SETTINGS, share=0.5)
    tenth = detector_windows(spec, NOW, [], SETTINGS, share=0.1)
    assert half.judged_from - half.start == 1800
    assert tenth.judged_from - tenth.start == 1200


def test_many_detectors_begin_their_models_anew_at_different_times_and_as_often_as_one() -> None:
    spec = a_detector(trainingWindow="7h", method={"type": "Adaptive"}).spec
    places = [number / 60 for number in range(60)]
    minutes = [NOW + 60 * minute for minute in range(121)]  # an anchor holds for an hour
    starts = [[detector_windows(spec, now, [], SETTINGS, place=place).start for now in minutes] for place in places]
    renewed = np.diff(np.array(starts), axis=1) > 0
    assert set(renewed.sum(axis=1)) == {2}
    assert renewed.sum(axis=0).max() == 1


@given(
    now=st.floats(1.6e9, 2e9),
    ages=st.lists(st.floats(-100, 1e6), max_size=5),
    step=st.sampled_from(["1s", "15s", "1m", "7m"]),
    interval=st.sampled_from(["1s", "1m", "1h"]),
    place=st.floats(0, 1, exclude_max=True),
)
@settings(deadline=None)
def test_training_always_ends_where_judging_begins(
    now: float, ages: list[float], step: str, interval: str, place: float
) -> None:
    spec = a_detector(step=step, interval=interval).spec
    windows = detector_windows(spec, now, [now - age for age in ages], SETTINGS, place=place)
    assert windows.start < windows.judged_from <= windows.now <= now + 1e-5
    assert windows.now - windows.judged_from + windows.step >= windows.lookback - 1e-6
    for moment in (windows.start, windows.judged_from, windows.now):
        assert moment / windows.step == pytest.approx(round(moment / windows.step))


REFUSED = {
    "a window too short to train": ({"trainingWindow": "10m"}, "trainingWindow 10m holds 10 points .* at least 30m"),
    "a window with too many points": ({"trainingWindow": "100w", "step": "1s"}, "at most 50000000 are allowed"),
    "a step below a second": ({"step": "100ms"}, "step is 100ms; it must be at least 1s"),
    "an interval below the smallest": ({"interval": "500ms"}, "interval is 500ms; it must be at least 1s"),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_an_impossible_detector_is_refused_with_a_sentence(fields: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        detector_windows(a_detector(**fields).spec, NOW, [], SETTINGS)


def test_the_history_of_a_policy_ends_now() -> None:
    window = history_window(a_policy().spec, NOW + 59, SETTINGS)
    assert (window.start, window.now) == (NOW - HOUR, NOW)


HISTORY_REFUSED = {
    "a window that can never be enough": ({"window": "6h", "minDuration": "1d"}, "no history could ever be enough"),
    "a window below its step": ({"window": "30s", "step": "1m", "minDuration": "1s"}, "shorter than history.step"),
    "too many points": ({"window": "100w", "step": "1s"}, "at most"),
}


@pytest.mark.parametrize(("fields", "message"), HISTORY_REFUSED.values(), ids=HISTORY_REFUSED.keys())
def test_an_impossible_history_is_refused_with_a_sentence(fields: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        history_window(a_policy(history=fields).spec, NOW, SETTINGS)
