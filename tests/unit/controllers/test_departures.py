"""Many policies that are deleted at once, in virtual time; objects keep parts and versions as Kubernetes does."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from builders import a_policy
from opssight_operator.adapters.kubernetes.failures import ApiFailure, ours
from opssight_operator.adapters.kubernetes.shared_rules import SharedRules
from opssight_operator.controllers.departures import AT_ONCE, Departures
from opssight_operator.core.conventions import SHARED_MANAGER, shared_group_name
from virtual_time import in_virtual_time

MANY = 100


def policy(number: int, shared: str = "all") -> Any:
    made = a_policy(f"p{number}", delivery={"mode": "Record", "record": {"sharedObject": shared}})
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"uid": f"uid-of-{number}"})})


@dataclass
class Objects:
    """Shared objects by name, each with its parts (uid and name of the policy) and its version; no policy is left.

    Nobody owns them any more, as garbage collection may be faster than we are.
    """

    parts: dict[str, dict[str, str]]
    versions: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    at_once: int = 0
    most: int = 0
    rivals: int = 0  # writes of somebody else that come first

    async def request(
        self, method: str, path: str, *, body: Any = None, query: Any = (), content_type: str = "", what: str = ""
    ) -> dict[str, Any]:
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        name = path.rpartition("/")[2]
        if "thresholdpolicies" in path or not self.parts.get(name):
            raise ApiFailure(404, "NotFound", "a sentence", what)
        if method == "PATCH":
            self.write(name, body["metadata"]["resourceVersion"], what)
            del self.parts[name][dict(query)["fieldManager"].removeprefix(SHARED_MANAGER)]
        if method == "DELETE":
            self.write(name, body["preconditions"]["resourceVersion"], what)
            del self.parts[name]
            return {}
        return self.object(name)

    async def send(self, *arguments: Any, **more: Any) -> dict[str, Any]:
        try:
            return await self.request(*arguments, **more)
        except ApiFailure as failure:
            raise ours(failure) from failure

    def write(self, name: str, version: str, what: str) -> None:
        if self.rivals:
            self.rivals -= 1
            self.versions[name] = self.versions.get(name, 0) + 1
        if version != str(self.versions.get(name, 0)):
            raise ApiFailure(409, "Conflict", "a sentence", what)
        self.versions[name] = int(version) + 1

    def object(self, name: str) -> dict[str, Any]:
        groups = {uid: shared_group_name("shop", policy, name) for uid, policy in self.parts[name].items()}
        entries = [
            {
                "manager": f"{SHARED_MANAGER}{uid}",
                "operation": "Apply",
                "fieldsV1": {"f:spec": {"f:groups": {f'k:{{"name":"{group}"}}': {"f:rules": {}}}}},
            }
            for uid, group in groups.items()
        ]
        version = str(self.versions.get(name, 0))
        return {
            "metadata": {
                "name": name, "namespace": "shop", "uid": name, "resourceVersion": version, "managedFields": entries,
            },
            "spec": {"groups": [{"name": group, "rules": []} for group in groups.values()]},
        }  # fmt: skip


def all_leave(objects: Objects, policies: list[Any], seconds: float = 600.0) -> Objects:
    async def play() -> None:
        api: Any = objects
        departures = Departures(SharedRules(api))
        for one in policies:
            departures.start(one)
            await asyncio.sleep(0.001)  # as the events come in
        await asyncio.sleep(seconds)
        assert not departures._passes

    in_virtual_time(play())
    return objects


def shared_by(policies: list[Any]) -> dict[str, dict[str, str]]:
    return {"all": {one.metadata.uid: one.metadata.name for one in policies}}


def test_as_many_requests_as_policies_take_all_of_them_out(caplog: pytest.LogCaptureFixture) -> None:
    policies = [policy(number) for number in range(MANY)]
    with caplog.at_level(logging.WARNING):
        objects = all_leave(Objects(shared_by(policies)), policies)
    assert objects.parts == {}
    assert objects.asked <= MANY + 10
    assert not caplog.messages


def test_who_stays_keeps_the_part() -> None:
    policies = [policy(number) for number in range(MANY)]
    objects = all_leave(Objects(shared_by(policies)), policies[1:])
    assert objects.parts == shared_by(policies[:1])


def test_writes_of_another_shard_in_between_cost_a_few_requests_more() -> None:
    policies = [policy(number) for number in range(MANY)]
    objects = all_leave(Objects(shared_by(policies), rivals=9), policies)
    assert objects.parts == {}
    assert objects.asked <= MANY + 10 + 2 * 9


def test_a_part_that_was_left_behind_is_taken_out_when_somebody_asks_for_one_that_is_gone_already() -> None:
    left = [policy(number) for number in range(3)]
    objects = all_leave(Objects(shared_by(left)), [policy(99)])
    assert objects.parts == {}


def test_only_a_few_objects_are_written_to_at_once() -> None:
    policies = [policy(number, f"o{number}") for number in range(50)]
    objects = Objects({f"o{number}": shared_by([one])["all"] for number, one in enumerate(policies)})
    all_leave(objects, policies)
    assert objects.parts == {}
    assert objects.most <= AT_ONCE
