"""promtool judges the rules that OpsSight owns: they load, and the alerts on them fire as they say."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster.build import program

from builders import a_detector, a_policy
from opssight_operator.core.plan import RuleObject
from opssight_operator.core.rules import detector_rule, policy_rule

VERSIONS = ("promtool", "promtool-old")
WEIRD = {
    "quotes": 'it\'s "quoted"',
    "backslashes": "C:\\path\\n",
    "newlines": "two\nlines\r\tand a tab",
    "unicode": "größe ☃ 😀 \u202e",
    "templates": "{{ $labels.x }} %s ${x}",
    "PromQL": 'x"} or vector(1) #',
    "YAML": "- a: *b\n# no",
    "spaces": "  ",
}


def promtool(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(program(name)), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, check=False)


def rule_file(folder: Path, *rules: RuleObject, more: tuple[dict[str, Any], ...] = ()) -> Path:
    path = folder / "rules.yaml"
    groups = [dict(group) for rule in rules for group in rule.groups]
    path.write_text(yaml.safe_dump({"groups": [*groups, *more]}, allow_unicode=True))
    return path


def passes(version: str, folder: Path, tests: list[dict[str, Any]]) -> None:
    """Run a promtool unit test of the rules in ``folder``."""
    file = folder / "test.yaml"
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(content, allow_unicode=True))
    done = promtool(version, "test", "rules", "test.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


WEIRD_POLICY = a_policy(mode="Record", perLabels=["service"])
WEIRD_RULE = policy_rule(WEIRD_POLICY, [({"service": value}, 0.05) for value in WEIRD.values()])
NUMBERS = policy_rule(
    a_policy("numbers", mode="Record", perLabels=["n"]),
    [({"n": str(i)}, x) for i, x in enumerate([0.0, -0.5, 1e-12, 1e21, 123456.789, -1e-7, 0.1 + 0.2])],
)
ALERTING = [
    a_detector("plain", alert={}),
    a_detector("full", alert={"for": "0s", "keepFiringFor": "1h30m", "labels": {"a": "b"}}),
    a_detector("dotted.name", namespace="a-b", alert={"annotations": {"note": "{{ $value }}"}}),
]
ALERTS = [rule for rule in map(detector_rule, ALERTING) if rule is not None]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rule", [WEIRD_RULE, NUMBERS, *ALERTS], ids=lambda rule: rule.name)
def test_every_kind_of_generated_rule_loads(version: str, rule: RuleObject, tmp_path: Path) -> None:
    file = rule_file(tmp_path, rule)
    done = promtool(version, "check", "rules", "--lint=all", "--lint-fatal", file.name, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rule.groups[0]['rules'])} rules found" in done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_threshold_carries_any_label_value_unharmed(version: str, tmp_path: Path) -> None:
    rule_file(tmp_path, WEIRD_RULE)
    samples = [
        {
            "labels": 'opssight:threshold{bound="upper",namespace="shop",policy="checkout-errors",service='
            + _quoted(value)
            + "}",
            "value": 0.05,
        }
        for value in WEIRD.values()
    ]
    passes(
        version,
        tmp_path,
        [
            {
                "interval": "1m",
                "promql_expr_test": [{"expr": "opssight:threshold", "eval_time": "1m", "exp_samples": samples}],
            }
        ],
    )


def _quoted(value: str) -> str:
    text = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{text}"'


def git_alert(comparison: str) -> dict[str, str]:
    """The alert of docs/thresholds.md with the default 0.5."""
    threshold = 'max by (service) (opssight:threshold{policy="checkout-errors"})'
    default = "count by (service) (errors) * 0 + 0.5"
    return {
        "alert": "TooManyErrors",
        "expr": f"errors {comparison} on(service) group_left() ({threshold} or on(service) {default})",
    }


FIRING = {
    "above the recorded threshold": ({"a": 0.1}, 0.2, True),
    "below the recorded threshold": ({"a": 0.1}, 0.05, False),
    "above the default, with the operator dead": ({}, 0.6, True),
    "below the default, with the operator dead": ({}, 0.2, False),
    "above the default, with a threshold for another service": ({"b": 0.1}, 0.6, True),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("bound", ["Upper", "Lower"])
@pytest.mark.parametrize(("thresholds", "value", "fires"), FIRING.values(), ids=FIRING.keys())
def test_an_alert_in_git_joins_the_threshold_and_keeps_its_default(
    version: str, bound: str, thresholds: dict[str, float], value: float, fires: bool, tmp_path: Path
) -> None:
    policy = a_policy(mode="Record", perLabels=["service"], bound=bound)
    rules = policy_rule(policy, [({"service": name}, x) for name, x in thresholds.items()])
    lower = bound == "Lower"  # what is above an upper bound is not below a lower one
    groups = () if thresholds else (dict(rules.groups[0], rules=[]),)
    kept = (rules,) if thresholds else ()
    rule_file(tmp_path, *kept, more=(*groups, {"name": "git", "rules": [git_alert("<" if lower else ">")]}))
    alert = {"exp_labels": {"service": "a", "pod": "x"}, "exp_annotations": {}}
    passes(
        version,
        tmp_path,
        [
            {
                "interval": "1m",
                "input_series": [{"series": 'errors{service="a",pod="x"}', "values": f"{value}x10"}],
                "alert_rule_test": [
                    {"eval_time": "5m", "alertname": "TooManyErrors", "exp_alerts": [alert] if fires != lower else []}
                ],
            }
        ],
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_the_alert_on_the_score_fires_for_its_own_detector_and_says_what_it_is(version: str, tmp_path: Path) -> None:
    rule = detector_rule(a_detector(alert={"for": "2m", "keepFiringFor": "3m"}))
    assert rule is not None
    rule_file(tmp_path, rule)
    own = 'namespace="shop",detector="checkout-latency",query="p99"'
    alert = {
        "exp_labels": {
            "namespace": "shop",
            "detector": "checkout-latency",
            "query": "p99",
            "service": "a",
            "severity": "warning",
        },
        "exp_annotations": {
            "summary": "p99 of shop/checkout-latency is not as expected",
            "description": "The anomaly score is 1.5, and 1 is the boundary of what is normal. What was seen and what "
            "was expected: kubectl -n shop describe adet checkout-latency",
        },
    }

    def expected(minute: int, fires: bool) -> dict[str, Any]:
        return {"eval_time": f"{minute}m", "alertname": "OpsSightAnomaly", "exp_alerts": [alert] if fires else []}

    passes(
        version,
        tmp_path,
        [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'opssight_anomaly_score{{{own},service="a"}}', "values": "0.2 1.5x5 0.2x20"},
                    {"series": f'opssight_anomaly_score{{{own},service="b"}}', "values": "0.9x30"},
                    {
                        "series": 'opssight_anomaly_score{namespace="shop",detector="other",query="p99"}',
                        "values": "9x30",
                    },
                ],
                "alert_rule_test": [
                    expected(1, False),
                    expected(2, False),
                    expected(3, True),
                    expected(6, True),
                    expected(8, True),
                    expected(12, False),
                ],
            }
        ],
    )
