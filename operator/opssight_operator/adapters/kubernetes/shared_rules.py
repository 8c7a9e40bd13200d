"""PrometheusRules that several policies share: each one applies its own group and takes it out again."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from opssight_operator.api import API_VERSION as OWN_VERSION
from opssight_operator.api import PLURALS
from opssight_operator.core.observation import RuleObjectState, RuleObservation
from opssight_operator.core.plan import RuleObject
from opssight_operator.core.sharing import check_room
from opssight_operator.errors import FieldConflict, NameConflict
from opssight_operator.reconcile.ports import Owner

from .client import APPLY, KubeApi
from .failures import mapped
from .owned import owner_reference, read, remove_exactly
from .rules import API_VERSION, APPLYING, read_rule, rule_path
from .sharing import groups_without, manager_of, observation, predecessors, sharers, suspects

_TRIES = 10  # without any progress; the policies of other shards write too
_PAUSE = 0.05  # seconds, with jitter


class SharedRules:
    """``ports.SharedRuleStore`` over server-side apply with a field manager for each policy.

    Every write holds only for the version of the object that was read, so that two policies cannot fill its last room
    at once, and the last one to leave takes the object with it.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        """The owner's part of the object; foreign when no policy has a part of it."""
        found = await read_rule(self._api, owner.namespace, name)
        if found is None:
            return RuleObservation()
        return observation(found, owner, name, tuple(await self._departed(found, owner.namespace, name)))

    async def join(self, owner: Owner, rule: RuleObject) -> None:
        """Make the owner's part look like ``rule``; raises ``ConflictError`` and ``TooMuchData``."""
        async with self._writing(owner.namespace, rule.name):
            await self._join(owner, rule)

    async def _join(self, owner: Owner, rule: RuleObject) -> None:
        what = f"apply PrometheusRule {owner.namespace}/{rule.name}"
        for attempt in range(_TRIES):
            found = await read_rule(self._api, owner.namespace, rule.name)
            if found is not None:
                stands = observation(found, owner, rule.name, ())
                if stands.state is RuleObjectState.FOREIGN:
                    raise NameConflict(
                        f"delivery.record.sharedObject: PrometheusRule {owner.namespace}/{rule.name} exists and is not "
                        "of OpsSight; name another object, or delete that one"
                    )
                check_room(rule, stands)
            version = found["metadata"]["resourceVersion"] if found is not None else ""
            try:
                if found is not None and predecessors(found, owner, rule.name):
                    # The group alone is taken over by force, so that it is never missing; for labels there is none.
                    taken = await self._apply(owner, rule.name, _part(owner, rule, {}), version, what, force=True)
                    version = taken["metadata"]["resourceVersion"]
                await self._apply(owner, rule.name, _part(owner, rule, rule.labels), version, what)
                return
            except FieldConflict:
                if attempt + 1 == _TRIES or not await self._moved_on(owner.namespace, rule.name, version):
                    raise
            await self._pause()

    async def leave(self, namespace: str, name: str, uids: Collection[str]) -> None:
        """Take parts out, or else those of policies that are gone; the object goes with its last group."""
        async with self._writing(namespace, name):
            tries, fewest = 0, sys.maxsize
            while (found := await read_rule(self._api, namespace, name)) is not None:
                gone = [uid for uid in sharers(found) if uid in uids] or await self._departed(found, namespace, name)
                tries, fewest = (0 if len(gone) < fewest else tries + 1), len(gone)
                try:
                    await self._take_out(found, namespace, name, gone)
                    return
                except FieldConflict:
                    if tries + 1 >= _TRIES:
                        raise
                    await self._pause()

    async def _take_out(self, found: dict[str, Any], namespace: str, name: str, gone: Sequence[str]) -> None:
        """Part after part, each from the object that the write before has left."""
        what = f"take the part of a policy out of PrometheusRule {namespace}/{name}"
        for uid in gone:
            if not groups_without(found, uid):
                place = f"PrometheusRule {namespace}/{name}"
                await remove_exactly(self._api, rule_path(namespace, name), place, found)
                return
            owner = Owner(OWN_VERSION, "ThresholdPolicy", "", namespace, uid)
            found = await self._apply(owner, name, {"metadata": {}}, found["metadata"]["resourceVersion"], what)

    def _writing(self, namespace: str, name: str) -> asyncio.Lock:
        """One writer of ours at a time for each object, as more would only meet each other's conflicts."""
        return self._locks.setdefault((namespace, name), asyncio.Lock())

    async def _apply(
        self, owner: Owner, name: str, part: dict[str, Any], version: str, what: str, *, force: bool = False
    ) -> dict[str, Any]:
        identity = {"name": name, "namespace": owner.namespace, **({"resourceVersion": version} if version else {})}
        body = {
            "apiVersion": API_VERSION,
            "kind": "PrometheusRule",
            **part,
            "metadata": {**part["metadata"], **identity},
        }
        query = [("fieldManager", manager_of(owner.uid)), ("force", "true" if force else "false")]
        path = rule_path(owner.namespace, name)
        with mapped(APPLYING):
            return await self._api.request("PATCH", path, body=body, content_type=APPLY, query=query, what=what)

    async def _departed(self, found: dict[str, Any], namespace: str, name: str) -> list[str]:
        """Parts whose policy is gone. A missing owner reference alone is no proof: somebody may have removed it."""
        gone = []
        for uid, policy in suspects(found, name).items():
            if policy is None or await self._uid_of(namespace, policy) != uid:
                gone.append(uid)
        return gone

    async def _uid_of(self, namespace: str, policy: str) -> str:
        path = f"/apis/{OWN_VERSION}/namespaces/{namespace}/{PLURALS['ThresholdPolicy']}/{policy}"
        found = await read(self._api, path, f"ThresholdPolicy {namespace}/{policy}")
        return str(found["metadata"]["uid"]) if found is not None else ""

    async def _moved_on(self, namespace: str, name: str, version: str) -> bool:
        found = await read_rule(self._api, namespace, name)
        return found is None or found["metadata"]["resourceVersion"] != version

    async def _pause(self) -> None:
        await asyncio.sleep(_PAUSE * (1 + self._jitter.random()))


def _part(owner: Owner, rule: RuleObject, labels: Mapping[str, str]) -> dict[str, Any]:
    reference = {**owner_reference(owner), "controller": False}  # there may be one controller alone
    labelled = {"labels": dict(labels)} if labels else {}  # an empty map would be a field of its own, with one manager
    return {
        "metadata": {**labelled, "ownerReferences": [reference]},
        "spec": {"groups": [dict(group) for group in rule.groups]},
    }
