"""The alerts of examples/prometheusrule-with-default.yaml, judged by promtool: recorded threshold, default, neither.

The thresholds come from the rules that the policies of examples/ would own, so that both sides of the join are the
real ones.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster.build import program

from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.rules import policy_rule

EXAMPLES = Path(__file__).parents[2] / "examples"
VERSIONS = ("promtool", "promtool-old")
FIRES_AT, SERIES_LENGTH = "20m", 30


def groups_of_the_example() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load((EXAMPLES / "prometheusrule-with-default.yaml").read_text())["spec"][
        "groups"
    ]
    return groups


def recorded(file: str, *thresholds: tuple[dict[str, str], float]) -> list[dict[str, Any]]:
    """The rule groups that the policy of an example owns once it has these thresholds."""
    manifest = yaml.safe_load((EXAMPLES / file).read_text())
    policy = ThresholdPolicy(
        metadata=ObjectMeta(**manifest["metadata"]),
        spec=ThresholdPolicySpec.model_validate(manifest["spec"]),
        status=ThresholdPolicyStatus(),
    )
    return [dict(group) for group in policy_rule(policy, thresholds).groups]


def judge(version: str, folder: Path, groups: list[dict[str, Any]], test: dict[str, Any]) -> str:
    """What promtool says of one test over ``groups`` and the alerts of the example; empty when it passes."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [*groups, *groups_of_the_example()]}))
    suite = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in [*groups, *groups_of_the_example()]],
        "tests": [{"interval": "1m", **test}],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(suite))
    done = subprocess.run(
        [str(program(version)), "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def requests(service: str, good: float, bad: float) -> list[dict[str, str]]:
    """Requests of a service a minute, by their code."""
    series = 'http_requests_total{{namespace="shop",service="{}",code="{}"}}'
    return [
        {"series": series.format(service, code), "values": f"0+{rate}x{SERIES_LENGTH}"}
        for code, rate in (("200", good), ("500", bad))
    ]


def slow(quantile_bucket: str) -> list[dict[str, str]]:
    """Latencies of the frontend that all fall into the bucket below ``quantile_bucket`` seconds."""
    series = 'http_request_duration_seconds_bucket{{namespace="shop",service="frontend",le="{}"}}'
    bounds = ["0.1", "0.25", "0.5", "1", "2.5", "+Inf"]
    full = bounds.index(quantile_bucket)
    return [
        {"series": series.format(bound), "values": f"0+{100 if i >= full else 0}x{SERIES_LENGTH}"}
        for i, bound in enumerate(bounds)
    ]


def expected(alert: str, *firing: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"eval_time": FIRES_AT, "alertname": alert, "exp_alerts": list(firing)}]


def many_errors(service: str, percent: str) -> dict[str, Any]:
    return {
        "exp_labels": {"service": service, "severity": "critical"},
        "exp_annotations": {"summary": f"{service} answers {percent} of its requests with an error"},
    }


SLOW = "The slowest of a hundred requests to the frontend takes {}"
LOST = [{"name": "nothing", "rules": []}]
CHECKOUT = ({"service": "checkout"}, 0.02)
CART = ({"service": "cart"}, 0.3)

PER_SERVICE = {
    "above the recorded threshold and below the default": ([CHECKOUT], 4, True),
    "below the recorded threshold": ([CHECKOUT], 1, False),
    "above the default and below the recorded threshold": ([({"service": "checkout"}, 0.2)], 10, False),
    "above the default, with the record lost": ([], 10, True),
    "below the default, with the record lost": ([], 4, False),
    "above the default, with a record of another service alone": ([CART], 10, True),
    "below the default, with a record of another service alone": ([CART], 4, False),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("thresholds", "errors", "fires"), PER_SERVICE.values(), ids=PER_SERVICE)
def test_the_alert_for_each_service_is(version, thresholds, errors, fires, tmp_path):
    groups = recorded("thresholdpolicy-errors.yaml", *thresholds) if thresholds else LOST
    firing = [many_errors("checkout", f"{errors}%")] if fires else []
    test = {
        "input_series": requests("checkout", 100 - errors, errors),
        "alert_rule_test": expected("ManyErrors", *firing),
    }
    assert judge(version, tmp_path, groups, test) == ""


FOR_ALL = {
    "above the recorded threshold and below the default": (0.2, "0.5", "497.5ms", True),
    "below the recorded threshold": (0.9, "0.5", "", False),
    "above the default and below the recorded threshold": (1.5, "1", "", False),
    "above the default, with the record lost": (None, "1", "995ms", True),
    "below the default, with the record lost": (None, "0.5", "", False),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("threshold", "bucket", "latency", "fires"), FOR_ALL.values(), ids=FOR_ALL)
def test_the_alert_for_the_frontend_is(version, threshold, bucket, latency, fires, tmp_path):
    groups = LOST if threshold is None else recorded("thresholdpolicy-latency.yaml", ({}, threshold))
    firing = {"exp_labels": {"severity": "warning"}, "exp_annotations": {"summary": SLOW.format(latency)}}
    test = {"input_series": slow(bucket), "alert_rule_test": expected("SlowFrontend", *([firing] if fires else []))}
    assert judge(version, tmp_path, groups, test) == ""


def duplicate(policy: str, value: float, **labels: str) -> dict[str, str]:
    """A second series of the threshold, as another Prometheus or a renamed resource would leave it behind."""
    items = {"policy": policy, "namespace": "shop", "replica": "b", **labels}
    text = ",".join(f'{name}="{text}"' for name, text in items.items())
    return {"series": f"opssight:threshold{{{text}}}", "values": f"{value}x{SERIES_LENGTH}"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("other", "fires"), [(0.01, True), (0.08, False)], ids=["a lower one", "a higher one"])
def test_a_duplicate_of_the_threshold_breaks_no_rule_and_the_higher_one_counts(version, other, fires, tmp_path):
    groups = recorded("thresholdpolicy-errors.yaml", CHECKOUT)
    firing = [many_errors("checkout", "4%")] if fires else []
    test = {
        "input_series": [*requests("checkout", 96, 4), duplicate("error-ratio", other, service="checkout")],
        "alert_rule_test": expected("ManyErrors", *firing),
    }
    assert judge(version, tmp_path, groups, test) == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_duplicate_of_the_threshold_for_all_breaks_no_rule(version, tmp_path):
    groups = recorded("thresholdpolicy-latency.yaml", ({}, 0.2))
    firing = {"exp_labels": {"severity": "warning"}, "exp_annotations": {"summary": SLOW.format("497.5ms")}}
    test = {
        "input_series": [*slow("0.5"), duplicate("frontend-latency", 0.3)],
        "alert_rule_test": expected("SlowFrontend", firing),
    }
    assert judge(version, tmp_path, groups, test) == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_the_default_outlives_a_time_without_requests(version, tmp_path):
    """The ratio is NaN (0/0) for half an hour; NaN * 0 would be NaN, and the default gone with it."""
    quiet = [
        {**one, "values": f"0x{SERIES_LENGTH} 0+{rate}x20"}
        for one, rate in zip(requests("checkout", 90, 10), (90, 10), strict=True)
    ]
    test = {
        "input_series": quiet,
        "alert_rule_test": [
            {"eval_time": "29m", "alertname": "ManyErrors", "exp_alerts": []},
            {"eval_time": "48m", "alertname": "ManyErrors", "exp_alerts": [many_errors("checkout", "10%")]},
        ],
        "promql_expr_test": [
            {
                "expr": "count by (service) (service:http_errors:ratio_rate5m) * 0 + 0.05",
                "eval_time": "29m",
                "exp_samples": [{"labels": '{service="checkout"}', "value": 0.05}],
            }
        ],
    }
    assert judge(version, tmp_path, LOST, test) == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_promtool_is_able_to_say_no(version, tmp_path):
    test = {"input_series": requests("checkout", 90, 10), "alert_rule_test": expected("ManyErrors")}
    assert "FAILED" in judge(version, tmp_path, LOST, test)
