"""What single methods promise beyond the common contract."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from opssight_detectors.base import PointState, Scores
from opssight_detectors.engine import detect_anomalies
from opssight_detectors.hygiene import Guarded
from opssight_detectors.joint import judge_together
from opssight_detectors.kernels.local_time import local_seconds
from opssight_detectors.methods.autoencoder import Autoencoder
from opssight_detectors.methods.isolation_forest import IsolationForest
from opssight_detectors.methods.peer_outlier import PeerOutlier
from opssight_detectors.methods.seasonal import Seasonal
from opssight_detectors.methods.spc import CUSUM, EWMA, Shewhart
from opssight_detectors.methods.zscore import ZScore
from opssight_detectors.review import rank_live, rank_past

HOUR = 3600.0
BERLIN = ZoneInfo("Europe/Berlin")


def one(values):
    return np.asarray(values, dtype=float)[:, None]


def shop_hours(days, start, zone=BERLIN):
    """Busy from 9 to 17 on the wall clock, one sample every ten minutes."""
    times = start + np.arange(days * 144) * 600.0
    hours = np.array([dt.datetime.fromtimestamp(t, tz=zone).hour for t in times])
    noise = np.random.default_rng(0).normal(0, 1, len(times))
    return times, one(np.where((hours >= 9) & (hours < 17), 100.0, 20.0) + noise)


class TestSeasonal:
    def test_the_usual_rush_is_expected_and_the_same_value_at_night_is_not(self):
        times, values = shop_hours(10, 1_700_000_000.0)
        model = Seasonal(time_zone="Europe/Berlin").fit(times[:1296], values[:1296])
        scores = model.score(times[1296:], values[1296:])
        assert not (scores.score > 1).any()
        night = np.flatnonzero(values[1296:, 0] < 60)[5]
        assert model.score(times[1296 + night : 1297 + night], one([100.0])).score[0, 0] > 1

    def test_a_daylight_saving_change_moves_nothing(self):
        change = dt.datetime(2024, 3, 31, 3, tzinfo=BERLIN).timestamp()
        times, values = shop_hours(16, change - 14 * 86400)
        before = times < change
        by_zone = {}
        for zone in ("Europe/Berlin", "UTC"):
            model = Seasonal(time_zone=zone).fit(times[before], values[before])
            by_zone[zone] = int((model.score(times[~before], values[~before]).score > 1).sum())
        assert by_zone["Europe/Berlin"] == 0
        assert by_zone["UTC"] > 0

    def test_it_needs_no_full_season_and_says_what_it_lacks(self):
        times, values = shop_hours(1, 1_700_002_800.0)
        model = Seasonal(min_samples=24).fit(times[:60], values[:60])
        assert model.missing_hours[0] == 14
        assert (model.score(times[60:], values[60:]).state == PointState.SCORED).all()

    def test_weekends_have_their_own_hours_after_two_weeks(self):
        times = 1_700_006_400.0 + np.arange(28 * 24) * HOUR
        weekday = np.array([dt.datetime.fromtimestamp(t, tz=dt.UTC).weekday() for t in times])
        rng = np.random.default_rng(1)
        values = one(np.where(weekday < 5, 100.0, 10.0) + rng.normal(0, 1, len(times)))
        model = Seasonal().fit(times[:504], values[:504])
        expected = model.score(times[504:], values[504:]).expected[:, 0]
        error = np.abs(expected - values[504:, 0])
        assert np.median(error[weekday[504:] >= 5]) < 30

    def test_local_time_follows_the_clock_of_the_zone(self):
        summer = dt.datetime(2024, 7, 1, 12, tzinfo=BERLIN).timestamp()  # a Monday
        winter = dt.datetime(2024, 1, 1, 12, tzinfo=BERLIN).timestamp()  # a Monday too
        seconds = local_seconds(np.array([summer, winter]), "Europe/Berlin")
        assert (np.mod(seconds, 7 * 86400) == 12 * HOUR).all()


class TestControlCharts:
    def test_a_small_lasting_shift_is_found_by_sums_before_single_points_see_it(self):
        rng = np.random.default_rng(3)
        training, shifted = one(rng.normal(0, 1, 400)), one(rng.normal(1.5, 1, 40))
        times = np.arange(440.0)
        first = {}
        for detector in (Shewhart(rules=("BeyondThreeSigma",)), EWMA(), CUSUM()):
            score = detector.fit(times[:400], training).score(times[400:], shifted).score[:, 0]
            alarms = np.flatnonzero(score > 1)
            first[type(detector).__name__] = alarms[0] if len(alarms) else 99
        assert first["EWMA"] < 15
        assert first["CUSUM"] < 15

    def test_the_shewhart_chart_names_the_rule(self):
        times = np.arange(140.0)
        training = one(np.tile([9.0, 11.0], 50))
        scores = Shewhart().fit(times[:100], training).score(times[100:109], one([10.5] * 9))
        assert scores.score[-1, 0] > 1
        assert scores.cause_at(8, 0) == "EightOnASide"

    def test_a_cusum_comes_back_after_an_incident(self):
        rng = np.random.default_rng(4)
        values = one(np.concatenate([rng.normal(0, 1, 200), np.full(50, 100.0), rng.normal(0, 1, 60)]))
        times = np.arange(310.0)
        score = CUSUM().fit(times[:200], values[:200]).score(times[200:], values[200:]).score[:, 0]
        assert (score[:50] > 1).all()
        assert not (score[-20:] > 1).any()

    def test_an_unknown_rule_is_named(self):
        with pytest.raises(ValueError, match=r"rules must be one of BeyondThreeSigma, .*, not 'Gut'"):
            Shewhart(rules=("Gut",))


class TestForestAndCode:
    def test_the_forest_sees_noise_that_grows_around_the_same_mean(self):
        rng = np.random.default_rng(5)
        times = np.arange(1000) * 60.0
        values = one(50 + rng.normal(0, 2, 1000))
        values[900:930] = 50 + 4 * (values[900:930] - 50)
        scores = IsolationForest().fit(times[:800], values[:800]).score(times[800:], values[800:])
        score = scores.score[:, 0]
        assert (score[:100] > 1).sum() <= 2
        assert (score[100:130] > 1).sum() >= 5
        assert {scores.cause_at(row, 0) for row in range(100, 130)} <= set(scores.causes)

    @pytest.mark.parametrize("kind", ["Linear", "Network"])
    def test_a_code_misses_a_beat(self, kind):
        rng = np.random.default_rng(6)
        times = np.arange(1500) * 60.0
        values = one(np.sin(np.arange(1500) * 2 * np.pi / 12) + rng.normal(0, 0.05, 1500))
        values[1300:1306] = values[1306:1312]  # half a period out of step
        score = Autoencoder(kind=kind).fit(times[:1200], values[:1200]).score(times[1200:], values[1200:]).score[:, 0]
        assert not (score[:95] > 1).any()
        assert (score[100:115] > 1).any()

    def test_the_network_depends_on_its_seed_alone(self):
        times, values = np.arange(300.0), one(np.random.default_rng(7).normal(size=300))
        first, again, other = (
            Autoencoder(kind="Network", epochs=20, seed=seed).fit(times, values).score(times, values).score
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, other)


class TestPeers:
    def test_what_all_share_is_no_outlier_and_who_differs_is(self):
        rng = np.random.default_rng(8)
        load = np.concatenate([np.full(60, 20.0), np.full(20, 80.0)])[:, None]
        values = load + rng.normal(0, 1, (80, 6)) + np.array([0, 0, 5, 0, 0, 0])
        values[70, 3] += 25
        times = np.arange(80) * 60.0
        for measure in ("Median", "Density"):
            score = PeerOutlier(measure=measure).fit(times[:50], values[:50]).score(times[50:], values[50:]).score
            assert np.argwhere(score > 1).tolist() == [[20, 3]]

    def test_too_few_peers_are_no_judgement(self):
        times, values = np.arange(20.0), np.ones((20, 3))
        state = PeerOutlier().fit(times, values).score(times, values).state
        assert (state == PointState.WARMING_UP).all()


class TestHygiene:
    def shifted(self, rows_after, height=50.0):
        rng = np.random.default_rng(9)
        values = one(np.concatenate([rng.normal(10, 1, 100), rng.normal(10 + height, 1, rows_after)]))
        return np.arange(100 + rows_after) * 60.0, values

    def test_an_incident_does_not_widen_the_band_it_broke(self):
        times, values = self.shifted(30)
        plain = ZScore().fit(times[:100], values[:100]).update(times[100:], values[100:])
        guarded = Guarded(ZScore(), accept_after=2 * HOUR).fit(times[:100], values[:100])
        guarded = guarded.update(times[100:], values[100:])
        judge = (times[-1:] + 60, one([40.0]))
        assert plain.score(*judge).score[0, 0] < 1
        assert guarded.score(*judge).score[0, 0] > 1
        assert np.isnan(guarded.moved_at[0])

    def test_a_shift_that_lasts_is_the_new_baseline(self):
        times, values = self.shifted(100)
        model = Guarded(ZScore(sensitivity=4), accept_after=HOUR).fit(times[:100], values[:100])
        model = model.update(times[100:], values[100:])
        assert model.moved_at[0] == times[160]
        after = model.score(times[-1:] + 60, one([60.0]))
        assert after.score[0, 0] < 1
        assert after.expected[0, 0] == pytest.approx(60, abs=1)
        assert model.score(times[-1:] + 60, one([10.0])).score[0, 0] > 1

    def test_a_baseline_that_moved_keeps_learning_and_can_move_again(self):
        times, values = self.shifted(200)
        values[200:] -= 100
        model = Guarded(ZScore(sensitivity=4), accept_after=HOUR).fit(times[:100], values[:100])
        model = model.update(times[100:], values[100:])
        assert model.moved_at[0] == times[260]
        assert model.score(times[-1:] + 60, one([-40.0])).score[0, 0] < 1


class TestJoint:
    def scores(self, *values):
        block = np.array([values], dtype=float).T
        state = np.where(np.isnan(block), PointState.NO_DATA, PointState.SCORED).astype(np.int8)
        return Scores(block, block, block, block, state)

    @pytest.mark.parametrize(
        ("each", "joint"),
        [
            ((1, 1), 1),
            ((1, 1, 0), 1),
            ((1, 0, 0), np.sqrt(0.5)),
            ((2, 0, 0), np.sqrt(2)),
            ((0.9, 0.9, 0.9), 0.9 * np.sqrt(1.5)),  # three mild ones together are anomalous
            ((0, 0), 0),
            ((1.5, np.nan), 1.5),  # who has no score has no vote
            ((np.nan, np.nan), np.nan),
        ],
    )
    def test_the_joint_score(self, each, joint):
        judged = judge_together([self.scores(value) for value in each], [f"q{i}" for i in range(len(each))])
        np.testing.assert_allclose(judged.score[0, 0], joint)

    def test_contributions_say_who_decided(self):
        judged = judge_together([self.scores(0.5), self.scores(2.0)], ["memory", "cpu"])
        assert judged.contribution[:, 0, 0].sum() == pytest.approx(1)
        assert judged.loudest(0, 0) == "cpu"
        assert judged.contribution[1, 0, 0] == pytest.approx(4 / 4.25)


class TestReview:
    def record(self):
        rng = np.random.default_rng(10)
        times = np.arange(1500) * 300.0
        values = np.sin(np.arange(1500) * 2 * np.pi / 48) + rng.normal(0, 0.1, 1500)
        values[1000:1040] = 0.0
        return times, values

    @pytest.mark.parametrize("rank", [rank_past, lambda t, v: rank_live(t, v, 500)])
    def test_the_strangest_stretch_ranks_first(self, rank):
        score = rank(*self.record())
        assert score.shape == (1500,)
        assert 960 <= int(score.argmax()) <= 1140

    def test_a_live_rank_uses_no_later_point(self):
        times, values = self.record()
        other = values.copy()
        other[1100:] = 7.0
        np.testing.assert_allclose(rank_live(times, values, 500)[:1100], rank_live(times, other, 500)[:1100])


def test_a_list_can_be_judged_by_its_own_past():
    values = [10 + (i * 7 % 5) / 5 for i in range(200)]
    values[150] = 60
    assert 150 in detect_anomalies(values, method="Adaptive").indices
