"""The real amtool takes what a report suggests for Alertmanager, whatever alerts are called."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from localcluster.build import program

from opssight_detectors.patterns.alertmanager import grouping, inhibition
from opssight_detectors.patterns.report import analyse
from oracles import patterns_worlds as worlds

NAMES = (
    "SlowCheckout",
    'a "quoted" name',
    "back\\slash",
    "regex .*+?()|[]{}^$",
    "brace } and { brace",
    "ünïcode ☃",
    "tab\tand # comment: x",
)


def amtool(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """amtool's opinion of a configuration."""
    file = folder / "alertmanager.yml"
    file.write_text(text)
    return subprocess.run(
        [str(program("amtool")), "check-config", str(file)], capture_output=True, text=True, check=False, timeout=60
    )


def routed(text: str, folder: Path, **labels: str) -> str:
    """The receiver to which the configuration sends an alert."""
    file = folder / "alertmanager.yml"
    file.write_text(text)
    told = [f"{name}={value}" for name, value in labels.items()]
    done = subprocess.run(
        [str(program("amtool")), "config", "routes", "test", f"--config.file={file}", *told],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("names", [*itertools.pairwise(NAMES), NAMES], ids=str)
def test_a_grouping_is_a_configuration(names, tmp_path):
    for labels in ([], ["namespace"], ["namespace", "service"]):
        done = amtool(grouping(names, labels), tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


@pytest.mark.parametrize(("source", "target"), list(itertools.pairwise(NAMES)), ids=str)
def test_an_inhibition_is_a_configuration(source, target, tmp_path):
    for labels in ([], ["namespace"]):
        done = amtool(inhibition(source, target, labels), tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 inhibit rules" in done.stdout


def test_amtool_does_refuse_what_is_wrong(tmp_path):
    assert amtool(
        grouping(["A"], ["namespace"]).replace("receiver: default", "receiver: nobody", 1), tmp_path
    ).returncode


def test_what_a_report_suggests_is_taken_and_routes_its_alerts(tmp_path):
    incidents = worlds.plant(worlds.two_that_fire_together, 0)
    report = analyse(incidents, worlds.WINDOW, history_start=worlds.WINDOW.end - 28 * worlds.DAY).report
    texts = [
        finding.suggestion.text
        for section in report.sections
        for finding in section.findings
        if finding.suggestion is not None and finding.section == "CoOccurrence"
    ]
    assert len(texts) >= 2
    for text in texts:
        done = amtool(text, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    (group,) = [text for text in texts if "routes:" in text]
    assert routed(group, tmp_path, alertname="SlowCheckout") == "default"
