"""Policies that share a PrometheusRule: what each writes, yields and leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from builders import NOW, a_frame, a_loaded_rule, a_policy, a_policy_observation
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.conventions import policy_of_group, shared_group_name
from opssight_operator.core.held import not_applied
from opssight_operator.core.observation import Labels, RuleObjectState, RuleObservation, SharedRest
from opssight_operator.core.places import Place, former_places, own_place, place_of, shared_objects, shared_place
from opssight_operator.core.plan import ApplyRule, KeepRule, LeaveRule, Plan, RemoveRule
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.rules import groups_size, policy_rule
from opssight_operator.core.sharing import MAX_RULE_BYTES, agreed, check_room
from opssight_operator.core.windows import history_window
from opssight_operator.errors import KubernetesUnavailable, TooMuchData
from opssight_operator.settings import Settings

SETTINGS = Settings()
CALM = [float(v) for v in range(61, 0, -1)]  # 95th percentile 58
GROUP = "opssight-tpol-shop-checkout-errors@thresholds"
OWN = "opssight-tpol-checkout-errors"


def sharing(name: str | None = "thresholds", status: Mapping[str, Any] | None = None, **record: Any) -> ThresholdPolicy:
    """A policy whose rules belong into the shared object ``name``, or into its own object."""
    shared = {"sharedObject": name} if name else {}
    known = ThresholdPolicyStatus.model_validate(status or {})
    return a_policy(delivery={"mode": "Record", "record": {**shared, **record}}, status=known)


def at(
    policy: ThresholdPolicy,
    rule: RuleObservation | None = None,
    former: tuple[tuple[Place, RuleObservation], ...] = (),
) -> Plan[ThresholdPolicyStatus]:
    observation = a_policy_observation(a_frame({"service=a": CALM}, end=NOW), rule=rule, former=former)
    return evaluate(policy, observation, history_window(policy.spec, NOW, SETTINGS), NOW, SETTINGS)


def loaded(policy: ThresholdPolicy, level: float = 58.0, **rest: Any) -> RuleObservation:
    """What is observed of a policy's part that stands and is loaded."""
    return replace(a_loaded_rule(policy_rule(policy, [({}, level)])), rest=SharedRest(**rest))


def said(plan: Plan[ThresholdPolicyStatus]) -> dict[str, tuple[str, str, str]]:
    return {c.type: (c.status, c.reason, c.message) for c in plan.status.conditions}


def test_a_part_has_the_group_of_its_policy_and_no_label_that_names_an_owner() -> None:
    rule = policy_rule(sharing(ruleLabels={"release": "prometheus"}), [({}, 1.0)])
    assert (rule.name, rule.shared) == ("thresholds", True)
    assert [group["name"] for group in rule.groups] == [GROUP]
    assert rule.labels == {
        "release": "prometheus",
        "app.kubernetes.io/managed-by": "opssight-operator",
        "opssight.dev/owner-kind": "ThresholdPolicy",
    }


def test_a_group_tells_its_policy() -> None:
    assert policy_of_group("shop", shared_group_name("shop", "a-b", "x.y"), "x.y") == "a-b"
    assert policy_of_group("shop", "opssight-tpol-shop-a", "x") is None
    assert policy_of_group("shop", "theirs", "x") is None


PLACES: dict[str, tuple[ThresholdPolicy, str | None, tuple[str, ...]]] = {
    "by default a policy has an object of its own, and nothing before": (sharing(None), OWN, ()),
    "the first time in a shared object, its own is looked at": (sharing(), "thresholds", (OWN,)),
    "in a shared object for good, nothing else is": (
        sharing(status={"ruleObjects": ["thresholds"]}), "thresholds", (),
    ),
    "in the middle of a move both are": (
        sharing(status={"ruleObjects": ["thresholds", OWN]}), "thresholds", (OWN,),
    ),
    "back to its own, the shared one is looked at": (
        sharing(None, status={"ruleObjects": ["thresholds"]}), OWN, ("thresholds",),
    ),
    "between two shared ones, the former is looked at": (
        sharing("b", status={"ruleObjects": ["a"]}), "b", ("a",),
    ),
    "a mode that writes nothing looks for what it left": (
        a_policy(status=ThresholdPolicyStatus(rule_objects=["a"])), None, ("a",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("policy", "here", "before"), PLACES.values(), ids=PLACES)
def test_the_places_of_a_policy(policy: ThresholdPolicy, here: str | None, before: tuple[str, ...]) -> None:
    place = place_of(policy)
    assert (place.name if place else None) == here
    assert tuple(p.name for p in former_places(policy)) == before
    shared = [name for name in (here, *before) if name and name != OWN]
    assert list(shared_objects(policy)) == shared


def test_the_part_of_a_newcomer_is_written_beside_the_others() -> None:
    others = SharedRest(size=1000, policies=("b",), labels={"opssight.dev/owner-kind": ("ThresholdPolicy", ("b",))})
    plan = at(sharing(), RuleObservation(RuleObjectState.ABSENT, rest=others))
    assert plan.rule == ApplyRule(policy_rule(sharing(), [({}, 58.0)]))
    assert plan.status.rule_objects == ["thresholds"]
    assert said(plan)["Applied"][:2] == ("True", "Recorded")
    assert said(plan)["RuleLoaded"][:2] == ("False", "NotLoaded")


def test_a_part_that_stands_is_left_alone_whatever_the_others_do() -> None:
    policy = sharing(status=at(sharing()).status.dump())
    plan = at(policy, loaded(policy, size=399_000, policies=("b", "c")))
    assert (plan.rule, plan.before_rule, plan.after_rule) == (KeepRule(), (), ())
    assert said(plan)["RuleLoaded"] == ("True", "Loaded", f"Prometheus has loaded the group {GROUP}")
    assert plan.status.rule_objects == ["thresholds"]


def test_somebody_elses_object_is_named_and_left() -> None:
    plan = at(sharing(), RuleObservation(RuleObjectState.FOREIGN))
    assert plan.rule == KeepRule()
    for condition in ("Ready", "Applied"):
        status, reason, message = said(plan)[condition]
        assert (status, reason) == ("False", "NameConflict")
        assert "the PrometheusRule thresholds exists and is not of OpsSight" in message
    assert plan.status.rule_objects == []


RELEASE: Labels = {"release": "b"}
DISPUTES: dict[str, tuple[Mapping[str, tuple[str, tuple[str, ...]]], list[str]]] = {
    "nobody has the label": ({}, []),
    "others have it with the same value": ({"release": ("b", ("x",))}, []),
    "others have it with another value": ({"release": ("a", ("x",))}, ["release"]),
    "others have a label that is not asked for": ({"team": ("shop", ("x",))}, []),
}


@pytest.mark.parametrize(("theirs", "expected"), DISPUTES.values(), ids=DISPUTES)
def test_a_label_that_others_have_set_is_left_to_them(
    theirs: Mapping[str, tuple[str, tuple[str, ...]]], expected: list[str]
) -> None:
    rule = policy_rule(sharing(ruleLabels=RELEASE), [({}, 1.0)])
    result, disputes = agreed(rule, RuleObservation(RuleObjectState.ABSENT, rest=SharedRest(labels=theirs)))
    assert [d.label for d in disputes] == expected
    assert set(rule.labels) - set(result.labels) == set(expected)
    assert result.groups == rule.groups
    assert (result.digest == rule.digest) == (not expected)


def test_a_label_in_dispute_is_said_with_the_policy_that_has_it_and_the_threshold_is_recorded() -> None:
    theirs = SharedRest(policies=("first",), labels={"release": ("a", ("first",))})
    plan = at(sharing(ruleLabels=RELEASE), RuleObservation(RuleObjectState.ABSENT, rest=theirs))
    for condition in ("Ready", "Applied"):
        status, reason, message = said(plan)[condition]
        assert (status, reason) == ("False", "FieldConflict")
        assert "the label release of the shared PrometheusRule thresholds is a for policy first, and b" in message
    assert isinstance(plan.rule, ApplyRule)
    assert "release" not in plan.rule.rule.labels
    # and once it stands there like this, it is not written again
    written = replace(a_loaded_rule(plan.rule.rule), rest=theirs)
    again = at(sharing(ruleLabels=RELEASE, status=plan.status.dump()), written)
    assert again.rule == KeepRule()
    assert said(again)["Applied"][1] == "FieldConflict"
    assert not again.status_changed or said(again) != said(plan)


def test_policies_that_change_a_label_all_at_once_get_past_each_other() -> None:
    """The story of two: both had a and both want b. The first gives a up, the second may then set b."""
    rule = policy_rule(sharing(ruleLabels=RELEASE), [({}, 1.0)])
    first, _ = agreed(rule, RuleObservation(rest=SharedRest(labels={"release": ("a", ("second",))})))
    assert "release" not in first.labels
    second, disputes = agreed(rule, RuleObservation(rest=SharedRest(labels={})))  # nobody else has it any more
    assert second.labels["release"] == "b" and not disputes
    first, disputes = agreed(rule, RuleObservation(rest=SharedRest(labels={"release": ("b", ("second",))})))
    assert first.labels["release"] == "b" and not disputes


def big(count: int) -> Any:
    return policy_rule(sharing(), [({"service": f"{n:04}{'x' * 1000}"}, 1.0) for n in range(count)])


ROOM: dict[str, tuple[int, int, int, str]] = {  # thresholds wanted, thresholds that stand, bytes of others, message
    "room for all": (10, 0, 300_000, ""),
    "a newcomer that is too much": (100, 0, 300_000, "the PrometheusRule thresholds would have"),
    "a part that grows too much": (100, 50, 300_000, "name another object in sharedObject"),
    "a part that stays in a full object": (50, 50, 399_000, ""),
    "a part that shrinks in a full object": (40, 50, 420_000, ""),
    "a part that is too large for any object": (400, 0, 0, "choose perLabels with fewer values"),
}


@pytest.mark.parametrize(("wanted", "stands", "others", "message"), ROOM.values(), ids=ROOM)
def test_the_room_of_a_shared_object(wanted: int, stands: int, others: int, message: str) -> None:
    groups = big(stands).groups if stands else ()
    observed = RuleObservation(groups=groups, rest=SharedRest(size=others, policies=("b", "c", "d", "e")))
    if not message:
        check_room(big(wanted), observed)
        return
    with pytest.raises(TooMuchData, match=message) as raised:
        check_room(big(wanted), observed)
    assert str(MAX_RULE_BYTES) in str(raised.value)


def test_a_full_object_is_named_with_its_size_and_those_who_fill_it() -> None:
    observed = RuleObservation(rest=SharedRest(size=390_000, policies=("b", "c", "d", "e")))
    size = groups_size(big(50).groups)
    with pytest.raises(TooMuchData) as raised:
        check_room(big(50), observed)
    assert f"thresholds would have {390_000 + size} bytes, {size} of them for this policy" in str(raised.value)
    assert "policies b, c, d and 1 more" in str(raised.value)


def moving(name: str | None, before: str, *, there: RuleObservation, **record: Any) -> Plan[ThresholdPolicyStatus]:
    """A look during a move from ``before`` to ``name``."""
    old = sharing(None if before == OWN else before)
    first = at(old)
    status = {**first.status.dump(), "ruleObjects": [before]}
    policy = sharing(name, status=status, **record)
    place = own_place(policy) if before == OWN else shared_place(policy, before)
    return at(policy, there, former=((place, loaded(old)),))


MOVES: dict[str, tuple[str | None, str, Any]] = {
    "from its own object to a shared one": ("thresholds", OWN, RemoveRule(OWN)),
    "from a shared object to its own": (None, "thresholds", LeaveRule("thresholds", "uid-1")),
    "from a shared object to another": ("b", "a", LeaveRule("a", "uid-1")),
}


@pytest.mark.parametrize(("name", "before", "leave"), MOVES.values(), ids=MOVES)
def test_a_move_writes_the_new_object_first_and_leaves_the_old_one_when_it_is_loaded(
    name: str | None, before: str, leave: Any
) -> None:
    there = place_of(sharing(name))
    assert there is not None
    first = moving(name, before, there=RuleObservation())
    assert isinstance(first.rule, ApplyRule) and first.rule.rule.name == there.name
    assert first.before_rule == () and set(map(type, first.after_rule)) <= {KeepRule}
    assert first.status.rule_objects == [there.name, before]
    written = replace(loaded(sharing(name)), loaded=())
    waiting = moving(name, before, there=written)
    assert waiting.rule == KeepRule() and waiting.before_rule == ()
    done = moving(name, before, there=loaded(sharing(name)))
    assert (done.before_rule, done.rule) == ((leave,), KeepRule())
    assert done.status.rule_objects == [there.name]


def test_what_changes_during_a_move_changes_in_both_objects() -> None:
    policy = sharing(status={"ruleObjects": ["thresholds", OWN]})
    old = loaded(sharing(None), 50.0)
    plan = at(policy, replace(loaded(policy, 50.0), loaded=()), former=((own_place(policy), old),))
    assert isinstance(plan.rule, ApplyRule)
    (kept,) = plan.after_rule
    assert isinstance(kept, ApplyRule)
    assert (kept.rule.name, kept.rule.shared) == (OWN, False)
    assert kept.rule.groups[0]["rules"] == plan.rule.rule.groups[0]["rules"]


@pytest.mark.parametrize(
    ("others", "written"), [(100_000, True), (399_950, False)], ids=["room is left", "the others have filled it"]
)
def test_an_object_on_its_way_out_is_kept_equal_only_within_its_room(others: int, written: bool) -> None:
    policy = sharing("new", status={"ruleObjects": ["new", "old"]})
    former = replace(loaded(sharing("old"), 5.0), rest=SharedRest(size=others, policies=("b",)))
    plan = at(policy, replace(loaded(policy, 50.0), loaded=()), former=((shared_place(policy, "old"), former),))
    assert isinstance(plan.rule, ApplyRule)
    assert [isinstance(kept, ApplyRule) for kept in plan.after_rule] == [written]
    assert plan.status.rule_objects == ["new", "old"]


def test_with_prometheus_silent_about_its_rules_the_old_object_stays() -> None:
    plan = moving("thresholds", OWN, there=replace(loaded(sharing()), loaded=None))
    assert plan.before_rule == ()
    assert plan.status.rule_objects == ["thresholds", OWN]


def test_before_the_first_write_the_last_good_threshold_is_that_of_the_object_before() -> None:
    policy = sharing(status={"ruleObjects": [OWN]})
    plan = at(policy, RuleObservation(), former=((own_place(policy), loaded(sharing(None), 50.0)),))
    (threshold,) = plan.status.thresholds
    assert plan.status.history[0].from_ == "50"
    assert threshold.current == "58"


def test_a_foreign_object_keeps_the_threshold_where_it_was() -> None:
    plan = moving("thresholds", OWN, there=RuleObservation(RuleObjectState.FOREIGN))
    assert plan.rule == KeepRule() and plan.before_rule == ()
    assert plan.status.rule_objects == [OWN]
    assert said(plan)["Ready"][1] == "NameConflict"


def test_a_mode_without_rules_leaves_at_once() -> None:
    policy = a_policy(status=ThresholdPolicyStatus(rule_objects=["thresholds"]))
    plan = at(policy, former=((shared_place(policy, "thresholds"), loaded(sharing())),))
    assert plan.before_rule == (LeaveRule("thresholds", "uid-1"),)
    assert plan.status.rule_objects == []


def test_a_rendered_alert_stays_until_the_shared_record_is_loaded() -> None:
    alert = {"alert": "ManyErrors", "expr": "error_ratio > 50"}
    rendered = RuleObservation(RuleObjectState.OURS, "", ({"name": "opssight-tpol-shop-x", "rules": [alert]},))
    policy = sharing(status={"ruleObjects": [OWN]})
    plan = at(policy, RuleObservation(), former=((own_place(policy), rendered),))
    assert plan.after_rule == (KeepRule(),)
    done = at(policy, loaded(policy), former=((own_place(policy), rendered),))
    assert done.before_rule == (RemoveRule(OWN),)


def test_the_part_of_a_policy_that_is_gone_is_taken_out_by_whoever_sees_it() -> None:
    policy = sharing(status=at(sharing()).status.dump())
    plan = at(policy, loaded(policy, departed=("uid-7",)))
    assert plan.after_rule == (LeaveRule("thresholds", "uid-7"),)
    assert plan.rule == KeepRule()


def test_a_write_without_an_answer_is_remembered_as_if_it_had_come_through() -> None:
    policy = sharing(status={"ruleObjects": [OWN]})
    plan = at(policy)
    held = not_applied(plan, policy, KubernetesUnavailable("no answer"), NOW, SETTINGS)
    assert held.status.rule_objects == ["thresholds", OWN]
    assert held.status.thresholds == policy.status.thresholds
    assert held.status_changed
    assert json.loads(json.dumps(held.status.dump()))["ruleObjects"] == ["thresholds", OWN]
