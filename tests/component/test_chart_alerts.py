"""The alerts on the operator itself, each judged by promtool: when it fires, and when it must not."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.rendering import CHART
from localcluster.build import program

ALERTS = CHART / "files" / "alerts.yaml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
}
POD = 'namespace="opssight-system",job="opssight-operator",instance="a"'
OTHER = POD.replace('"a"', '"b"')
REPORT = f'{POD.replace("opssight-system", "shop")},report="morning"'
LENGTH = 360  # minutes of every series
AT = "2h30m"
LATE = "5h30m"  # for what happens once an hour


@dataclass(frozen=True)
class Case:
    """Series as promtool writes them, and how many of the alert fire after ``at``."""

    alert: str
    series: dict[str, str]
    firing: int
    at: str = AT


def total(outcome: str, per_minute: float, kind: str = "AnomalyDetector", pod: str = POD) -> dict[str, str]:
    return {f'opssight_reconcile_total{{{pod},kind="{kind}",outcome="{outcome}"}}': f"0+{per_minute}x{LENGTH}"}


def hourly(outcome: str, hours: int) -> dict[str, str]:
    """One run an hour that ends so, for some hours, and none after them."""
    values = " ".join(f"{runs}x59" for runs in range(hours)) + f" {hours}x{LENGTH - 60 * hours}"
    return {f'opssight_reconcile_total{{{POD},kind="ThresholdPolicy",outcome="{outcome}"}}': values}


def constant(metric: str, value: float, labels: str = POD) -> dict[str, str]:
    return {f"{metric}{{{labels}}}": f"{value}x{LENGTH}"}


def queries(outcome: str, per_minute: float) -> dict[str, str]:
    labels = f'{POD},source="default",outcome="{outcome}"'
    return {f"opssight_prometheus_query_duration_seconds_count{{{labels}}}": f"0+{per_minute}x{LENGTH}"}


def durations(below: dict[str, int]) -> dict[str, str]:
    return {
        f'opssight_prometheus_query_duration_seconds_bucket{{{POD},source="default",outcome="ok",le="{edge}"}}': (
            f"0+{per_minute}x{LENGTH}"
        )
        for edge, per_minute in below.items()
    }


def outcome(observed: int) -> dict[str, str]:
    labels = 'namespace="shop",policy="errors",bound="upper"'
    return (
        constant("opssight_threshold_observed_episodes", observed, labels)
        | constant("opssight_threshold_predicted_episodes_fewest", 1, labels)
        | constant("opssight_threshold_predicted_episodes_most", 6, labels)
    )


LEADS = constant("opssight_leader", 1)
ONE_SHARD = constant("opssight_shards", 1)
THREE_SHARDS = constant("opssight_shards", 3)
BUILD = constant("opssight_build_info", 1)
CASES = {
    "nobody leads": Case("OpsSightNoLeader", constant("opssight_leader", 0), 1),
    "nobody is there": Case("OpsSightNoLeader", {}, 1),
    "another release leads, and this one is dead": Case(
        "OpsSightNoLeader", constant("opssight_leader", 1, 'namespace="other",job="o",instance="c"'), 1
    ),
    "one of two leads": Case("OpsSightNoLeader", LEADS | constant("opssight_leader", 0, OTHER), 0),
    "two lead": Case("OpsSightSeveralLeaders", ONE_SHARD | LEADS | constant("opssight_leader", 1, OTHER), 1),
    "one leads and one stands by": Case("OpsSightSeveralLeaders", LEADS | constant("opssight_leader", 0, OTHER), 0),
    "two of three shards are led": Case(
        "OpsSightShardUnserved", THREE_SHARDS | LEADS | constant("opssight_leader", 1, OTHER), 1
    ),
    "two of three lead, which are not too many": Case(
        "OpsSightSeveralLeaders", THREE_SHARDS | LEADS | constant("opssight_leader", 1, OTHER), 0
    ),
    "the only shard is led": Case("OpsSightShardUnserved", ONE_SHARD | LEADS, 0),
    "an update that stopped half-way": Case(
        "OpsSightShardsDisagree", ONE_SHARD | constant("opssight_shards", 2, OTHER), 1
    ),
    "all agree": Case("OpsSightShardsDisagree", ONE_SHARD | constant("opssight_shards", 1, OTHER), 0),
    "two installs with a leader each": Case(
        "OpsSightSeveralLeaders",
        ONE_SHARD
        | LEADS
        | constant("opssight_leader", 1, 'namespace="other",job="o",instance="c"')
        | constant("opssight_shards", 1, 'namespace="other",job="o",instance="c"'),
        0,
    ),
    "resources and no run": Case("OpsSightStandsStill", constant("opssight_resources", 3) | total("Reconciled", 0), 1),
    "resources and runs": Case("OpsSightStandsStill", constant("opssight_resources", 3) | total("Reconciled", 1), 0),
    "nothing to run": Case("OpsSightStandsStill", constant("opssight_resources", 0) | total("Reconciled", 0), 0),
    "a restart every ten minutes": Case(
        "OpsSightRestartsOften",
        BUILD | {f"process_start_time_seconds{{{POD}}}": " ".join(f"{600 * k}x9" for k in range(18))},
        1,
    ),
    "another program that restarts": Case(
        "OpsSightRestartsOften",
        {f"process_start_time_seconds{{{POD}}}": " ".join(f"{600 * k}x9" for k in range(18))},
        0,
    ),
    "one restart": Case(
        "OpsSightRestartsOften", BUILD | {f"process_start_time_seconds{{{POD}}}": "600x130 8000x49"}, 0
    ),
    "a single defect": Case(
        "OpsSightDefect",
        {f'opssight_reconcile_total{{{POD},kind="AnomalyDetector",outcome="InternalError"}}': "0x145 1x34"},
        1,
    ),
    "a defect of yesterday": Case(
        "OpsSightDefect",
        {f'opssight_reconcile_total{{{POD},kind="AnomalyDetector",outcome="InternalError"}}': "0x10 1x169"},
        0,
    ),
    "every fifth write fails": Case(
        "OpsSightCannotWrite", total("KubernetesUnavailable", 1) | total("Reconciled", 4), 1
    ),
    "a write fails now and then": Case(
        "OpsSightCannotWrite", total("KubernetesUnavailable", 1) | total("Reconciled", 99), 0
    ),
    "runs are skipped": Case("OpsSightFallsBehind", {f"opssight_missed_runs_total{{{POD}}}": f"0+1x{LENGTH}"}, 1),
    "a few runs were skipped": Case("OpsSightFallsBehind", {f"opssight_missed_runs_total{{{POD}}}": "0x140 4x39"}, 0),
    "runs begin late": Case("OpsSightStartsLate", constant("opssight_scheduler_lag_seconds", 45), 1),
    "one run began late": Case("OpsSightStartsLate", {f"opssight_scheduler_lag_seconds{{{POD}}}": "0x145 45 0x33"}, 0),
    "a source that fails": Case("OpsSightSourceFails", queries("PrometheusUnreachable", 9) | queries("ok", 1), 1),
    "a source that fails now and then": Case(
        "OpsSightSourceFails", queries("PrometheusUnreachable", 1) | queries("ok", 9), 0
    ),
    "a slow source": Case("OpsSightSourceSlow", durations({"10": 2, "30": 10, "+Inf": 10}), 1),
    "a quick source": Case("OpsSightSourceSlow", durations({"0.1": 10, "10": 10, "+Inf": 10}), 0),
    "a query that does not parse": Case("OpsSightResourcesNeedTheirOwner", total("InvalidQuery", 1), 1),
    "a policy that cannot run, once an hour": Case(
        "OpsSightResourcesNeedTheirOwner", hourly("InvalidSpec", hours=6), 1, at=LATE
    ),
    "a typo that was corrected at once": Case(
        "OpsSightResourcesNeedTheirOwner", total("InvalidQuery", 0) | hourly("InvalidSpec", hours=1), 0
    ),
    "a typo that was corrected four hours ago": Case(
        "OpsSightResourcesNeedTheirOwner", hourly("InvalidSpec", hours=1), 0, at=LATE
    ),
    "more episodes than predicted": Case("OpsSightThresholdMissesItsPromise", outcome(7), 1),
    "fewer episodes than predicted": Case("OpsSightThresholdMissesItsPromise", outcome(0), 1),
    "as many episodes as predicted": Case("OpsSightThresholdMissesItsPromise", outcome(6), 0),
    "a report that was due an hour ago": Case(
        "OpsSightReportOverdue", constant("opssight_report_next_timestamp_seconds", 90 * 60, REPORT), 1
    ),
    "a report that was due a minute ago": Case(
        "OpsSightReportOverdue", constant("opssight_report_next_timestamp_seconds", 149 * 60, REPORT), 0
    ),
    "a report of tomorrow": Case(
        "OpsSightReportOverdue", constant("opssight_report_next_timestamp_seconds", 86_400, REPORT), 0
    ),
    "resources in order": Case("OpsSightResourcesNeedTheirOwner", total("Reconciled", 1), 0),
}


def verdict(folder: Path, case: Case, tool: str = "promtool") -> str:
    """What promtool says; empty when exactly as many fire as expected, with texts that render."""
    (folder / "rules.yaml").write_text(ALERTS.read_text())
    query = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)'
    suite = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "promql_expr_test": [
                    {"expr": query, "eval_time": case.at, "exp_samples": [{"labels": "{}", "value": case.firing}]}
                ],
            }
        ],
    }
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    done = subprocess.run(
        [str(program(tool)), "test", "rules", "suite.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_alert_fires_when_it_should_and_only_then(tmp_path: Path, case: Case) -> None:
    assert not verdict(tmp_path, case)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert {case.alert for case in CASES.values() if case.firing} == set(RULES)
    assert {case.alert for case in CASES.values() if not case.firing} == set(RULES)


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_says_how_bad_it_is_what_happened_and_what_to_do(alert: str) -> None:
    rule = RULES[alert]
    assert rule["labels"]["severity"] in ("info", "warning")
    assert rule["annotations"]["summary"] and rule["annotations"]["description"].endswith((".", ")", "?"))
    assert len(rule["annotations"]["summary"]) <= 120


def test_the_old_promtool_takes_the_rules_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(program("promtool-old")), "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, json.dumps([done.stdout, done.stderr])
