"""The recipe that replaces a shipped alert: its manifests by promtool and amtool, its text against what is shipped.

Without the rules of kube-prometheus (``corpus.SETTING``) the comparison with them is skipped.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster.build import program

import corpus
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.literals import choose_literal, parse, replace_literal
from opssight_operator.core.rendering import rendered_rule

PAGE = Path(__file__).parents[2] / "docs" / "recipes" / "replace-a-shipped-alert.md"
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
POLICY, VALUES, CRITICAL, ROUTES = BLOCKS
ALERT = "NodeFilesystemAlmostOutOfSpace"


def successor(threshold: float | None) -> dict[str, Any]:
    """The alert that the policy of the page writes, at a learned threshold or before there is one."""
    policy = ThresholdPolicy(
        metadata=ObjectMeta(**POLICY["metadata"]),
        spec=ThresholdPolicySpec.model_validate(POLICY["spec"]),
        status=ThresholdPolicyStatus(),
    )
    rule = rendered_rule(policy, [] if threshold is None else [({}, threshold)], {})
    assert rule is not None
    alert: dict[str, Any] = rule.groups[0]["rules"][-1]
    return alert


def shipped() -> dict[str, dict[str, Any]]:
    """The alerts of that name in the corpus, by severity."""
    if not corpus.manifests():
        pytest.skip(f"{corpus.SETTING} names no folder with the rules of kube-prometheus")
    found = {rule["labels"]["severity"]: rule for rule in corpus.rules() if rule.get("alert") == ALERT}
    assert set(found) == {"warning", "critical"}
    return found


def tree(expression: str) -> str:
    return repr(parse(expression))


def test_the_successor_is_the_shipped_expression_with_another_number() -> None:
    warning = shipped()["warning"]
    number = choose_literal(warning["expr"], "Lower")
    assert tree(successor(None)["expr"]) == tree(warning["expr"])
    assert tree(successor(12.5)["expr"]) == tree(replace_literal(warning["expr"], number, 12.5))
    assert (successor(12.5)["for"], successor(12.5)["labels"]["severity"]) == (warning["for"], "warning")


def test_the_copy_of_the_critical_one_is_the_shipped_one() -> None:
    (copied,) = CRITICAL["spec"]["groups"][0]["rules"]
    critical = shipped()["critical"]
    assert tree(copied["expr"]) == tree(critical["expr"])
    assert (copied["for"], copied["labels"]) == (critical["for"], critical["labels"])


def test_the_chart_switches_off_the_alert_that_is_written() -> None:
    assert {"defaultRules": {"disabled": {successor(None)["alert"]: True}}} == VALUES


DISK = 'instance="n1",job="node-exporter",fstype="ext4",mountpoint="/",device="sda"'


def against(version: str, folder: Path, free: float, readonly: int, severities: set[str]) -> str:
    """What promtool has against these severities, and no others, firing after an hour at ``free`` percent."""
    series = {
        "node_filesystem_avail_bytes": free,
        "node_filesystem_size_bytes": 100,
        "node_filesystem_readonly": readonly,
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": f"{name}{{{DISK}}}", "values": f"{value}x70"} for name, value in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count by (severity) (ALERTS{{alertname="{ALERT}",alertstate="firing"}})',
                "eval_time": "1h",
                "exp_samples": [{"labels": f'{{severity="{one}"}}', "value": 1} for one in sorted(severities)],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    argv = [str(program(version)), "test", "rules", "test.yaml"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("version", ["promtool", "promtool-old"])
@pytest.mark.parametrize(
    ("threshold", "free", "readonly", "severities"),
    [
        (None, 10, 0, set()),
        (None, 4, 0, {"warning"}),
        (12.5, 10, 0, {"warning"}),
        (12.5, 13, 0, set()),
        (12.5, 2, 0, {"warning", "critical"}),
        (12.5, 2, 1, set()),
    ],
    ids=["as shipped", "as shipped, low", "learned", "above it", "both severities", "read-only"],
)
def test_the_rules_of_the_page_fire_as_it_says(
    version: str, threshold: float | None, free: float, readonly: int, severities: set[str], tmp_path: Path
) -> None:
    rules = [successor(threshold), *CRITICAL["spec"]["groups"][0]["rules"]]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "disk", "rules": rules}]}))
    assert against(version, tmp_path, free, readonly, severities) == ""


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"severity": "warning"}, "null"),
        ({"severity": "warning", "threshold": "learned"}, "team"),
        ({"severity": "critical"}, "team"),
    ],
    ids=["the shipped warning", "its successor", "the shipped critical one"],
)
def test_alertmanager_drops_the_shipped_warning_alone(labels: dict[str, str], receiver: str, tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump(ROUTES))
    given = [f"{name}={value}" for name, value in {"alertname": ALERT, **labels}.items()]
    argv = [str(program("amtool")), "config", "routes", "test", "--config.file=alertmanager.yaml", *given]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == receiver, done.stderr
