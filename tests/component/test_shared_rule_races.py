"""Many hands on one shared PrometheusRule at once, against the real API server; no operator runs here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from localcluster import Cluster

from component.operator_process import NAMESPACE, View, install
from opssight_operator.adapters.kubernetes.client import connect
from opssight_operator.adapters.kubernetes.shared_rules import SharedRules
from opssight_operator.api import API_VERSION
from opssight_operator.core.conventions import shared_group_name
from opssight_operator.core.observation import RuleObjectState
from opssight_operator.core.plan import RuleObject
from opssight_operator.core.rules import groups_size, rule_digest
from opssight_operator.core.sharing import MAX_RULE_BYTES
from opssight_operator.errors import FieldConflict, TooMuchData
from opssight_operator.reconcile.ports import Owner

RULES = "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules"


@pytest.fixture
async def store(cluster: Cluster, tmp_path: Path) -> AsyncIterator[SharedRules]:
    """With the rights that the operator has in production."""
    install(cluster)
    account = tmp_path / "kubeconfig"
    cluster.kubeconfig_for_service_account(NAMESPACE, "opssight-operator", account)
    api = await connect(15.0, {"KUBECONFIG": str(account)})
    yield SharedRules(api)
    await api.close()


def owners(cluster: Cluster, namespace: str, count: int) -> list[Owner]:
    """So many policies, which garbage collection finds alive."""
    view, made = View(cluster, namespace), []
    for n in range(count):
        name = f"p{n:02d}"
        view.apply("ThresholdPolicy", name, {"expr": "up"})
        uid = (view.get("tpol", name) or {})["metadata"]["uid"]
        made.append(Owner(API_VERSION, "ThresholdPolicy", name, namespace, uid))
    return made


def part(owner: Owner, size: int = 100, **labels: str) -> RuleObject:
    """A part of about ``size`` bytes."""
    rules = [
        {"record": "opssight:threshold", "expr": "vector(1)", "labels": {"service": f"{n:04}{'x' * 940}"}}
        for n in range(max(1, size // 1000))
    ]
    groups = ({"name": shared_group_name(owner.namespace, owner.name, "all"), "rules": rules},)
    return RuleObject("all", labels, groups, rule_digest(labels, groups), shared=True)


def found(cluster: Cluster, namespace: str) -> dict[str, Any]:
    items = cluster.api("GET", RULES.format(namespace))["items"]
    return next((item for item in items if item["metadata"]["name"] == "all"), {})


async def test_the_last_room_is_given_once_and_the_last_to_leave_takes_the_object(
    cluster: Cluster, store: SharedRules, namespace: str
) -> None:
    made = owners(cluster, namespace, 9)
    await store.join(made[0], part(made[0], 60_000))
    answers = await asyncio.gather(*(store.join(o, part(o, 60_000)) for o in made[1:]), return_exceptions=True)
    refused = [answer for answer in answers if answer is not None]
    assert all(isinstance(answer, TooMuchData) for answer in refused), refused
    total = groups_size(found(cluster, namespace)["spec"]["groups"])
    assert total <= MAX_RULE_BYTES < total + groups_size(part(made[0], 60_000).groups)
    assert len(found(cluster, namespace)["spec"]["groups"]) == 9 - len(refused) == 6
    first, others = [owner.uid for owner in made[:4]], [owner.uid for owner in made[4:]]
    shard = SharedRules(store._api)  # another process, with which nothing is agreed
    await asyncio.gather(store.leave(namespace, "all", first), *(shard.leave(namespace, "all", [u]) for u in others))
    assert not found(cluster, namespace)


async def test_a_live_policy_whose_owner_reference_somebody_removed_is_not_taken_for_gone(
    cluster: Cluster, store: SharedRules, namespace: str
) -> None:
    one, two = owners(cluster, namespace, 2)
    for owner in (one, two):
        await store.join(owner, part(owner))
    kept = [r for r in found(cluster, namespace)["metadata"]["ownerReferences"] if r["uid"] != one.uid]
    patch = json.dumps({"metadata": {"ownerReferences": kept}})
    cluster.kubectl("patch", "prometheusrule", "all", "-n", namespace, "--type=merge", "-p", patch)
    assert (await store.observe(two, "all")).rest.departed == ()
    mine = await store.observe(one, "all")
    assert (mine.state, mine.digest) == (RuleObjectState.OURS, ""), "to be written again"
    await store.join(one, part(one))
    assert {r["uid"] for r in found(cluster, namespace)["metadata"]["ownerReferences"]} == {one.uid, two.uid}
    assert (await store.observe(one, "all")).digest == part(one).digest


async def test_a_label_that_another_policy_sets_in_the_same_moment_is_a_conflict_and_no_force(
    cluster: Cluster, store: SharedRules, namespace: str
) -> None:
    one, two = owners(cluster, namespace, 2)
    await store.join(one, part(one, release="a"))
    with pytest.raises(FieldConflict, match="release"):
        await store.join(two, part(two, release="b"))
    assert found(cluster, namespace)["metadata"]["labels"] == {"release": "a"}
    assert (await store.observe(two, "all")).rest.labels == {"release": ("a", (one.name,))}
