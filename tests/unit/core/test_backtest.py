"""Walking over a history: what would have been raised, and never by what came later."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.methods.zscore import ZScore
from opssight_detectors.thresholds.base import Bound
from opssight_detectors.thresholds.percentile import Percentile
from opssight_detectors.thresholds.simulation import AlertRule, simulate
from opssight_operator.core.backtest import Alert, Walk, agreement, backtest_detector, backtest_threshold

MINUTE, HOUR = 60.0, 3600.0
WALK = Walk(training_seconds=2 * HOUR, refit_seconds=HOUR)


def history(rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 1.7e9 + MINUTE * np.arange(rows), rng.normal(100, 1, (rows, 2))


def test_an_incident_is_one_alert_with_its_delay_and_its_share_of_time() -> None:
    times, values = history()
    values[300:310, 1] += 30
    labelled = [(float(times[298]), float(times[310])), (float(times[500]), float(times[510]))]
    found = backtest_detector(ZScore(sensitivity=6.0), times, values, WALK, incidents=labelled)
    (alert,) = found.alerts
    assert (alert.series, alert.start, alert.end, alert.is_open) == (1, times[300], times[310], False)
    assert "expected 100" in alert.explanation
    assert (found.judged_from, found.judged_to) == (times[120], times[-1] + MINUTE)
    assert found.share_of_time == pytest.approx(10 / (480 * 2))
    assert found.episodes_per_week == pytest.approx(7 * 24 / 8)
    assert found.agreement is not None
    told = found.agreement
    assert (told.detected, told.precision, told.recall, told.median_delay) == (1, 1.0, 0.5, 2 * MINUTE)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(130, 590))
def test_what_comes_later_changes_no_alert_before_it(seed: int, changed_from: int) -> None:
    times, values = history(seed=seed)
    other = values.copy()
    other[changed_from:] = -50
    cut = times[changed_from]
    for run in (
        lambda v: backtest_detector(ZScore(sensitivity=2.0), times, v, WALK),
        lambda v: backtest_threshold(Percentile(95.0), times, v, WALK, AlertRule(0.0)),
    ):
        before = [{(a.series, a.start) for a in run(v).alerts if a.start < cut} for v in (values, other)]
        assert before[0] == before[1]
        assert before[0] or changed_from < 200, "there is something to compare"


@settings(max_examples=25, deadline=None)
@given(st.floats(98, 102), st.sampled_from(list(Bound)), st.sampled_from([0.0, 60.0, 120.0]), st.integers(0, 99))
def test_a_fixed_threshold_raises_what_its_rule_raises(level: float, bound: Bound, hold: float, seed: int) -> None:
    times, values = history(rows=200, seed=seed)
    rule = AlertRule(level, bound, hold, hold)
    found = backtest_threshold(level, times, values, WALK, rule)
    expected = simulate(times[120:], values[120:], rule)
    told = sorted((a.series, a.start, a.end, a.is_open) for a in found.alerts)
    assert told == list(zip(expected.series, expected.start, expected.end, expected.open, strict=True))


def test_each_block_has_the_threshold_of_the_window_before_it() -> None:
    times, values = history(rows=300)
    found = backtest_threshold(Percentile(95.0), times, values, WALK, AlertRule(0.0))
    raised = {(a.series, a.start) for a in found.alerts}
    for first in (120, 180, 240):
        limit = np.percentile(values[first - 120 : first], 95, axis=0)
        block = slice(first, first + 60)
        for series in (0, 1):
            beyond = np.concatenate([[values[first - 1, series] > np.inf], values[block, series] > limit[series]])
            starts = times[block][beyond[1:] & ~beyond[:-1]]
            inner = starts[1:] if beyond[1] else starts  # the first row may go on from the block before
            assert {(series, t) for t in inner} <= raised


def test_agreement_with_nothing_is_unknown_and_not_zero() -> None:
    alert = Alert(0, 10.0, 20.0, False, "")
    assert np.isnan([agreement([], []).precision, agreement([], []).recall, agreement([], [(1, 2)]).median_delay]).all()
    assert agreement([alert], []).precision == 0.0
    assert agreement([alert], [(20.0, 30.0)]).detected == 0, "the end of an alert is no part of it"


REFUSED = {
    "training_seconds must be less than the history of 5940 seconds, not 7200": (100, WALK),
    "refit_seconds must be long enough for at most 1000 blocks, not 4.94066e-324 (inf blocks)": (
        600,
        Walk(7200, 5e-324),
    ),
    "refit_seconds must be long enough for at most 1000 blocks, not 1 (28,741 blocks)": (600, Walk(7200, 1)),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_walk_that_cannot_be_is_refused(sentence: str) -> None:
    rows, walk = REFUSED[sentence]
    times, values = history(rows)
    with pytest.raises(ValueError) as refused:
        backtest_detector(ZScore(), times, values, walk)
    assert str(refused.value) == sentence
