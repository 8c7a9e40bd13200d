"""Consecutive anomalous points are one episode."""

import math

import numpy as np
import pytest

from opssight_detectors.base import Scores
from opssight_detectors.episodes import EpisodeRules, episodes_of
from opssight_detectors.severity import Severity, severities_of, severity_of

X = math.nan


def episodes(scores, rules=None, times=None):
    block = np.array(scores, dtype=float)[:, None]
    seconds = np.arange(len(block)) * 60.0 if times is None else np.array(times, dtype=float)
    nothing = np.zeros_like(block)
    made = Scores(block, nothing, nothing, nothing, np.zeros(block.shape, dtype=np.int8))
    return episodes_of(seconds, block * 10, made, rules)


@pytest.mark.parametrize(
    ("scores", "rules", "rows"),
    [
        ([0, 0, 0], None, []),
        ([0, 1.0, 0], None, []),  # at the boundary is not above it
        ([0, 1.1, 0], None, [(1, 1)]),
        ([0, 2, 3, 2, 0], None, [(1, 3)]),
        ([0, 2, 0.9, 2, 0], None, [(1, 3)]),  # between closing and opening the episode goes on
        ([0, 0.9, 2, 0.9, 0], None, [(2, 3)]),  # but it starts with the first point above 1
        ([0, 0.9, 0.95, 0], None, []),
        ([0, 2, 0.7, 2, 0], None, [(1, 1), (3, 3)]),
        ([0, 2, 0.7, 2, 0], EpisodeRules(gap_tolerance=120), [(1, 3)]),
        ([0, 2, 0.7, 0.7, 2, 0], EpisodeRules(gap_tolerance=120), [(1, 1), (4, 4)]),
        ([0, 2, X, 2, 0], None, [(1, 3)]),  # a missing sample is not a return to normal
        ([0, 2, X, X, 2, 0], EpisodeRules(missing_tolerance=120), [(1, 1), (4, 4)]),
        ([X, X], None, []),
    ],
)
def test_rows_of_the_episodes(scores, rules, rows):
    assert [(e.start_row, e.end_row) for e in episodes(scores, rules)] == rows


def test_an_episode_knows_its_times_and_its_peak():
    (episode,) = episodes([0, 1.2, 2.6, 1.1, 0])
    assert (episode.start, episode.end, episode.peak_time) == (60, 180, 120)
    assert (episode.peak, episode.peak_score, episode.deviation) == (26, 2.6, 26)
    assert episode.severity is Severity.HIGH
    assert not episode.is_open


def test_an_episode_that_reaches_the_newest_sample_is_open():
    assert episodes([0, 2, 2])[0].is_open
    assert episodes([0, 2, X])[0].is_open
    assert not episodes([0, 2, 0])[0].is_open


def test_rows_that_are_far_apart_in_time_are_still_neighbours():
    assert len(episodes([0, 2, 2, 0], times=[0, 86400, 200000, 300000])) == 1


@pytest.mark.parametrize(
    ("score", "severity"),
    [(X, "None"), (0, "None"), (1, "None"), (1.01, "Low"), (1.6, "Medium"), (2.5, "High"), (9, "Critical")],
)
def test_one_table_gives_the_severity(score, severity):
    assert severity_of(score).label == severity
    assert Severity(int(severities_of(np.array([score]))[0])).label == severity


@pytest.mark.parametrize(
    ("arguments", "message"), [({"close_below": 1.5}, "close_below"), ({"gap_tolerance": -1}, "gap_tolerance")]
)
def test_rules_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        EpisodeRules(**arguments)
