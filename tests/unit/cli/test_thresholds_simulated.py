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


def test_without_the_time_of_the_first_number_night_is_unknown(monkeypatch: Any, capsys: Any) -> None:
    _, out, _ = opssight(monkeypatch, capsys, "--step", "1h", "--for", "1h", "-o", "json", stdin="[1, 2, 9, 9, 9]")
    simulation = json.loads(out)["simulation"]
    assert list(simulation) == ["proposed"]
    assert simulation["proposed"]["nightEpisodesPerWeek"] is None


BAD = {
    "a step in words": (("--step", "one minute"), "--step: 'one minute' is not a duration"),
    "no step": (("--step", "0s"), "--step is 0s; it must be more than 0"),
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
