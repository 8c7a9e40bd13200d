"""What every method owes its users, whatever its formula."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from opssight_detectors.base import Detector, Model, PointState
from opssight_detectors.hygiene import Guarded
from opssight_detectors.registry import METHODS, describe, detector_of

ROWS = 160
TRAINING = 130
EVERY = {name: detector_of(name) for name in METHODS} | {
    "Autoencoder, Network": detector_of("Autoencoder", kind="Network", epochs=5),
    "PeerOutlier, Density": detector_of("PeerOutlier", measure="Density"),
    "Shewhart, all rules": detector_of(
        "Shewhart", rules=("SixTrending", "FourteenAlternating", "FifteenWithinOneSigma", "EightBeyondOneSigma")
    ),
    "Guarded ZScore": Guarded(detector_of("ZScore"), accept_after=600),
    "Guarded CUSUM": Guarded(detector_of("CUSUM"), accept_after=600),
}
ALONE = [name for name, detector in EVERY.items() if not getattr(detector, "compares_series", False)]
SPIKE_FINDERS = [name for name in EVERY if not name.startswith(("EWMA", "CUSUM", "Guarded CUSUM", "Shewhart, all"))]


def block(seed=0, series=5):
    rng = np.random.default_rng(seed)
    times = np.arange(ROWS) * 60.0
    return times, 100 + rng.normal(0, 2, (ROWS, series))


def judged(name, times, values, training=TRAINING):
    return EVERY[name].fit(times[:training], values[:training]).score(times[training:], values[training:])


def check_contract(scores, values):
    shape = values.shape
    for array in (scores.score, scores.expected, scores.lower, scores.upper, scores.state):
        assert array.shape == shape
    missing = ~np.isfinite(values)
    assert (scores.state[missing] == PointState.NO_DATA).all()
    assert (scores.state[~missing] != PointState.NO_DATA).all()
    scored = scores.state == PointState.SCORED
    assert np.isnan(scores.score[~scored]).all()
    assert (scores.score[scored] >= 0).all()  # and not NaN
    assert not np.isinf(scores.score).any()


@pytest.mark.parametrize("name", EVERY)
def test_it_is_a_detector_with_a_model(name):
    times, values = block()
    model = EVERY[name].fit(times, values)
    assert isinstance(EVERY[name], Detector)
    assert isinstance(model, Model)
    assert dataclasses.is_dataclass(EVERY[name])


@pytest.mark.parametrize("name", EVERY)
def test_missing_samples_have_no_score_and_teach_nothing_wrong(name):
    times, values = block()
    values[3::7] = np.nan
    values[:, 4] = np.nan
    check_contract(judged(name, times, values), values[TRAINING:])


@pytest.mark.parametrize("name", EVERY)
def test_a_constant_series_never_alarms(name):
    times = np.arange(ROWS) * 60.0
    for constant in (0.0, 1.0, -7.5, 1e9, 1e-9, 0.1 + 0.2):
        values = np.full((ROWS, 5), constant)
        scores = judged(name, times, values)
        check_contract(scores, values[TRAINING:])
        assert not (scores.score > 1).any()


@pytest.mark.parametrize("name", SPIKE_FINDERS)
def test_a_jump_off_a_constant_alarms(name):
    times = np.arange(ROWS) * 60.0
    values = np.full((ROWS, 5), 10.0)
    values[TRAINING + 5, 2] = 1000.0
    scores = judged(name, times, values)
    assert scores.score[5, 2] > 1
    assert not (scores.score[:5] > 1).any()


@pytest.mark.parametrize("name", SPIKE_FINDERS)
def test_a_spike_in_noise_alarms_on_the_right_series(name):
    times, values = block(seed=2)
    values[TRAINING + 7, 1] += 80
    score = judged(name, times, values).score
    assert score[7, 1] > 1
    assert score[7].argmax() == 1


# the rules of "Shewhart, all rules" look at patterns and not at levels
@pytest.mark.parametrize("name", [name for name in EVERY if name != "Shewhart, all rules"])
def test_a_lasting_shift_alarms_within_ten_points(name):
    times, values = block(seed=4)
    values[TRAINING:, 3] += 12
    score = judged(name, times, values).score
    assert (score[:10, 3] > 1).any()


@pytest.mark.parametrize("name", EVERY)
def test_two_points_are_warming_up(name):
    times, values = block()
    scores = EVERY[name].fit(times[:1], values[:1]).score(times[1:2], values[1:2])
    assert (scores.state == PointState.WARMING_UP).all()
    assert np.isnan(scores.score).all()


@pytest.mark.parametrize("name", EVERY)
def test_nothing_to_learn_from_and_nothing_to_judge_are_no_errors(name):
    times, values = block()
    empty = EVERY[name].fit(times[:0], values[:0])
    assert (empty.score(times[:3], values[:3]).state == PointState.WARMING_UP).all()
    assert EVERY[name].fit(times, values).score(times[:0], values[:0]).score.shape == (0, 5)


@pytest.mark.parametrize("name", EVERY)
def test_scoring_is_repeatable_and_never_teaches(name):
    times, values = block()
    model = EVERY[name].fit(times[:TRAINING], values[:TRAINING])
    first = model.score(times[TRAINING:], values[TRAINING:])
    model.score(times[TRAINING:], values[TRAINING:] * 9)
    again = EVERY[name].fit(times[:TRAINING], values[:TRAINING]).score(times[TRAINING:], values[TRAINING:])
    np.testing.assert_array_equal(model.score(times[TRAINING:], values[TRAINING:]).score, first.score)
    np.testing.assert_array_equal(again.score, first.score)


@pytest.mark.parametrize("name", EVERY)
def test_a_later_point_never_changes_an_earlier_score(name):
    times, values = block()
    other = values.copy()
    other[TRAINING + 15 :] = 1e6
    np.testing.assert_allclose(
        judged(name, times, values).score[:15], judged(name, times, other).score[:15], rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", EVERY)
def test_updates_row_by_row_equal_updates_in_blocks(name):
    times, values = block(seed=6)
    values[TRAINING + 3, 0] = np.nan
    values[TRAINING + 5 : TRAINING + 12, 1] += 50
    rows = EVERY[name].fit(times[:TRAINING], values[:TRAINING])
    blocks = rows
    for row in range(TRAINING, ROWS - 2):
        rows = rows.update(times[row : row + 1], values[row : row + 1])
    for start, stop in ((TRAINING, TRAINING + 7), (TRAINING + 7, TRAINING + 8), (TRAINING + 8, ROWS - 2)):
        blocks = blocks.update(times[start:stop], values[start:stop])
    newest = slice(ROWS - 2, ROWS)
    np.testing.assert_allclose(
        rows.score(times[newest], values[newest]).score,
        blocks.score(times[newest], values[newest]).score,
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("name", ALONE)
def test_a_series_is_judged_alone(name):
    times, values = block(seed=7)
    values[TRAINING + 4 :, 0] += 1e6
    together = judged(name, times, values).score[:, 2]
    np.testing.assert_allclose(judged(name, times, values[:, [2]]).score[:, 0], together, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_the_unit_of_the_metric_does_not_matter(name):
    times, values = block(seed=8)
    values[TRAINING + 4, 0] += 30
    np.testing.assert_allclose(
        judged(name, times, values * 1024).score, judged(name, times, values).score, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", EVERY)
def test_gaps_repeated_and_backward_times_are_no_errors(name):
    times, values = block()
    times = times.copy()
    times[50:] += 86400
    times[60] = times[59]
    times[140:] -= 7200
    check_contract(judged(name, times, values), values[TRAINING:])


STRANGE = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 1e-300, 5e-324, 2.0**63, -(2.0**63)])


@pytest.mark.parametrize("name", EVERY)
@given(
    values=arrays(np.float64, (40, 4), elements=st.one_of(STRANGE, st.floats(allow_nan=True, allow_infinity=True))),
    step=st.sampled_from([1e-3, 60.0, 86400.0]),
)
@example(values=np.full((40, 4), 1e300), step=60.0)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_float_is_an_error(name, values, step):
    values = np.tile(values, (4, 1))
    times = np.arange(len(values)) * step
    model = EVERY[name].fit(times[:120], values[:120]).update(times[120:130], values[120:130])
    check_contract(model.score(times[130:], values[130:]), values[130:])


@pytest.mark.parametrize("name", EVERY)
def test_wrong_shapes_are_named(name):
    times, values = block()
    with pytest.raises(ValueError, match="values must be"):
        EVERY[name].fit(times[:5], values)
    with pytest.raises(ValueError, match="times must be finite"):
        EVERY[name].fit(np.full(ROWS, np.nan), values)


def test_every_method_describes_itself_and_its_parameters():
    for method in describe():
        assert method.summary.endswith(".")
        for parameter in method.parameters:
            assert parameter.text
            assert parameter.allowed


@pytest.mark.parametrize("method", describe(), ids=lambda method: method.name)
def test_the_docs_page_lists_the_parameters_that_the_code_has(method):
    page = (Path(__file__).parents[3] / "docs" / "detectors" / f"{method.name}.md").read_text()
    listed = [line.split("`")[1::2][:2] for line in page.splitlines() if line.startswith("| `")]
    assert listed == [[parameter.yaml_name, str(parameter.default)] for parameter in method.parameters]


def test_importing_the_library_loads_numpy_and_nothing_heavier():
    code = (
        "import opssight_detectors.engine, sys; print([m for m in ('sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
