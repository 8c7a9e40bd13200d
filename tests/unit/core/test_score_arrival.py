"""When Prometheus is asked for the scores of a detector, and what is said then."""

from __future__ import annotations

import pytest

from builders import NOW
from opssight_operator.api.conditions import Condition, Reason
from opssight_operator.core.conditions import Verdict
from opssight_operator.core.observation import ScoreArrival
from opssight_operator.core.score_arrival import arrival_due, may_be_asked, with_arrival
from opssight_operator.settings import Settings

SETTINGS = Settings(status_heartbeat_seconds=900.0, rule_check_seconds=30.0)
HOUR = 3600.0


def loaded(reason: str) -> list[Condition]:
    return [Condition(type="RuleLoaded", status="True", reason=reason)]


# the reason of RuleLoaded, seconds of export, interval
DUE: dict[str, tuple[str, float, float, bool]] = {
    "not before there was a scrape": ("Loaded", 119.0, 10.0, False),
    "not before two intervals": ("Loaded", 1199.0, 600.0, False),
    "in a few runs when there must have been a scrape": ("Loaded", 125.0, 10.0, True),
    "also when two of three runs were skipped": ("Loaded", 1200.0 + 1790.0, 600.0, True),
    "and not for ever": ("Loaded", 240.0, 10.0, False),
    "at each run while the scores do not arrive": ("ScoresNotScraped", HOUR, 10.0, True),
    "when the rule is loaded later than the scores are exported": ("NotLoaded", HOUR, 10.0, True),
    "but never without scores of our own": ("ScoresNotScraped", 0.0, 10.0, False),
}


@pytest.mark.parametrize(("reason", "exported", "interval", "due"), DUE.values(), ids=DUE)
def test_when_it_is_asked(reason: str, exported: float, interval: float, due: bool) -> None:
    quiet = Settings(status_heartbeat_seconds=0.0, rule_check_seconds=30.0)
    assert arrival_due(loaded(reason), exported, NOW, interval, quiet, "uid") is due


def test_while_all_is_well_it_is_asked_once_in_a_heartbeat_and_not_by_all_at_once() -> None:
    minutes = range(24 * 60)
    asked = {
        uid: [m for m in minutes if arrival_due(loaded("Loaded"), HOUR, NOW + 60 * m, 60.0, SETTINGS, uid)]
        for uid in ("a", "b", "c")
    }
    assert {len(times) for times in asked.values()} == {24 * 4}
    assert len({times[0] for times in asked.values()}) > 1


LOADED = Verdict("True", Reason.LOADED, "")
SILENT = Verdict("False", Reason.SCORES_NOT_SCRAPED, "no scrape")
BROKEN = Verdict("False", Reason.RULE_UNHEALTHY, "")
SAYS: dict[str, tuple[Verdict, ScoreArrival | None, Verdict | None, str]] = {
    "they arrive": (LOADED, ScoreArrival.ARRIVED, SILENT, "Loaded"),
    "they do not": (LOADED, ScoreArrival.MISSING, LOADED, "ScoresNotScraped"),
    "they have another label": (LOADED, ScoreArrival.RENAMED, None, "ScoresNotScraped"),
    "nobody asked, and all was well": (LOADED, None, LOADED, "Loaded"),
    "nobody asked, and nothing was known": (LOADED, None, None, "Loaded"),
    "nobody asked, and they did not arrive": (LOADED, None, SILENT, "ScoresNotScraped"),
    "the rule itself is worse": (BROKEN, ScoreArrival.MISSING, SILENT, "RuleUnhealthy"),
}


@pytest.mark.parametrize(("verdict", "scores", "last", "reason"), SAYS.values(), ids=SAYS)
def test_what_is_said(verdict: Verdict, scores: ScoreArrival | None, last: Verdict | None, reason: str) -> None:
    assert with_arrival(verdict, scores, last).reason == reason


SOURCES = {
    "a source for everybody": ({}, True),
    "a source that confines to the namespace": ({"namespace": "shop"}, True),
    "a source that confines to a tenant, which scores do not have": ({"namespace": "shop", "tenant": "shop"}, False),
    "a source of another namespace": ({"namespace": "other"}, False),
}


@pytest.mark.parametrize(("matchers", "may"), SOURCES.values(), ids=SOURCES)
def test_a_source_that_cannot_show_the_scores_is_not_asked(matchers: dict[str, str], may: bool) -> None:
    assert may_be_asked(matchers, "shop") is may
