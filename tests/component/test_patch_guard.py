"""A patch holds only for the object that was read: the real API server refuses it once anybody has changed that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from localcluster import Cluster

from component.operator_process import NAMESPACE, install
from opssight_operator.adapters.kubernetes.client import connect
from opssight_operator.adapters.kubernetes.patches import PatchTargets
from opssight_operator.api import API_VERSION
from opssight_operator.core.plan import PatchTarget
from opssight_operator.errors import FieldConflict
from opssight_operator.reconcile.ports import Owner

RULES = "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules/{}"
BEFORE, AFTER = "errors > 1 and load < 2", "errors > 5 and load < 2"


@pytest.fixture
async def targets(cluster: Cluster, tmp_path: Path) -> AsyncIterator[PatchTargets]:
    """With the rights that the operator has in production."""
    install(cluster)
    account = tmp_path / "kubeconfig"
    cluster.kubeconfig_for_service_account(NAMESPACE, "opssight-operator", account)
    api = await connect(15.0, {"KUBECONFIG": str(account)})
    yield PatchTargets(api)
    await api.close()


def alert(**more: Any) -> dict[str, Any]:
    rules = [{"alert": "Many", "expr": BEFORE, **more}, {"alert": "Other", "expr": "up == 0"}]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "theirs", "annotations": {"note": "mine"}},
        "spec": {"groups": [{"name": "theirs", "rules": rules}]},
    }


def put(cluster: Cluster, namespace: str, body: dict[str, Any], *how: str) -> None:
    cluster.kubectl(*(how or ("apply",)), "-n", namespace, "-f", "-", input=json.dumps(body))


def moved(body: dict[str, Any]) -> dict[str, Any]:
    body["spec"]["groups"][0]["rules"].reverse()
    return body


CHANGES: dict[str, Callable[[Cluster, str], None]] = {
    "its number": lambda c, n: put(c, n, alert(expr="errors > 3 and load < 2")),
    "the order of its alerts": lambda c, n: put(c, n, moved(alert())),
    "a label alone": lambda c, n: put(c, n, alert(labels={"severity": "page"})),
    "deleted and made again": lambda c, n: put(c, n, alert(), "replace", "--force"),
}


@pytest.mark.parametrize("changed", CHANGES)
async def test_what_was_changed_after_it_was_read_is_not_patched(
    cluster: Cluster, targets: PatchTargets, namespace: str, changed: str
) -> None:
    put(cluster, namespace, alert())
    owner = Owner(API_VERSION, "ThresholdPolicy", "policy", namespace, "uid")
    seen = await targets.observe(owner, "theirs")
    assert seen is not None
    patch = PatchTarget("theirs", seen.resource_version, 0, 0, "Many", BEFORE, AFTER, {**seen.annotations, "ours": "1"})
    CHANGES[changed](cluster, namespace)
    theirs = cluster.api("GET", RULES.format(namespace, "theirs"))
    with pytest.raises(FieldConflict, match="has changed meanwhile"):
        await targets.patch(owner, patch)
    assert cluster.api("GET", RULES.format(namespace, "theirs")) == theirs


async def test_the_object_that_was_read_is_patched_in_one_expression(
    cluster: Cluster, targets: PatchTargets, namespace: str
) -> None:
    put(cluster, namespace, alert(labels={"severity": "page"}))
    owner = Owner(API_VERSION, "ThresholdPolicy", "policy", namespace, "uid")
    seen = await targets.observe(owner, "theirs")
    assert seen is not None
    marks = {**seen.annotations, "ours": "1"}
    await targets.patch(owner, PatchTarget("theirs", seen.resource_version, 0, 0, "Many", BEFORE, AFTER, marks))
    found = cluster.api("GET", RULES.format(namespace, "theirs"))
    assert found["spec"]["groups"] == alert(expr=AFTER, labels={"severity": "page"})["spec"]["groups"]
    assert found["metadata"]["annotations"] == marks
