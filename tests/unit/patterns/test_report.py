"""A report is a value: the same incidents give the same report, and its JSON follows the published schema."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import numpy as np
import pytest
import yaml

from opssight_detectors.patterns.alertmanager import grouping, inhibition
from opssight_detectors.patterns.findings import Finding, Statistic
from opssight_detectors.patterns.incidents import no_incidents
from opssight_detectors.patterns.plain import to_plain
from opssight_detectors.patterns.report import analyse
from opssight_detectors.patterns.schema import report_schema
from opssight_detectors.patterns.sections import SECTIONS
from oracles import patterns_worlds as worlds

PUBLISHED = Path(__file__).parents[3] / "docs" / "patterns" / "pattern-report.schema.json"
SINCE = worlds.WINDOW.end - 28 * worlds.DAY
PATTERNS = (
    worlds.outage_at_two,
    worlds.a_flapping_link,
    worlds.two_that_fire_together,
    worlds.a_weekly_backup,
    worlds.a_worsening_day,
    worlds.a_noisy_alert,
)


def _report(pattern=worlds.outage_at_two, **options):
    return analyse(worlds.plant(pattern, 1), worlds.WINDOW, history_start=SINCE, **options).report


def test_the_published_schema_is_the_one_the_code_makes() -> None:
    assert json.loads(PUBLISHED.read_text()) == report_schema(), "run python -m opssight_detectors.patterns.schema"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_json_of_a_report_follows_the_published_schema(pattern) -> None:
    plain = json.loads(json.dumps(to_plain(_report(pattern)), allow_nan=False))
    jsonschema.validate(plain, json.loads(PUBLISHED.read_text()))


def test_the_schema_refuses_what_is_not_a_report() -> None:
    plain = to_plain(_report())
    plain["sections"][0]["findings"][0]["pValue"] = "small"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, report_schema())


def test_the_same_incidents_give_the_same_report_and_digest() -> None:
    one, other = _report(), _report()
    assert one == other
    assert one.digest == other.digest != _report(worlds.a_flapping_link).digest


def test_times_are_told_in_the_zone_of_the_report() -> None:
    berlin = _report(zone=ZoneInfo("Europe/Berlin"))
    assert berlin.window_start == "2026-01-05T01:00:00+01:00"
    assert any("Between 15:00 and 16:00" in sentence for sentence in berlin.highlights)


def test_the_report_before_tells_what_is_new_and_what_is_gone() -> None:
    before = to_plain(_report(worlds.a_flapping_link))
    comparison = _report(worlds.outage_at_two, previous=before).comparison
    assert comparison is not None
    assert "LinkDown" in {change.subject for change in comparison.gone}
    assert "checkout" in {change.subject for change in comparison.new}
    assert comparison.previous_incidents == before["summary"]["incidents"]


def test_a_report_compared_with_itself_has_only_continuing_findings() -> None:
    comparison = _report(previous=to_plain(_report())).comparison
    assert comparison is not None
    assert (comparison.new, comparison.gone) == ((), ())
    assert comparison.continuing


def test_a_section_that_was_not_asked_before_is_neither_new_nor_gone() -> None:
    before = to_plain(_report(sections=["HourOfDay"]))
    comparison = _report(previous=before, sections=["ResourceTypes"]).comparison
    assert comparison is not None
    assert (comparison.new, comparison.gone, comparison.continuing) == ((), (), ())


def test_a_template_known_to_the_report_before_is_not_new() -> None:
    incidents = worlds.plant(worlds.outage_at_two, 1)
    today = incidents.between(worlds.WINDOW.start, worlds.WINDOW.end)
    first = analyse(incidents.between(SINCE, worlds.WINDOW.start), worlds.WINDOW, sections=["ErrorPatterns"])

    def new(analysis) -> set[str]:
        return {f.subject for s in analysis.report.sections for f in s.findings if f.kind == "New"}

    second = analyse(today, worlds.WINDOW, sections=["ErrorPatterns"], template_state=first.template_state)
    assert new(second) == {"connection to <*> refused after <*> ms"}
    third = analyse(today, worlds.WINDOW, sections=["ErrorPatterns"], template_state=second.template_state)
    assert new(third) == set()


def test_an_empty_day_gives_a_report_that_says_so() -> None:
    report = analyse(no_incidents(), worlds.WINDOW).report
    assert report.summary.incidents == 0
    assert report.highlights == ()
    assert all(section.note for section in report.sections)


def test_highlights_take_turns_between_the_sections() -> None:
    report = _report(worlds.outage_at_two)
    sections_with_news = [s for s in report.sections if any(f.highlight for f in s.findings)]
    first_of_each = [next(f.sentence for f in s.findings if f.highlight) for s in sections_with_news]
    assert list(report.highlights[: len(first_of_each)]) == first_of_each


BAD_REQUESTS = {
    "an unknown section": ({"sections": ["Weather"]}, "section 'Weather' does not exist, allowed are Clusters"),
    "a section twice": ({"sections": ["Clusters", "Clusters"]}, "none twice"),
    "no section": ({"sections": []}, "at least one section"),
    "a level of 0": ({"level": 0.0}, "level must lie between 0 and 1, not 0"),
    "a previous report of another version": ({"previous": {"schemaVersion": "v9"}}, "is 'v9', allowed is 'v1alpha1'"),
}


@pytest.mark.parametrize(("options", "sentence"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_bad_request_is_refused_with_a_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        analyse(no_incidents(), worlds.WINDOW, **options)


def test_a_number_that_json_cannot_hold_becomes_null() -> None:
    finding = Finding("S", "K", "s", "text", 1, statistic=Statistic("ratio", math.inf))
    assert to_plain(finding)["statistic"] == {"name": "ratio", "value": None}


def test_a_plot_says_which_kind_it_is() -> None:
    plots = [f["plot"] for s in to_plain(_report())["sections"] for f in s["findings"] if f["plot"]]
    assert {plot["type"] for plot in plots} >= {"BarPlot", "TimelinePlot"}


AWKWARD = ['Disk "full"', "back\\slash", "naïve: yes", "a|b.c", "#comment"]


def test_a_grouping_route_names_the_alerts_literally() -> None:
    config = yaml.safe_load(grouping(AWKWARD, ["namespace"]))
    (route,) = config["route"]["routes"]
    assert route["group_by"] == ["namespace"]
    label, _, value = route["matchers"][0].partition("=~")
    assert label == "alertname"
    pattern = json.loads(value)

    assert all(re.fullmatch(pattern, name) for name in AWKWARD)
    assert not re.fullmatch(pattern, "axb.c")


def test_an_inhibition_rule_names_both_alerts_and_the_equal_labels() -> None:
    (rule,) = yaml.safe_load(inhibition(AWKWARD[0], AWKWARD[1], ["namespace", "cluster"]))["inhibit_rules"]
    assert rule["source_matchers"] == [f"alertname={json.dumps(AWKWARD[0])}"]
    assert rule["target_matchers"] == [f"alertname={json.dumps(AWKWARD[1])}"]
    assert rule["equal"] == ["namespace", "cluster"]


def test_always_together_suggests_only_labels_that_are_always_equal() -> None:
    report = _report(worlds.two_that_fire_together)
    findings = {f.kind: f for s in report.sections for f in s.findings if f.section == "CoOccurrence"}
    route = yaml.safe_load(findings["AlwaysTogether"].suggestion.text)["route"]["routes"][0]
    assert route["group_by"] == ["cluster"]
    rule = yaml.safe_load(findings["Inhibition"].suggestion.text)["inhibit_rules"][0]
    assert rule["equal"] == ["cluster"]


def test_every_section_of_the_registry_is_asked_in_its_order() -> None:
    assert [section.name for section in _report().sections] == list(SECTIONS)


def test_importing_the_patterns_loads_numpy_and_nothing_heavier() -> None:
    code = (
        "import sys; import opssight_detectors.patterns.report; "
        "print([m for m in ('scipy', 'sklearn', 'pandas', 'jinja2', 'yaml') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_a_large_table_is_analysed_in_little_time() -> None:
    rng = np.random.default_rng(3)
    report = analyse(worlds.chance_world(rng, per_day=500.0, names=40), worlds.WINDOW, history_start=SINCE).report
    assert report.summary.incidents > 400
