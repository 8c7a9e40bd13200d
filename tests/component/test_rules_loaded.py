"""What Prometheus lists of an owned rule is recognised, in the words of each version."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import yaml
from localcluster import Cluster, Options, Prometheus

from builders import a_detector, a_policy
from opssight_operator.core.conditions import Verdict
from opssight_operator.core.loaded import rule_verdict
from opssight_operator.core.observation import LoadedRule, RuleObjectState, RuleObservation
from opssight_operator.core.plan import RuleObject
from opssight_operator.core.rules import detector_rule, policy_rule

POLICY = a_policy(mode="Record", perLabels=["service"])
VALUES = {'it\'s "q"': 1e-7, "a\\b\nc": -0.5, "größe ☃ 😀": 1e21, "{{ $labels.x }}": 0.1 + 0.2}
THRESHOLDS = policy_rule(POLICY, [({"service": name}, value) for name, value in VALUES.items()])
ALERT = detector_rule(a_detector(alert={"for": "1s", "keepFiringFor": "1m", "annotations": {"a": "{{ $value }}"}}))
ODD = [
    'sum by (service) (rate(errors_total{code=~"5..",m!="GET"}[5m])) / sum(rate(all_total[5m])) by (service) > 0.05',
    "sum by () (x) > ((5)) or max without () (y) > 0x1F",
    "a / ignoring () b > 1 and on () c",
    "a > on (x) group_left (y) (max by (x, y) (b) or on (x) count by (x) (a) * 0 + 5)",
    "a * ignoring (x) group_right () b > -5",
    "x > -5 or y > - 5 or z >= - -5 or w < -+5 or v < 10 * -3",
    "max_over_time(deriv(x[5m:30s] offset -1h)[10m:]) > 1e3 and x offset 5m @ 1609746000 == 0",
    'label_replace(x{path=~`\\d+/"42"`}, "a", "$1", "b", "(.*)7") > Inf unless x == NaN',
    "count_values without (inf0) ('v1', build_info) > bool .5",
    "topk(3, x) > 1 or quantile(0.9, x) > 1 or -x ^ 2 > 1",
    'histogram_quantile(0.99, sum by (le) (rate(request_seconds_bucket{le!="+Inf"}[1h30m]))) > 1.5 # seconds',
    'ALERTS{alertname="größe ☃",reason="it\'s \\"q\\""} > 0 and {__name__="x",a=""} > 1',
]
ALERTS = RuleObject(
    "odd",
    {},
    (
        {
            "name": "odd",
            "rules": [
                {"alert": f"Odd{at}", "expr": expr, "for": "1h30m", "keep_firing_for": "90s", "labels": {"at": str(at)}}
                for at, expr in enumerate(ODD)
            ],
        },
    ),
    "",
)


@pytest.fixture(scope="module", params=["new", "old"])
def prometheus(request: pytest.FixtureRequest) -> Iterator[Prometheus]:
    """Prometheus alone, of both versions."""
    with Cluster(options=Options(control_plane=False)) as cluster:
        yield cluster.prometheus if request.param == "new" else cluster.start_prometheus_old()


def loads(prometheus: Prometheus, rule: RuleObject) -> None:
    prometheus.rules.mkdir(parents=True, exist_ok=True)
    groups = [dict(group) for group in rule.groups]
    (prometheus.rules / f"{rule.name}.yaml").write_text(yaml.safe_dump({"groups": groups}, allow_unicode=True))
    prometheus.reload()


def verdict(prometheus: Prometheus, rule: RuleObject) -> Verdict:
    name = rule.groups[0]["name"]
    loaded = tuple(
        LoadedRule(
            group=name,
            name=r["name"],
            kind=r["type"],
            health=r["health"],
            last_error=r.get("lastError", ""),
            labels=r.get("labels", {}),
            query=r["query"],
            for_seconds=r.get("duration"),
            keep_firing_for_seconds=r.get("keepFiringFor"),
        )
        for group in prometheus.rule_groups()
        if group["name"] == name
        for r in group["rules"]
    )
    return rule_verdict(rule, RuleObservation(RuleObjectState.OURS, rule.digest, rule.groups, loaded))


def wait_for(prometheus: Prometheus, rule: RuleObject, reason: str) -> Verdict:
    deadline = time.monotonic() + 20
    while (said := verdict(prometheus, rule)).reason != reason and time.monotonic() < deadline:
        time.sleep(0.2)
    assert said.reason == reason, said
    return said


@pytest.mark.parametrize("rule", [THRESHOLDS, ALERT, ALERTS], ids=["thresholds", "alert", "odd expressions"])
def test_a_loaded_rule_is_recognised(prometheus: Prometheus, rule: RuleObject) -> None:
    loads(prometheus, rule)
    wait_for(prometheus, rule, "Loaded")


def test_another_threshold_is_not_the_one_that_was_written(prometheus: Prometheus) -> None:
    loads(prometheus, THRESHOLDS)
    wait_for(prometheus, THRESHOLDS, "Loaded")
    other = policy_rule(POLICY, [({"service": name}, value * 1.25) for name, value in VALUES.items()])
    assert "4 of 4 rules are not loaded" in verdict(prometheus, other).message
    loads(prometheus, other)
    wait_for(prometheus, other, "Loaded")


def test_a_rule_that_fails_says_why(prometheus: Prometheus) -> None:
    (group,) = THRESHOLDS.groups
    two = 'label_replace(vector(1), "a", "1", "", "") or label_replace(vector(2), "a", "2", "", "")'
    broken = [{"record": "opssight:threshold", "expr": two, "labels": {"a": "same"}}]
    rule = RuleObject(THRESHOLDS.name, {}, ({"name": group["name"], "rules": broken},), "")
    loads(prometheus, rule)
    said = wait_for(prometheus, rule, "RuleUnhealthy")
    assert "opssight:threshold" in said.message
    assert len(said.message) < 400
