"""promtool evaluates the rules of a week: each hour of local time has its threshold, summer and winter."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from localcluster.build import program

from builders import a_policy
from opssight_operator.core.hours import HourTable
from opssight_operator.core.rules import policy_rule

DAY = 86400


def local_hour(moment: int, zone: str) -> int:
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    return local.weekday() * 24 + local.hour


def table(zone: str, offset: float = 0.0, run: int = 1) -> HourTable:
    """A threshold of its own for each ``run`` of hours of the week."""
    return HourTable(tuple(offset + hour // run * run / 8 for hour in range(168)), zone)


def says(version: str, folder: Path, suite: dict[str, Any]) -> str:
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], **suite}))
    argv = [str(program(version)), "test", "rules", "test.yaml"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=folder, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def write_rules(folder: Path, now: float, zone: str, *more: dict[str, Any], run: int = 1) -> None:
    policy = a_policy(mode="Record", perLabels=["service"], seasonal={"timeZone": zone})
    tables = [({"service": "a"}, table(zone, run=run)), ({"service": "b"}, table(zone, 100.0, run))]
    rule = policy_rule(policy, tables, now)
    groups = [dict(group) for group in rule.groups] + list(more)
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))


def expected(start: int, after: int, zone: str, run: int = 1) -> dict[str, Any]:
    hour = local_hour(start + after, zone) // run * run
    labels = 'opssight:threshold{{bound="upper",namespace="shop",policy="checkout-errors",service="{}"}}'
    return {
        "expr": "opssight:threshold",
        "eval_time": f"{after}s",
        "exp_samples": [
            {"labels": labels.format(s), "value": offset + hour / 8} for s, offset in (("a", 0), ("b", 100))
        ],
    }


# promtool begins at 1970-01-01; summer time came to New York in April. A term for each day keeps that short.
SINCE_1970 = {
    "UTC, from Sunday to Monday": ("UTC", range(84 * 3600, 109 * 3600, 3600), 1),
    "half an hour off": ("Asia/Kolkata", range(0, 36 * 3600, 1800), 1),
    "summer time of New York begins": ("America/New_York", range(114 * DAY, 117 * DAY, 3600), 24),
    "behind UTC over the new year": ("Pacific/Honolulu", range(0, 2 * DAY, 3600), 1),
}


@pytest.mark.parametrize("version", ["promtool", "promtool-old"])
@pytest.mark.parametrize(("zone", "moments", "run"), SINCE_1970.values(), ids=SINCE_1970)
def test_the_recorded_threshold_is_that_of_the_local_hour(
    version: str, zone: str, moments: range, run: int, tmp_path: Path
) -> None:
    write_rules(tmp_path, 0.0, zone, run=run)
    tests = [{"interval": "1h", "promql_expr_test": [expected(0, after, zone, run) for after in moments]}]
    assert says(version, tmp_path, {"evaluation_interval": f"{moments.step}s", "tests": tests}) == ""


TODAY = {
    "spring in Berlin": ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC)),
    "autumn in Berlin": ("Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC)),
    "half an hour of summer time on Lord Howe": ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    "summer time that stops for Ramadan": ("Africa/Casablanca", datetime(2027, 2, 6, tzinfo=UTC)),
    "a year that the rule was not written in": ("America/New_York", datetime(2028, 3, 11, tzinfo=UTC)),
}


@pytest.mark.parametrize(("zone", "day"), TODAY.values(), ids=TODAY)
def test_the_clocks_change_without_the_operator(zone: str, day: datetime, tmp_path: Path) -> None:
    start = int(day.timestamp())
    write_rules(tmp_path, datetime(2026, 2, 1, tzinfo=UTC).timestamp(), zone)
    half_hours = zone == "Australia/Lord_Howe"
    moments = range(DAY // 2, 2 * DAY, 1800 if half_hours else 3600)
    offsets = {datetime.fromtimestamp(start + after, ZoneInfo(zone)).utcoffset() for after in moments}
    assert len(offsets) == 2, "the clocks change in these days"
    tests = [
        {
            "interval": "1h",
            "start_timestamp": day.isoformat().replace("+00:00", "Z"),
            "promql_expr_test": [expected(start, after, zone) for after in moments],
        }
    ]
    assert says("promtool", tmp_path, {"evaluation_interval": f"{moments.step}s", "tests": tests}) == ""


def test_an_alert_in_git_joins_the_threshold_of_the_hour(tmp_path: Path) -> None:
    alert = {
        "alert": "Many",
        "expr": "errors > on(service) group_left() (max by (service) "
        '(opssight:threshold{policy="checkout-errors"}) or on(service) count by (service) (errors) * 0 + 1000)',
    }
    write_rules(tmp_path, 0.0, "UTC", {"name": "git", "rules": [alert]})
    fires = {"exp_labels": {"service": "a"}, "exp_annotations": {}}
    # 1970 began on a Thursday: hour 72 of the week has a threshold of 9, and hour 82, at ten o'clock, one of 10.25.
    tests = [
        {
            "interval": "1h",
            "input_series": [{"series": 'errors{service="a"}', "values": "10x30"}],
            "alert_rule_test": [
                {"eval_time": "1h", "alertname": "Many", "exp_alerts": [fires]},
                {"eval_time": "10h", "alertname": "Many", "exp_alerts": []},
            ],
        }
    ]
    suite = {"evaluation_interval": "30m", "group_eval_order": ["opssight-tpol-shop-checkout-errors", "git"]}
    assert says("promtool", tmp_path, {**suite, "tests": tests}) == ""


def test_promtool_is_able_to_say_no(tmp_path: Path) -> None:
    write_rules(tmp_path, 0.0, "Asia/Kolkata")
    tests = [{"interval": "1h", "promql_expr_test": [expected(0, 3600, "UTC")]}]
    assert "FAILED" in says("promtool", tmp_path, {"evaluation_interval": "30m", "tests": tests})
