"""Whose part is whose in a shared PrometheusRule, by its managedFields and owner references."""

from __future__ import annotations

from typing import Any

import pytest

from opssight_operator.adapters.kubernetes.sharing import (
    groups_without,
    observation,
    predecessors,
    sharers,
    suspects,
)
from opssight_operator.core.observation import RuleObjectState
from opssight_operator.reconcile.ports import Owner


def owner(name: str, uid: str = "") -> Owner:
    return Owner("opssight.dev/v1alpha1", "ThresholdPolicy", name, "shop", uid or f"uid-{name}")


def group_of(policy: str) -> str:
    return f"opssight-tpol-shop-{policy}@all"


def entry(manager: str, *groups: str, labels: tuple[str, ...] = (), operation: str = "Apply") -> dict[str, Any]:
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{label}": {} for label in labels}}}
    if groups:
        fields["f:spec"] = {"f:groups": {f'k:{{"name":"{name}"}}': {".": {}, "f:rules": {}} for name in groups}}
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def shared(
    *entries: dict[str, Any], owners: tuple[str, ...], groups: tuple[str, ...], labels: dict[str, str] | None = None
) -> dict[str, Any]:
    """An object ``all`` with these parts."""
    return {
        "metadata": {
            "name": "all",
            "namespace": "shop",
            "labels": labels or {},
            "ownerReferences": [{"uid": f"uid-{name}", "name": name} for name in owners],
            "managedFields": list(entries),
        },
        "spec": {"groups": [{"name": name, "rules": [{"record": "x", "expr": "vector(1)"}]} for name in groups]},
    }


A, B = entry("opssight/uid-a", group_of("a"), labels=("team",)), entry("opssight/uid-b", group_of("b"))
BOTH = shared(A, B, owners=("a", "b"), groups=(group_of("a"), group_of("b")), labels={"team": "shop"})


def test_a_policy_sees_its_own_group_alone_and_the_size_and_labels_of_the_rest() -> None:
    mine = observation(BOTH, owner("b"), "all", ())
    assert mine.state is RuleObjectState.OURS
    assert [group["name"] for group in mine.groups] == [group_of("b")]
    assert mine.rest.policies == ("a",)
    assert mine.rest.labels == {"team": ("shop", ("a",))}
    assert 0 < mine.rest.size < 200


def test_a_policy_that_is_not_in_it_yet_may_join() -> None:
    mine = observation(BOTH, owner("c"), "all", ())
    assert (mine.state, mine.groups, mine.rest.policies) == (RuleObjectState.ABSENT, (), ("a", "b"))


FOREIGN = {
    "made by a person": shared(entry("kubectl", "theirs", operation="Update"), owners=(), groups=("theirs",)),
    "owned by one policy or detector": shared(entry("opssight", "own"), owners=("a",), groups=("own",)),
    "updated by a namesake of ours": shared(entry("opssight/uid-a", "x", operation="Update"), owners=(), groups=("x",)),
}


@pytest.mark.parametrize("found", FOREIGN.values(), ids=FOREIGN)
def test_an_object_without_a_part_of_ours_is_foreign(found: dict[str, Any]) -> None:
    assert observation(found, owner("a"), "all", ()).state is RuleObjectState.FOREIGN
    assert not sharers(found)


def test_a_part_without_its_owner_reference_is_never_equal_to_what_is_wanted() -> None:
    found = shared(A, owners=(), groups=(group_of("a"),))
    assert observation(found, owner("a"), "all", ()).digest == ""
    assert suspects(found, "all") == {"uid-a": "a"}


def test_a_part_whose_group_was_taken_by_force_is_ours_and_empty() -> None:
    found = shared(
        entry("opssight/uid-a"), entry("argocd-controller", group_of("a")), owners=("a",), groups=(group_of("a"),)
    )
    mine = observation(found, owner("a"), "all", ())
    assert (mine.state, mine.groups) == (RuleObjectState.OURS, ())
    assert not predecessors(found, owner("a"), "all"), "what is another manager's is not taken back"


def test_a_suspect_is_a_part_without_an_owner_reference() -> None:
    found = shared(A, B, entry("opssight/uid-c"), owners=("b",), groups=(group_of("a"), group_of("b")))
    assert suspects(found, "all") == {"uid-a": "a", "uid-c": None}
    assert suspects(BOTH, "all") == {}


def test_the_group_of_a_predecessor_may_be_taken_over() -> None:
    assert predecessors(BOTH, owner("b", "uid-new"), "all")
    assert not predecessors(BOTH, owner("b"), "all")
    assert not predecessors(BOTH, owner("c"), "all")
    both = shared(B, entry("someone", group_of("b")), owners=("b",), groups=(group_of("b"),))
    assert not predecessors(both, owner("b", "uid-new"), "all")


def test_what_stays_when_a_part_is_taken_out() -> None:
    assert [g["name"] for g in groups_without(BOTH, "uid-a")] == [group_of("b")]
    alone = shared(A, owners=("a",), groups=(group_of("a"),))
    assert groups_without(alone, "uid-a") == []
    beside = shared(A, entry("someone", "theirs"), owners=("a",), groups=(group_of("a"), "theirs"))
    assert [g["name"] for g in groups_without(beside, "uid-a")] == ["theirs"]


def test_a_part_that_is_gone_is_no_policy_any_more_and_its_label_is_not_fought_for() -> None:
    mine = observation(BOTH, owner("b"), "all", ("uid-a",))
    assert mine.rest.policies == ()
    assert mine.rest.labels == {"team": ("shop", ("that is gone",))}
    assert mine.rest.departed == ("uid-a",)
