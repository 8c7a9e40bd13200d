from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import a_detector, a_loaded_rule, a_policy
from opssight_operator.core.loaded import rule_verdict
from opssight_operator.core.observation import RuleObjectState, RuleObservation
from opssight_operator.core.plan import ApplyRule, KeepRule, RemoveRule, RuleObject
from opssight_operator.core.rendering import rendered_rule
from opssight_operator.core.rules import (
    detector_rule,
    groups_size,
    policy_rule,
    recorded_thresholds,
    rule_digest,
    rule_intent,
)

POLICY = a_policy(mode="Record", perLabels=["service"])
TWO = [({"service": "b"}, 0.25), ({"service": "a"}, 0.1)]
RULE = policy_rule(POLICY, TWO)


def test_a_threshold_is_recorded_with_the_labels_that_an_alert_joins_on() -> None:
    (group,) = RULE.groups
    assert group["name"] == "opssight-tpol-shop-checkout-errors"
    assert group["rules"][0] == {
        "record": "opssight:threshold",
        "expr": "vector(0.1)",
        "labels": {"policy": "checkout-errors", "namespace": "shop", "bound": "upper", "service": "a"},
    }
    assert RULE.name == "opssight-tpol-checkout-errors"


def test_the_order_of_thresholds_makes_no_difference() -> None:
    assert policy_rule(POLICY, reversed(TWO)) == RULE


def test_a_namespace_among_the_labels_is_that_of_the_series() -> None:
    rule = policy_rule(a_policy(mode="Record", perLabels=["namespace"]), [({"namespace": "other"}, 1.0)])
    assert rule.groups[0]["rules"][0]["labels"]["namespace"] == "other"


def test_no_label_of_the_resource_is_copied_to_the_rule() -> None:
    policy = POLICY.model_copy(update={"metadata": POLICY.metadata.model_copy(update={"labels": {"argocd": "x"}})})
    assert "argocd" not in policy_rule(policy, TWO).labels


def test_rule_labels_reach_the_object_and_cannot_take_our_own() -> None:
    record = {"ruleLabels": {"release": "kube-prometheus-stack", "app.kubernetes.io/managed-by": "me"}}
    rule = policy_rule(a_policy(delivery={"mode": "Record", "record": record}), [({}, 1.0)])
    assert rule.labels["release"] == "kube-prometheus-stack"
    assert rule.labels["app.kubernetes.io/managed-by"] == "opssight-operator"


def test_a_detector_without_an_alert_wants_no_rule() -> None:
    assert detector_rule(a_detector()) is None


def test_the_alert_of_a_detector_is_on_its_own_score_alone() -> None:
    alert = {"for": "90s", "keepFiringFor": "10m", "labels": {"severity": "page"}, "annotations": {"summary": "mine"}}
    rule = detector_rule(a_detector(alert=alert))
    assert rule is not None
    entry = rule.groups[0]["rules"][0]
    assert entry["expr"] == 'opssight_anomaly_score{namespace="shop",detector="checkout-latency"} > 1'
    assert (entry["for"], entry["keep_firing_for"]) == ("1m30s", "10m")
    assert entry["labels"] == {"severity": "page"}
    assert entry["annotations"]["summary"] == "mine"
    assert "$value" in entry["annotations"]["description"]


def test_an_alert_that_does_not_keep_firing_says_nothing_of_it() -> None:
    for keep in (None, "0s"):
        rule = detector_rule(a_detector(alert={"keepFiringFor": keep}))
        assert rule is not None
        assert "keep_firing_for" not in rule.groups[0]["rules"][0]


def test_thresholds_can_be_read_back_from_the_rule() -> None:
    assert recorded_thresholds(RULE.groups, ["service"]) == {(("service", "a"),): 0.1, (("service", "b"),): 0.25}
    assert recorded_thresholds(RULE.groups, ["pod"]) == {}
    foreign = [
        {"name": "x", "rules": [{"record": "opssight:threshold", "expr": "up * 2"}, {"alert": "A", "expr": "1"}]}
    ]
    assert recorded_thresholds(foreign, []) == {}


def test_the_digest_sees_every_change_and_no_reordering() -> None:
    assert rule_digest(dict(reversed(list(RULE.labels.items()))), RULE.groups) == RULE.digest
    assert policy_rule(POLICY, [({"service": "a"}, 0.1), ({"service": "b"}, 0.26)]).digest != RULE.digest
    assert rule_digest({**RULE.labels, "release": "x"}, RULE.groups) != RULE.digest
    assert groups_size(RULE.groups) > 100


OURS = RuleObservation(RuleObjectState.OURS, RULE.digest, RULE.groups)
INTENTS = {
    "a missing object is written": (RULE, RuleObservation(), ApplyRule(RULE)),
    "an equal object is left alone": (RULE, OURS, KeepRule()),
    "another object of ours is written": (RULE, replace(OURS, digest="other"), ApplyRule(RULE)),
    "a foreign object is never touched": (RULE, RuleObservation(RuleObjectState.FOREIGN), KeepRule()),
    "an unwanted object of ours is removed": (None, OURS, RemoveRule("opssight-tpol-checkout-errors")),
    "an unwanted foreign object stays": (None, RuleObservation(RuleObjectState.FOREIGN), KeepRule()),
    "nothing is removed where nothing is": (None, RuleObservation(), KeepRule()),
}


@pytest.mark.parametrize(("desired", "observed", "intent"), INTENTS.values(), ids=INTENTS.keys())
def test_what_is_done_with_the_object(desired: object, observed: RuleObservation, intent: object) -> None:
    assert rule_intent("ThresholdPolicy", "checkout-errors", desired, observed) == intent  # type: ignore[arg-type]


LOADED = a_loaded_rule(RULE)
older = policy_rule(POLICY, [({"service": "a"}, 0.1), ({"service": "b"}, 0.2)])
VERDICTS = {
    "all rules are loaded": (LOADED, "True", "Loaded", "opssight-tpol-shop-checkout-errors"),
    "labels that prometheus-operator adds do not matter": (
        replace(LOADED, loaded=tuple(replace(r, labels={**r.labels, "tenant": "t"}) for r in LOADED.loaded or ())),
        "True",
        "Loaded",
        "",
    ),
    "Prometheus prints the number in its own way": (
        replace(LOADED, loaded=tuple(replace(r, query=r.query.replace("0.1", "1e-1")) for r in LOADED.loaded or ())),
        "True",
        "Loaded",
        "",
    ),
    "the group is not there": (replace(LOADED, loaded=()), "False", "NotLoaded", "ruleSelector"),
    "an older version is loaded": (
        replace(LOADED, loaded=a_loaded_rule(older).loaded),
        "False",
        "NotLoaded",
        "1 of 2 rules",
    ),
    "one rule is missing": (replace(LOADED, loaded=(LOADED.loaded or ())[:1]), "False", "NotLoaded", "1 of 2 rules"),
    "a rule fails": (
        a_loaded_rule(RULE, health="err", last_error="many-to-many\nmatching " + "x" * 500),
        "False",
        "RuleUnhealthy",
        "many-to-many matching xxx",
    ),
    "a rule that was not evaluated yet is loaded": (a_loaded_rule(RULE, health="unknown"), "True", "Loaded", ""),
    "Prometheus did not say": (OURS, "Unknown", "PrometheusUnreachable", "did not say"),
    "the object is not there yet": (RuleObservation(), "False", "NotLoaded", "is being written"),
    "the object is foreign": (RuleObservation(RuleObjectState.FOREIGN), "False", "NameConflict", "somebody else"),
}


@pytest.mark.parametrize(("observed", "status", "reason", "message"), VERDICTS.values(), ids=VERDICTS.keys())
def test_what_rule_loaded_says(observed: RuleObservation, status: str, reason: str, message: str) -> None:
    verdict = rule_verdict(RULE, observed)
    assert (verdict.status, verdict.reason) == (status, reason)
    assert message in verdict.message
    assert len(verdict.message) < 400


def test_no_rule_is_as_loaded_as_it_can_be() -> None:
    assert rule_verdict(None, RuleObservation()).reason == "NoRule"


def test_an_alert_is_found_by_its_name_and_labels() -> None:
    rule = detector_rule(a_detector(alert={"labels": {"severity": "page"}}))
    assert rule is not None
    assert rule_verdict(rule, a_loaded_rule(rule)).reason == "Loaded"
    assert rule_verdict(rule, a_loaded_rule(rule, labels={"severity": "warning"})).reason == "NotLoaded"


def a_rendered(expr: str = "errors > $threshold", **changes: Any) -> RuleObject:
    """The rule of a policy that renders ``expr``; ``changes`` are of its alert."""
    alert = {"name": "ManyErrors", "for": "5m", "labels": {"team": "shop"}, **changes}
    policy = a_policy(alert=alert, delivery={"mode": "Render", "render": {"expr": expr}})
    rule = rendered_rule(policy, [({}, 0.1)], {})
    assert rule is not None
    return rule


def enforced(rule: RuleObject) -> RuleObservation:
    """The rule as it is listed where prometheus-operator enforces the label of the namespace."""
    observed = a_loaded_rule(rule)
    listed = tuple(
        replace(
            one,
            labels={**one.labels, "namespace": "shop"},
            query=one.query.replace("errors", 'errors{namespace="shop"}'),
        )
        for one in observed.loaded or ()
    )
    return replace(observed, loaded=listed)


@pytest.mark.parametrize(
    "now",
    [
        a_rendered("failures > $threshold"),
        a_rendered("errors >= $threshold"),
        a_rendered("errors > $threshold and on () up"),
        a_rendered(**{"for": "1h"}),
        a_rendered(keepFiringFor="10m"),
        a_rendered(labels={"team": "blog"}),
        a_rendered(labels={}),
    ],
    ids=["metric", "operator", "term", "for", "keep firing for", "a label", "a label less"],
)
def test_an_alert_that_changes_in_more_than_its_number_is_not_loaded_until_it_is_listed(
    now: RuleObject,
) -> None:
    verdict = rule_verdict(now, replace(a_loaded_rule(now), loaded=a_loaded_rule(a_rendered()).loaded))
    assert (verdict.reason, verdict.status) == ("NotLoaded", "False")
    assert "1 of 2 rules" in verdict.message
    assert rule_verdict(now, a_loaded_rule(now)).reason == "Loaded"


def test_an_alert_into_which_the_namespace_is_enforced_is_loaded() -> None:
    assert rule_verdict(a_rendered(), enforced(a_rendered())).reason == "Loaded"
    assert rule_verdict(a_rendered("errors >= $threshold"), enforced(a_rendered())).reason == "NotLoaded"


def test_a_server_that_lists_no_durations_is_believed() -> None:
    silent = a_loaded_rule(a_rendered(), for_seconds=None, keep_firing_for_seconds=None)
    assert rule_verdict(a_rendered(**{"for": "1h"}), silent).reason == "Loaded"
