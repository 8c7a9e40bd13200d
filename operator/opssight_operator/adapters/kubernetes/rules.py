"""PrometheusRule objects that we own as a whole."""

from __future__ import annotations

from typing import Any

from opssight_operator.core import conventions
from opssight_operator.core.observation import RuleObjectState, RuleObservation
from opssight_operator.core.plan import RuleObject
from opssight_operator.core.rules import rule_digest
from opssight_operator.errors import NameConflict, OpsSightError, TargetNotFound
from opssight_operator.reconcile.ports import Owner

from .client import APPLY, KubeApi
from .failures import ApiFailure, conflict, mapped
from .owned import owner_reference, read, remove
from .ownership import Standing, our_part, standing
from .rule_status import refusals

API_VERSION = "monitoring.coreos.com/v1"


def rule_path(namespace: str, name: str) -> str:
    """Where the API server has a PrometheusRule."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/prometheusrules/{name}"


async def read_rule(api: KubeApi, namespace: str, name: str) -> dict[str, Any] | None:
    """The object, or None; None too when the cluster has no PrometheusRule kind."""
    return await read(api, rule_path(namespace, name), f"PrometheusRule {namespace}/{name}")


def _no_such_kind(failure: ApiFailure) -> OpsSightError:
    return TargetNotFound(
        f"{failure.what}: the cluster has no PrometheusRule kind; install the CRDs of prometheus-operator"
    )


APPLYING = {404: _no_such_kind, 409: conflict}
"""What is special when a PrometheusRule is applied."""


class PrometheusRules:
    """``ports.RuleStore`` over server-side apply: our field manager, our object, nobody else's."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        """The object of that name; absent too when the cluster has no PrometheusRule kind."""
        found = await read_rule(self._api, owner.namespace, name)
        if found is None:
            return RuleObservation(RuleObjectState.ABSENT)
        stands = standing(found, owner)
        if stands is Standing.PREDECESSORS:
            return RuleObservation(RuleObjectState.ABSENT)  # on its way out; nothing of it is taken over
        if stands is Standing.FOREIGN:
            return RuleObservation(RuleObjectState.FOREIGN)
        labels, groups = our_part(found)
        return RuleObservation(
            RuleObjectState.OURS, rule_digest(labels, groups), groups=groups, refusals=refusals(found)
        )

    async def apply(self, owner: Owner, rule: RuleObject) -> None:
        """Make the object look like ``rule``; yields to a foreign object and to a foreign field manager.

        The owner reference carries the uid, and garbage collection removes the rule with the operator dead too. The
        object of a predecessor, a resource of this name that was deleted and made anew, is replaced as a whole, so
        that nobody waits for its collection: by server-side apply its owner reference goes with everything else.
        """
        found = await read_rule(self._api, owner.namespace, rule.name)
        if found is not None and standing(found, owner) is Standing.FOREIGN:
            raise NameConflict(
                f"PrometheusRule {owner.namespace}/{rule.name} exists and belongs to somebody else; "
                "rename this resource or delete that object"
            )
        body = {
            "apiVersion": API_VERSION,
            "kind": "PrometheusRule",
            "metadata": {
                "name": rule.name,
                "namespace": owner.namespace,
                "labels": dict(rule.labels),
                "ownerReferences": [owner_reference(owner)],
            },
            "spec": {"groups": [dict(group) for group in rule.groups]},
        }
        what = f"apply PrometheusRule {owner.namespace}/{rule.name}"
        query = [("fieldManager", conventions.FIELD_MANAGER), ("force", "false")]
        with mapped(APPLYING):
            await self._api.request(
                "PATCH", rule_path(owner.namespace, rule.name), body=body, content_type=APPLY, query=query, what=what
            )

    async def remove(self, owner: Owner, name: str) -> None:
        """Delete the PrometheusRule if ``owner`` owns it, exactly the one that was looked at."""
        await remove(self._api, rule_path(owner.namespace, name), f"PrometheusRule {owner.namespace}/{name}", owner)
