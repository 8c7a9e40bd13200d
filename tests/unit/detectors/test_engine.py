"""Anomalies of plain lists."""

import math

import numpy as np
import pytest

from opssight_detectors.engine import detect_anomalies
from opssight_detectors.policy import Policy
from opssight_detectors.severity import Severity

LIST = [10, 12, 11, 50, 13, 12]


def test_the_textbook_example_finds_the_fifty():
    detection = detect_anomalies(LIST)

    (anomaly,) = detection.anomalies
    z = abs(50 - np.mean(LIST)) / np.std(LIST)
    assert (anomaly.index, anomaly.value) == (3, 50)
    assert z == pytest.approx(2.2313, abs=1e-4)
    assert anomaly.score == pytest.approx(z / 2, abs=1e-12)
    assert anomaly.severity is Severity.LOW


def test_a_higher_sensitivity_number_alarms_less():
    assert detect_anomalies(LIST, sensitivity=2.5).anomalies == ()


def test_medians_are_not_moved_by_the_outlier_itself():
    (anomaly,) = detect_anomalies(LIST, method="RobustZScore").anomalies
    assert anomaly.expected == 12
    assert anomaly.severity is Severity.CRITICAL


def test_the_explanation_says_what_was_seen_expected_and_how_far():
    (sentence,) = detect_anomalies(LIST, unit="ms").explanations
    for part in ("observed 50 ms", "expected 18 ms", "32 ms (177.8 %) above", "Low"):
        assert part in sentence
    assert "since" not in sentence


def test_the_explanation_says_since_when_if_times_are_known():
    (sentence,) = detect_anomalies(LIST, times=[60 * i for i in range(6)]).explanations
    assert sentence.endswith("since 1970-01-01T00:03:00Z")


def test_none_is_a_missing_sample():
    detection = detect_anomalies([10, 12, None, 11, 50, 13, 12])
    assert detection.indices == (4,)
    assert detection.samples == 6
    assert math.isnan(detection.scores.score[2, 0])


def test_two_points_are_warming_up():
    detection = detect_anomalies([1, 1000])
    assert detection.warming_up
    assert np.isnan(detection.scores.score).all()


def test_a_policy_can_be_given():
    assert detect_anomalies(LIST, policy=Policy(min_absolute=33)).anomalies == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "Magic"}, "method must be one of Adaptive, ZScore, .*, not 'Magic'"),
        ({"sensitivity": 0}, "sensitivity must be at least 1e-06 and at most 100, not 0"),
        ({"sensitivity": math.nan}, "sensitivity must be a number, not nan"),
        ({"sensitivity": "2"}, "sensitivity must be a number, not '2'"),
        ({"min_samples": 2.5}, "minSamples must be a whole number, not 2.5"),
        ({"colour": 1}, "ZScore has no parameter 'colour'; it has sensitivity"),
        ({"times": [1, 2]}, "times must have one entry for each of the 6 values, not 2"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        detect_anomalies(LIST, **arguments)


@pytest.mark.parametrize("values", [["a"], [[1, 2], [3, 4]], [10**400]])
def test_values_that_are_no_numbers_are_refused(values):
    with pytest.raises(ValueError, match="values must be"):
        detect_anomalies(values)
