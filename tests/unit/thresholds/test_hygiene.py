"""What history may teach."""

import math

import numpy as np
import pytest

from opssight_detectors.thresholds import Bound, Exclusion, Percentile, allowed_step, facts, without

TIMES = 60.0 * np.arange(100)


def test_an_outage_left_out_teaches_nothing():
    values = np.ones(100)
    values[40:60] = 50.0
    cleaned = without(TIMES, values, [Exclusion(TIMES[40], TIMES[60])])
    assert Percentile(95).estimate(TIMES, values, Bound.UPPER).value == 50
    learned = Percentile(95).estimate(TIMES, cleaned, Bound.UPPER)
    assert (learned.value, learned.samples, learned.coverage) == (1.0, 80, 0.8)
    assert values[50] == 50.0  # the history itself stays


EXCLUSIONS = {
    "the end is not part of it": (Exclusion(120.0, 240.0), {}, [2, 3]),
    "what led to it goes too": (Exclusion(240.0, 300.0), {"before_seconds": 120.0}, [2, 3, 4]),
    "and what followed": (Exclusion(240.0, 300.0), {"after_seconds": 61.0}, [4, 5, 6]),
    "an exclusion before the history": (Exclusion(-900.0, -60.0), {}, []),
    "an exclusion beyond its end": (Exclusion(5820.0, 1e9), {}, [97, 98, 99]),
}


@pytest.mark.parametrize("case", EXCLUSIONS)
def test_which_rows_go(case):
    exclusion, stretch, rows = EXCLUSIONS[case]
    assert np.flatnonzero(np.isnan(without(TIMES, np.ones(100), [exclusion], **stretch)[:, 0])).tolist() == rows


def test_an_exclusion_may_be_for_some_series_alone():
    cleaned = without(TIMES, np.ones((100, 3)), [Exclusion(0.0, 600.0, (1,))])
    assert np.isnan(cleaned).sum(axis=0).tolist() == [0, 10, 0]


def test_facts_tell_what_was_left():
    values = np.ones((100, 1))
    values[90:] = math.nan
    left = facts(TIMES, values, without(TIMES, values, [Exclusion(0.0, 600.0), Exclusion(1200.0, 2280.0)]))
    assert (left.samples, left.duration) == (62, 60.0 * 79)
    assert left.coverage == pytest.approx(62 / 80) and left.excluded == pytest.approx(28 / 90)
    nothing = facts(TIMES, np.full((100, 1), math.nan))
    assert (nothing.samples, nothing.duration, nothing.coverage, nothing.excluded) == (0, 0.0, 0.0, 0.0)


def test_more_history_narrows_the_change_allowed():
    steps = [allowed_step(0.25, days, 14.0) for days in (0.1, 3.5, 7, 14, 28)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] == 0.5 and steps[-2:] == [0.25, 0.25]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="must not end before it starts"):
        Exclusion(10.0, 5.0)
    with pytest.raises(ValueError, match="0 or more seconds"):
        without(TIMES, np.ones(100), [], before_seconds=-1.0)
    with pytest.raises(ValueError, match="must be more than 0"):
        allowed_step(0.0, 1.0, 1.0)
