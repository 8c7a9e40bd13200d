"""Mode Patch: which number becomes the threshold, and when nobody's rule is touched."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from builders import NOW, a_frame, a_policy, a_policy_observation
from opssight_operator.api.conditions import Reason
from opssight_operator.api.delivery import Patch
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.core.observation import LoadedRule, RuleObjectState, RuleObservation
from opssight_operator.core.patching import MAX_REVERTS, Patching, patching
from opssight_operator.core.plan import ApplyRule, PatchTarget
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.targets import Rival, Target
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings

EXPR = "errors / requests > 0.05 # of all\n  and requests > 10"
CONSENT = {"opssight.dev/patch": "allowed"}


def an_alert(name: str = "Errors", expr: str = EXPR, **labels: str) -> dict[str, Any]:
    return {"alert": name, "expr": expr, "labels": labels or {"severity": "warning"}}


def a_target(*rules: dict[str, Any], labels: dict[str, str] | None = None, **more: Any) -> Target:
    groups = ({"name": "shop", "rules": list(rules or (an_alert(),))},)
    marks = CONSENT if labels is None else labels
    return Target("theirs", "42", groups, marks, more.pop("annotations", {}), created="2026-02-01T00:00:00Z", **more)


def a_patching_policy(*, patch: dict[str, Any] | None = None, **more: Any) -> ThresholdPolicy:
    fields = {"target": {"name": "theirs"}, "alert": "Errors", "literal": {"metric": "errors"}, **(patch or {})}
    return a_policy(delivery={"mode": "Patch", "patch": fields}, **more)


def done(
    target: Target | None, policy: ThresholdPolicy | None = None, threshold: float | None = 0.08, allowed: bool = True
) -> Patching:
    return patching(policy or a_patching_policy(), threshold, target, allowed=allowed)


def after(target: Target, write: PatchTarget) -> Target:
    """The target as the write leaves it."""
    groups = json.loads(json.dumps([dict(g) for g in target.groups]))
    groups[write.group_index]["rules"][write.rule_index]["expr"] = write.after
    return replace(target, groups=tuple(groups), annotations=dict(write.annotations))


def remembering(policy: ThresholdPolicy, result: Patching) -> ThresholdPolicy:
    """The policy with the status that was written."""
    status = policy.status.model_copy(
        update={"patch": result.status, "observed_generation": policy.metadata.generation}
    )
    return policy.model_copy(update={"status": status})


def test_one_number_changes_and_comments_and_layout_stay() -> None:
    result = done(a_target(an_alert("Other"), an_alert()))
    assert result.applied.reason is Reason.PATCHED
    assert result.write is not None
    assert (result.write.group_index, result.write.rule_index, result.write.resource_version) == (0, 1, "42")
    assert result.write.after == "errors / requests > 0.08 # of all\n  and requests > 10"
    assert result.status is not None
    assert result.status.original == EXPR
    assert (result.status.occurrence, result.status.value) == (1, "0.08")


def test_nothing_is_written_when_the_number_is_the_threshold_already() -> None:
    result = done(a_target(), threshold=0.05)
    assert (result.applied.reason, result.write) == (Reason.PATCHED, None)


def test_the_original_survives_many_patches() -> None:
    policy, target = a_patching_policy(patch={"literal": {"value": "0.05"}}), a_target()
    for threshold in (0.08, 0.1, 0.02):
        result = done(target, policy, threshold)
        assert result.write is not None
        target, policy = after(target, result.write), remembering(policy, result)
    assert policy.status.patch is not None
    assert policy.status.patch.original == EXPR


def test_a_lost_status_finds_the_original_beside_the_alert() -> None:
    policy, target = a_patching_policy(patch={"literal": {"value": "0.05"}}), a_target()
    first = done(target, policy)
    assert first.write is not None
    again = done(after(target, first.write), policy, 0.09)
    assert again.status is not None
    assert again.status.original == EXPR


def test_an_alert_that_its_owner_wrote_anew_has_a_new_original() -> None:
    policy, target = a_patching_policy(), a_target()
    policy = remembering(policy, done(target, policy))
    new = "errors / (requests + 1) > 0.07"
    result = done(a_target(an_alert(expr=new)), policy, 0.08)
    assert result.status is not None
    assert result.write is not None
    assert (result.status.original, result.write.after) == (new, "errors / (requests + 1) > 0.08")


def test_a_number_that_is_set_back_is_restored_and_at_last_left_alone() -> None:
    policy, target = a_patching_policy(), a_target()
    policy = remembering(policy, done(target, policy))
    seen = []
    for _ in range(MAX_REVERTS + 3):  # the owner applies the original again each time
        result = done(target, policy)
        seen.append((result.applied.reason, result.write is not None))
        policy = remembering(policy, result)
    restored, left = (Reason.PATCHED, True), (Reason.TARGET_REVERTED, False)
    assert seen == [restored] * (MAX_REVERTS - 1) + [left] * 4
    policy = policy.model_copy(update={"metadata": policy.metadata.model_copy(update={"generation": 2})})
    assert done(target, policy).applied.reason is Reason.PATCHED


def test_our_own_changes_are_no_reverts() -> None:
    policy, target = a_patching_policy(), a_target()
    for step in range(10):
        result = done(target, policy, 0.1 + step / 100)
        assert result.write is not None
        target, policy = after(target, result.write), remembering(policy, result)
    assert policy.status.patch is not None
    assert policy.status.patch.reverts == 0


TWO = (an_alert(severity="warning"), an_alert(severity="critical"))
REFUSED: dict[str, tuple[dict[str, Any], Reason, tuple[str, ...]]] = {
    "the operator does not allow it": (
        {"target": a_target(), "allowed": False},
        Reason.PATCH_DISABLED,
        ("OPSSIGHT_ALLOW_PATCH",),
    ),
    "the object is missing": ({"target": None}, Reason.TARGET_NOT_FOUND, ("shop/theirs", "patch.target")),
    "the object does not consent": (
        {"target": a_target(labels={})},
        Reason.CONSENT_MISSING,
        ("opssight.dev/patch=allowed",),
    ),
    "the alert is missing": (
        {"target": a_target(an_alert("Other"))},
        Reason.TARGET_NOT_FOUND,
        ("no alert Errors", "it has Other"),
    ),
    "two alerts of one name": (
        {"target": a_target(*TWO)},
        Reason.AMBIGUOUS_TARGET,
        ("2 alerts fit", "severity=warning", "severity=critical"),
    ),
    "two numbers that could be meant": (
        {"target": a_target(), "policy": a_patching_policy(patch={"literal": {}})},
        Reason.AMBIGUOUS_TARGET,
        ("2 numbers", "occurrence 1", "0.05", "occurrence 2", "requests > 10"),
    ),
    "a number that nobody wrote": (
        {"target": a_target(), "policy": a_patching_policy(patch={"literal": {"value": "7"}})},
        Reason.TARGET_NOT_FOUND,
        ("no number is 7", "0.05 (occurrence 1)"),
    ),
    "a number that stands there twice": (
        {
            "target": a_target(an_alert(expr="a > 5 and b > 5")),
            "policy": a_patching_policy(patch={"literal": {"value": "5"}}),
        },
        Reason.AMBIGUOUS_TARGET,
        ("2 numbers are 5", "1, 2"),
    ),
    "the other bound": (
        {"target": a_target(), "policy": a_patching_policy(bound="Lower")},
        Reason.TARGET_NOT_FOUND,
        ("of bound Lower",),
    ),
    "an expression that does not parse": (
        {"target": a_target(an_alert(expr="errors > > 1"))},
        Reason.INVALID_QUERY,
        ("does not parse",),
    ),
    "Argo CD tracks it": (
        {"target": a_target(annotations={"argocd.argoproj.io/tracking-id": "shop:..."})},
        Reason.MANAGED_ELSEWHERE,
        ("Argo CD", "tracking-id"),
    ),
    "Argo CD applied it": (
        {"target": a_target(managers=("kubectl", "argocd-controller"))},
        Reason.MANAGED_ELSEWHERE,
        ("argocd-controller", "managedFields"),
    ),
    "Flux applied it": (
        {"target": a_target(labels={**CONSENT, "kustomize.toolkit.fluxcd.io/name": "shop"})},
        Reason.MANAGED_ELSEWHERE,
        ("Flux", "kustomize.toolkit.fluxcd.io/name"),
    ),
    "Helm installed it": (
        {"target": a_target(labels={**CONSENT, "app.kubernetes.io/managed-by": "Helm"})},
        Reason.MANAGED_ELSEWHERE,
        ("Helm", "app.kubernetes.io/managed-by"),
    ),
    "Helm left its annotation": (
        {"target": a_target(annotations={"meta.helm.sh/release-name": "kube-prometheus-stack"})},
        Reason.MANAGED_ELSEWHERE,
        ("Helm", "meta.helm.sh/release-name"),
    ),
    "a controller owns it": (
        {"target": a_target(owner="ServiceLevelObjective errors")},
        Reason.MANAGED_ELSEWHERE,
        ("ServiceLevelObjective errors",),
    ),
}


@pytest.mark.parametrize(("case", "reason", "says"), REFUSED.values(), ids=REFUSED)
def test_nothing_is_written_and_the_condition_says_why(
    case: dict[str, Any], reason: Reason, says: tuple[str, ...]
) -> None:
    result = done(**case)
    assert result.write is None
    assert (result.applied.status, result.applied.reason) == ("False", reason)
    assert all(word in result.applied.message for word in says), result.applied.message


def a_rival(name: str, created: str, **patch: Any) -> Rival:
    fields = {"target": {"name": "theirs"}, "alert": "Errors", "literal": {"metric": "errors"}, **patch}
    return Rival(name, created, Patch.model_validate(fields), "Upper")


@pytest.mark.parametrize(
    ("rival", "reason"),
    [
        (a_rival("older", "2026-01-01T00:00:00Z"), Reason.TARGET_TAKEN),
        (a_rival("younger", "2026-03-01T00:00:00Z"), Reason.PATCHED),
        (a_rival("aaa", "2026-02-01T00:00:00Z"), Reason.TARGET_TAKEN),
        (a_rival("zzz", "2026-02-01T00:00:00Z"), Reason.PATCHED),
        (a_rival("older", "2026-01-01T00:00:00Z", literal={"metric": "requests", "occurrence": 2}), Reason.PATCHED),
        (a_rival("older", "2026-01-01T00:00:00Z", alert="Other"), Reason.PATCHED),
        (a_rival("older", "2026-01-01T00:00:00Z", target={"name": "another"}), Reason.PATCHED),
    ],
    ids=["older", "younger", "same age, first name", "same age, last name", "another number", "alert", "object"],
)
def test_of_two_policies_for_one_number_the_older_has_it(rival: Rival, reason: Reason) -> None:
    result = done(a_target(rivals=(rival,)))
    assert result.applied.reason is reason
    if reason is Reason.TARGET_TAKEN:
        assert rival.name in result.applied.message


def test_two_policies_that_look_at_each_other_never_both_write() -> None:
    mine, theirs = a_patching_policy(name="mine"), a_patching_policy(name="theirs-too")
    one = a_target(rivals=(a_rival("theirs-too", "2026-02-01T00:00:00Z"),))
    two = a_target(rivals=(a_rival("mine", "2026-02-01T00:00:00Z"),))
    writes = [done(one, mine).write is not None, done(two, theirs).write is not None]
    assert writes == [True, False]


EVALUATED: dict[str, tuple[dict[str, Any], Reason]] = {
    "what stands there": ({}, Reason.LOADED),
    "another number": ({"query": "errors / requests > 0.07 and requests > 10"}, Reason.NOT_LOADED),
    "another metric": ({"query": "faults / requests > 0.05 and requests > 10"}, Reason.NOT_LOADED),
    "another operator": ({"query": "errors / requests >= 0.05 and requests > 10"}, Reason.NOT_LOADED),
    "a term less": ({"query": "errors / requests > 0.05"}, Reason.NOT_LOADED),
    "another for": ({"for_seconds": 60.0}, Reason.NOT_LOADED),
    "another keep_firing_for": ({"keep_firing_for_seconds": 60.0}, Reason.NOT_LOADED),
    "another severity": ({"labels": {"severity": "page"}}, Reason.NOT_LOADED),
    "a rule that fails": ({"health": "err"}, Reason.RULE_UNHEALTHY),
}


@pytest.mark.parametrize(("changes", "reason"), EVALUATED.values(), ids=EVALUATED)
def test_of_the_patched_alert_prometheus_evaluates(changes: dict[str, Any], reason: Reason) -> None:
    listed = LoadedRule(
        **{
            "group": "shop",
            "name": "Errors",
            "kind": "alerting",
            "health": "ok",
            "labels": {"severity": "warning"},
            "query": "errors / requests > 0.05 and requests > 10",
            "for_seconds": 300.0,
            "keep_firing_for_seconds": 0.0,
            **changes,
        }
    )
    target = a_target({**an_alert(), "for": "5m"}, loaded=(listed,))
    assert done(target, threshold=0.05).loaded.reason is reason


def test_an_alert_into_which_the_namespace_is_enforced_is_loaded_beside_a_group_of_another() -> None:
    expr = 'errors{{namespace="{0}"}} / requests{{namespace="{0}"}} > 0.05 and requests{{namespace="{0}"}} > 10'
    listed = tuple(
        LoadedRule("shop", "Errors", "alerting", "ok", labels=labels, query=expr.format(labels["namespace"]))
        for labels in ({"severity": "warning", "namespace": namespace} for namespace in ("blog", "shop"))
    )
    assert done(a_target(loaded=listed), threshold=0.05).loaded.reason is Reason.LOADED


DROPPED: dict[str, tuple[dict[str, Any], str]] = {
    "prometheus-operator": (
        {"refusals": ("for prometheuses monitoring/main: InvalidConfiguration",)},
        "prometheus-operator dropped theirs for prometheuses monitoring/main: InvalidConfiguration",
    ),
    "Prometheus": (
        {"unreadable": "the expression of Other: no such function"},
        "theirs is not loaded: the expression of Other: no such function",
    ),
}


@pytest.mark.parametrize(("known", "message"), DROPPED.values(), ids=DROPPED)
def test_an_object_that_is_dropped_says_why_by_the_words_of(known: dict[str, Any], message: str) -> None:
    said = done(a_target(loaded=(), **known), threshold=0.05).loaded
    assert (said.status, said.reason, said.message) == ("False", Reason.RULE_REJECTED, message)


def test_without_a_list_of_prometheus_it_is_not_known_whether_the_alert_is_loaded() -> None:
    assert done(a_target(), threshold=0.05).loaded.reason is Reason.PROMETHEUS_UNREACHABLE


def planned(policy: ThresholdPolicy, target: Target | None) -> Any:
    settings = Settings(allow_patch=True)
    rising = a_frame({"": [0.5] * 60})
    observed = a_policy_observation(rising, target=target)
    return evaluate(policy, observed, history_window(policy.spec, NOW, settings), NOW, settings)


def test_the_first_threshold_is_one_step_from_the_number_in_the_alert() -> None:
    plan = planned(a_patching_policy(guardrails={"maxStep": "0.2", "whileFiring": "Allow"}), a_target())
    current = plan.status.thresholds[0].current
    assert 0.055 < float(current) < 0.065  # history asks for 0.5
    assert plan.patch is not None
    assert f"> {current} #" in plan.patch.after


def test_a_policy_that_may_not_patch_still_learns_and_is_not_ready() -> None:
    plan = planned(a_patching_policy(), a_target(labels={}))
    said = {c.type: c.reason for c in plan.status.conditions}
    assert (said["Ready"], said["Applied"], said["Recommended"]) == ("ConsentMissing", "ConsentMissing", "Learned")
    assert plan.patch is None
    assert plan.status.thresholds[0].current is not None


def test_another_mode_says_what_the_patched_alert_was() -> None:
    policy, target = a_patching_policy(), a_target()
    policy = remembering(policy, done(target, policy))
    recommend = a_policy(status=policy.status)
    plan = planned(recommend, None)
    (applied,) = (c for c in plan.status.conditions if c.type == "Applied")
    assert "still has the patched number 0.08" in applied.message
    assert plan.status.patch.original == EXPR


def test_an_owned_object_that_was_taken_by_force_is_no_defect() -> None:
    settings = Settings()
    policy = a_policy(mode="Record")
    taken = RuleObservation(RuleObjectState.OURS, "sha256:0", groups=(), loaded=())
    observed = a_policy_observation(a_frame({"": [0.5] * 60}), rule=taken)
    plan = evaluate(policy, observed, history_window(policy.spec, NOW, settings), NOW, settings)
    assert isinstance(plan.rule, ApplyRule)  # which yields to the other manager, with a condition
