"""``opssight thresholds --step``: what a threshold would have raised."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from opssight_operator.cli import main


def opssight(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, stdin: str) -> Any:
    monkeypatch.setattr(sys, "argv", ["opssight", "thresholds", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


# A week of hours: two episodes of three hours above 50, at 02:00 of the second day and at 12:00 of the fifth.
WEEK = [10.0] * 26 + [60.0] * 3 + [10.0] * 79 + [70.0] * 3 + [10.0] * 57
STDIN = json.dumps({"cpu": WEEK})
RULE = ("--step", "1h", "--for", "1h", "--current", "50", "--start", "2026-03-02T00:00:00Z")


def test_current_and_proposed_are_simulated(monkeypatch: Any, capsys: Any) -> None:
    code, out, _ = opssight(monkeypatch, capsys, *RULE, "-o", "json", stdin=STDIN)
    answer = json.loads(out)["thresholds"]["cpu"]
    assert code == 0
    assert answer["threshold"] == 10
    assert answer["simulation"]["current"] == {
        "episodesPerWeek": "2",
        "nightEpisodesPerWeek": "1",
        "medianDuration": "2h",
        "longestDuration": "2h",
        "shareOfTime": "0.0238095",
    }
    assert answer["simulation"]["proposed"]["episodesPerWeek"] == "2"


def test_the_table_has_a_row_for_each_threshold(monkeypatch: Any, capsys: Any) -> None:
    _, out, _ = opssight(monkeypatch, capsys, *RULE, "--time-zone", "Asia/Tokyo", stdin="\n".join(map(str, WEEK)))
    header, current, proposed = out.splitlines()[3:]
    assert header.split()[:2] == ["threshold", "is"]
    assert current.split() == ["current", "50", "2", "1", "2h", "2h", "0.0238095"]  # 12:00 is night in Tokyo, 03:00 not
    assert proposed.split()[0] == "proposed"


def test_the_rule_is_evaluated_at_its_interval(monkeypatch: Any, capsys: Any) -> None:
    def episodes(interval: str, wait: str) -> int:
        options = ("--step", "1h", "--for", wait, "--interval", interval, "--current", "50", "-o", "json")
        _, out, _ = opssight(monkeypatch, capsys, *options, stdin=STDIN)
        return round(float(json.loads(out)["thresholds"]["cpu"]["simulation"]["current"]["episodesPerWeek"]))

    assert episodes("1h", "150m") == 0  # three evaluations of three hours are two hours apart
    assert episodes("10m", "150m") == 2
    assert episodes("8h", "0s") == 0  # passes both by


def test_without_the_time_of_the_first_number_night_is_unknown(monkeypatch: Any, capsys: Any) -> None:
    _, out, _ = opssight(monkeypatch, capsys, "--step", "1h", "--for", "1h", "-o", "json", stdin="[1, 2, 9, 9, 9]")
    simulation = json.loads(out)["simulation"]
    assert list(simulation) == ["proposed"]
    assert simulation["proposed"]["nightEpisodesPerWeek"] is None


@pytest.mark.parametrize(("waits", "known"), [(("--for", "1h"), True), (("--for", "4h"), False)])
def test_a_budget_is_searched_with_the_durations_that_are_simulated(
    monkeypatch: Any, capsys: Any, waits: tuple[str, ...], known: bool
) -> None:
    # Both episodes last three hours; the level between them lasts for days.
    budget = ("--estimator", "AlertBudget", "--set", "episodesPerWeek=1", "--step", "1h", *waits, "-o", "json")
    _, out, _ = opssight(monkeypatch, capsys, *budget, stdin=json.dumps(WEEK))
    answer = json.loads(out)
    assert answer["simulation"]["proposed"]["episodesPerWeek"] == ("1" if known else "0")
    assert answer["threshold"] == (60.0 if known else 10.0)


def test_what_fires_on_is_one_episode_for_the_budget_too(monkeypatch: Any, capsys: Any) -> None:
    restless = [10.0, *[60.0, 10.0] * 10, *[10.0] * 140, *[50.0] * 7]
    budget = ("--estimator", "AlertBudget", "--set", "episodesPerWeek=1", "--set", "mostTimeFiring=1", "--step", "1h")
    told = {}
    for keep in ("0s", "2h"):
        options = (*budget, "--for", "0s", "--keep-firing-for", keep, "-o", "json")
        told[keep] = json.loads(opssight(monkeypatch, capsys, *options, stdin=json.dumps(restless))[1])
    assert [told[keep]["simulation"]["proposed"]["episodesPerWeek"] for keep in told] == ["0", "1"]
    assert [told[keep]["threshold"] for keep in told] == [60.0, 50.0]


BAD = {
    "a step in words": (("--step", "one minute"), "--step: 'one minute' is not a duration"),
    "no step": (("--step", "0s"), "--step is 0s; it must be more than 0"),
    "no interval": (("--step", "1m", "--interval", "0s"), "--interval is 0s; it must be more than 0"),
    "a wait that is none": (("--step", "1m", "--for", "soon"), "--for: 'soon' is not a duration"),
    "a time that is none": (("--step", "1m", "--start", "noon"), "--start is 'noon'; it must be a time such as"),
    "a place that has no time": (
        ("--step", "1m", "--time-zone", "Mars/North"),
        "--time-zone: time zone must be an IANA",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD)
def test_an_impossible_rule_is_refused_by_its_option(
    monkeypatch: Any, capsys: Any, arguments: tuple[str, ...], sentence: str
) -> None:
    code, _, err = opssight(monkeypatch, capsys, *arguments, stdin="[1, 2, 3]")
    assert code == 2
    assert sentence in err
