"""A planted pattern is found and named; chance is not taken for a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from opssight_detectors.patterns.evidence import Evidence, Window, gather
from opssight_detectors.patterns.findings import Finding
from opssight_detectors.patterns.incidents import no_incidents
from opssight_detectors.patterns.report import analyse
from opssight_detectors.patterns.sections import SECTIONS
from opssight_detectors.patterns.tables import incidents_from_records
from oracles import patterns_worlds as worlds

PLANTED: dict[str, tuple[Callable, str, str, str, str]] = {
    "an outage has its hour": (worlds.outage_at_two, "HourOfDay", "Hour", "14:00", "in shop/checkout|CheckoutErrors"),
    "an outage has its service": (worlds.outage_at_two, "ResourceTypes", "Service", "checkout", "12 of"),
    "an outage has its resource type": (worlds.outage_at_two, "ResourceTypes", "ResourceType", "Deployment", "12 of"),
    "an outage has its error": (
        worlds.outage_at_two, "ErrorPatterns", "Grown", "connection to <*> refused after <*> ms",
        "in shop/checkout .12.*It was never seen before",
    ),
    "an outage is a kind of incident": (worlds.outage_at_two, "Clusters", "Kinds", "kinds of incident",
        r"CheckoutErrors in shop/checkout \(12 incidents: 14:",
   ),
    "a link flaps": (
        worlds.a_flapping_link, "Flapping", "Flapping", "LinkDown", "fired 10 times and came back 9 times within 3 min"
    ),
    "two fire together": (
        worlds.two_that_fire_together, "CoOccurrence", "Pair", "DatabaseDown & SlowCheckout", "9 times: 100%"
    ),
    "two always fire together": (
        worlds.two_that_fire_together, "CoOccurrence", "AlwaysTogether", "DatabaseDown & SlowCheckout", "one notific"
    ),
    "the worse one mutes the other": (
        worlds.two_that_fire_together, "CoOccurrence", "Inhibition", "DatabaseDown mutes SlowCheckout", "100% of Slow"
    ),
    "one announces another": (
        worlds.one_that_announces_another, "Precursors", "Precursor", "DiskFilling → DatabaseDown",
        r"typically 2\d min"
    ),
    "a week comes round": (
        worlds.a_weekly_backup, "Recurrence", "Weekly", "BackupFailed@every Monday 02h",
        "every Monday about 02:.*4 of 4"
    ),
    "a day comes round": (
        worlds.a_daily_job, "Recurrence", "Daily", "NightlyJobLate", r"every day about 04:[23]\d, on 2[45] of"
    ),
    "a day gets worse": (worlds.a_worsening_day, "SeverityTrend", "Window", "rising", "Severity rose over 1 d"),
    "an alert is noisy": (worlds.a_noisy_alert, "NoisyAlerts", "LargeShare", "CPUThrottlingHigh", "resolve 5 min"),
    "an alert is short-lived": (
        worlds.a_noisy_alert, "NoisyAlerts", "ShortLived", "CPUThrottlingHigh", "never lasted longer than 5 min"
    ),
    "a day has far more than usual": (worlds.a_noisy_alert, "HourOfDay", "Total", "all incidents", "times as many"),
}  # fmt: skip


def _evidence(incidents) -> Evidence:
    return gather(incidents, worlds.WINDOW, alpha=0.005, history_start=worlds.WINDOW.end - 28 * worlds.DAY)


def _findings(section: str, incidents) -> tuple[Finding, ...]:
    return SECTIONS[section].find(_evidence(incidents)).findings


@pytest.mark.parametrize(("pattern", "section", "kind", "subject", "words"), PLANTED.values(), ids=PLANTED.keys())
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_pattern_is_found(pattern, section: str, kind: str, subject: str, words: str, seed: int) -> None:
    findings = _findings(section, worlds.plant(pattern, seed))
    matching = [f for f in findings if f.kind == kind and f.subject.startswith(subject)]
    assert matching, [f.subject for f in findings]
    assert re.search(words, matching[0].sentence), matching[0].sentence
    assert matching[0].support >= 3


def _claims(incidents, history_start: float) -> list[str]:
    report = analyse(incidents, worlds.WINDOW, history_start=history_start).report
    return [f.sentence for section in report.sections for f in section.findings if f.p_value is not None]


CHANCE = {
    "a steady stream": {"per_day": 8.0},
    "a stream by day and night": {"per_day": 8.0, "day_cycle": 0.9},
    "a busy day without history": {"per_day": 60.0, "days": 1},
}


@pytest.mark.parametrize("settings", CHANCE.values(), ids=CHANCE.keys())
def test_chance_makes_a_report_claim_something_in_at_most_one_of_twenty(settings: dict) -> None:
    seeds = 20
    reports = [
        _claims(
            worlds.chance_world(np.random.default_rng(seed), **settings),
            worlds.WINDOW.end - settings.get("days", 28) * worlds.DAY,
        )
        for seed in range(seeds)
    ]
    assert sum(bool(claims) for claims in reports) <= seeds / 20, [claims for claims in reports if claims]


def test_bursts_of_one_alert_are_not_taken_for_a_bond_with_another() -> None:
    told = []
    for seed in range(20):
        evidence = _evidence(worlds.bursty_world(np.random.default_rng(seed)))
        for section in ("CoOccurrence", "Precursors", "Recurrence"):
            told += SECTIONS[section].find(evidence).findings
    assert len(told) <= 1


def test_shuffling_the_columns_of_a_world_with_patterns_undoes_what_went_together() -> None:
    rng = np.random.default_rng(1)
    world = worlds.plant(worlds.two_that_fire_together, 1)
    for section in ("CoOccurrence", "Precursors"):
        assert not _findings(section, worlds.shuffled(world, rng))


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_has_nothing_to_say_about_nothing_and_says_why(name: str) -> None:
    outcome = SECTIONS[name].find(gather(no_incidents(), worlds.WINDOW))
    assert outcome.findings == ()
    assert len(outcome.note) > 10


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_takes_rows_that_know_nothing_but_their_start(name: str) -> None:
    bare = incidents_from_records([{"start": worlds.WINDOW.start + 60.0 * i} for i in range(50)], now=worlds.WINDOW.end)
    outcome = SECTIONS[name].find(gather(bare, worlds.WINDOW, history_start=worlds.WINDOW.end - 28 * worlds.DAY))
    assert all(finding.kind in ("Hour", "Total") for finding in outcome.findings)


@pytest.mark.parametrize("name", SECTIONS)
def test_one_incident_is_no_pattern(name: str) -> None:
    one = incidents_from_records(
        [{"start": worlds.WINDOW.start, "name": "Down", "message": "x is down", "severity": "critical"}],
        now=worlds.WINDOW.end,
    )
    outcome = SECTIONS[name].find(gather(one, worlds.WINDOW, history_start=worlds.WINDOW.end - 28 * worlds.DAY))
    assert all(finding.p_value is None for finding in outcome.findings)


def test_an_alert_that_keeps_the_same_rate_at_every_hour_does_not_recur() -> None:
    rows = [{"start": worlds.WINDOW.end - worlds.HOUR * i - 1800.0, "name": "Hourly"} for i in range(24 * 27)]
    assert not _findings("Recurrence", incidents_from_records(rows, now=worlds.WINDOW.end))


def test_a_daily_pattern_is_not_told_again_for_a_weekday() -> None:
    findings = _findings("Recurrence", worlds.plant(worlds.a_daily_job, 5))
    assert [f.kind for f in findings if f.subject.startswith("NightlyJobLate")] == ["Daily"]


def test_a_window_must_start_before_it_ends() -> None:
    with pytest.raises(ValueError, match="must start before it ends"):
        Window(2.0, 2.0)
