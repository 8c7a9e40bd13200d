"""Patch and diff on alert rules that people run: each number of each alert, there and back.

Without a corpus (``corpus.SETTING``) the rules are our own, written in the same forms; the test then says nothing of
what others ship, and its name says so.
"""

from __future__ import annotations

from typing import Any

import pytest

import corpus
from builders import a_policy
from opssight_operator.api.delivery import Patch
from opssight_operator.cli.rule_files import RuleFile, changed, read
from opssight_operator.core.literals import find_literals, numbers_in
from opssight_operator.core.patching import patching
from opssight_operator.core.targets import Target, alerts_in, places

CONSENT = {"opssight.dev/patch": "allowed"}
OWN = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: own
spec:
  groups:
  - name: own.rules
    rules:
    - record: job:up:count
      expr: count by (job) (up == 1)
    - alert: DiskAlmostFull
      expr: |
        (
          disk_free{fstype!=""} / disk_size{fstype!=""} * 100 < 5   # percent
        and
          disk_readonly == 0
        )
      for: 30m
      labels: {severity: warning}
    - alert: DiskAlmostFull
      expr: >-
        (disk_free / disk_size * 100 < 3 and disk_readonly == 0)
      labels: {severity: critical}
    - alert: ClockSkew
      expr: "(offset_seconds > 0.05 and deriv(offset_seconds[5m]) >= 0) or (offset_seconds < -0.05)"
    - alert: Restarts
      expr: increase(restarts_total[1h]) > 1e1
    - alert: Certificate
      expr: expiry_seconds - time() < 7 * 24 * 3600
"""


def shipped() -> list[RuleFile]:
    return [read(path.name, path.read_text()) for path in corpus.manifests()] or [read("own.yaml", OWN)]


def cases() -> list[Any]:
    origin = "corpus" if corpus.manifests() else "own rules only, no corpus was given"
    return [
        pytest.param(file, one, id=f"{origin}: {file.name}")
        for file in shipped()
        for one in file.sets
        if alerts_in(one.groups) != "none"
    ]


@pytest.mark.parametrize(("file", "rules"), cases())
def test_each_number_of_each_alert_is_patched_alone_and_comes_back(file: RuleFile, rules: Any) -> None:
    tried = 0
    for g, group in enumerate(rules.groups):
        for r, rule in enumerate(group["rules"]):
            if "alert" not in rule:
                continue
            for literal in find_literals(rule["expr"]):
                tried += _there_and_back(rules.name, rules.groups, (g, r), literal.occurrence)
    assert tried >= 1


def _there_and_back(name: str, groups: list[dict[str, Any]], at: tuple[int, int], occurrence: int) -> int:
    rule = groups[at[0]]["rules"][at[1]]
    before = numbers_in(rule["expr"])
    assert before is not None
    only = [{**groups[at[0]], "rules": [rule]}]  # a name may be there twice with equal labels
    target = Target(name, "1", tuple(only), CONSENT, {})
    literal = find_literals(rule["expr"])[occurrence - 1]
    policy = a_policy(
        delivery={
            "mode": "Patch",
            "patch": {"target": {"name": name}, "alert": rule["alert"], "literal": {"occurrence": occurrence}},
        }
    )
    there = patching(policy, literal.value + 1.25, target, allowed=True)
    assert there.write is not None, there.applied.message
    after = numbers_in(there.write.after)
    assert after is not None
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        (literal.value, literal.value + 1.25)
    ]
    assert there.write.after.startswith(rule["expr"][: literal.start])
    assert there.write.after.endswith(rule["expr"][literal.end :])
    patched = Target(name, "2", ({**only[0], "rules": [{**rule, "expr": there.write.after}]},), CONSENT, {})
    back = patching(policy, literal.value, patched, allowed=True)
    assert back.write is not None
    assert numbers_in(back.write.after) == before
    return 1


@pytest.mark.parametrize(("file", "rules"), cases())
def test_a_diff_of_each_alert_changes_one_line_of_its_file(file: RuleFile, rules: Any) -> None:
    for group in rules.groups:
        for rule in group["rules"]:
            literals = find_literals(rule["expr"]) if "alert" in rule else ()
            fields = {"target": {"name": "any"}, "alert": rule.get("alert", "x"), "labels": rule.get("labels", {})}
            patch = Patch.model_validate({**fields, "group": group["name"], "literal": {"occurrence": 1}})
            if not literals or len(places(rules.groups, patch)) != 1:
                continue
            text = changed(file, rules, patch, "Upper", literals[0].value + 1.25)
            old, new = file.text.split("\n"), text.split("\n")
            assert len(old) == len(new)
            assert sum(a != b for a, b in zip(old, new, strict=True)) == 1
