"""One Lease, in virtual time, against a store that keeps resource versions as Kubernetes does and fails as told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from opssight_operator.adapters.kubernetes.failures import ApiFailure
from opssight_operator.adapters.lease import RELEASE_SECONDS, Lease
from unit.adapters.kube_server import Asked, connected, serving
from unit.adapters.kube_server import failure as refusal
from virtual_time import in_virtual_time

SECONDS, RENEW = 15.0, 4.0
ENDS = SECONDS * 2 / 3  # after which a leader that could not renew ends


def time() -> float:
    return asyncio.get_running_loop().time()


def failure(status: int, reason: str = "") -> ApiFailure:
    return ApiFailure(status, reason, "a sentence", "write the lease")


async def silence() -> None:
    await asyncio.sleep(3600)


def silent_at_first(times: int) -> Callable[[], Awaitable[None]]:
    left = itertools.repeat(silence, times)

    async def fault() -> None:
        if (silent := next(left, None)) is not None:
            await silent()

    return fault


NO_LEASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "something else": {"kind": "Status", "metadata": {}},
    "a duration in words": {"metadata": {"resourceVersion": "1"}, "spec": {"leaseDurationSeconds": "long"}},
}


@dataclass
class Store:
    """The one Lease. ``fault`` comes before anything is done, ``lost`` in the place of the answer to a write,
    ``garbage`` in the place of every answer.
    """

    lease: dict[str, Any] | None = None
    version: int = 0
    fault: Callable[[], Awaitable[None]] | ApiFailure | None = None
    garbage: dict[str, Any] | None = None
    lost: ApiFailure | None = None
    holders: list[str] = field(default_factory=list)
    owners: list[dict[str, Any]] = field(default_factory=list)
    owners_need_a_right: bool = False

    async def request(self, method: str, path: str, *, body: Any = None, what: str = "") -> dict[str, Any]:
        await asyncio.sleep(0.01)
        if isinstance(self.fault, ApiFailure):
            raise self.fault
        if self.fault is not None:
            await self.fault()
        if self.garbage is not None:
            return self.garbage
        if method == "GET":
            if self.lease is None:
                raise failure(404, "NotFound")
            return self.lease
        if (method == "POST") != (self.lease is None):
            raise failure(409, "AlreadyExists") if self.lease else failure(404, "NotFound")
        if self.lease is not None and body["metadata"].get("resourceVersion") != str(self.version):
            raise failure(409, "Conflict")
        self.owners = body["metadata"].get("ownerReferences", [])
        if self.owners and self.owners_need_a_right:
            raise failure(403, "Forbidden")
        self.put(body["spec"])
        if self.lost is not None:
            lost, self.lost = self.lost, None
            raise lost
        assert self.lease is not None
        return self.lease

    def put(self, spec: dict[str, Any]) -> None:
        self.version += 1
        self.lease = {"metadata": {"name": "opssight", "resourceVersion": str(self.version)}, "spec": spec}
        self.holders.append(spec["holderIdentity"])

    def replica(self, identity: str = "me", owner: dict[str, Any] | None = None) -> Lease:
        api: Any = self
        pace: dict[str, Any] = {"seconds": SECONDS, "renew_seconds": RENEW, "clock": time}
        return Lease(api, namespace="ops", name="opssight", identity=identity, owner=owner, **pace)


class Led:
    """A replica that has acquired the lease and holds it."""

    def __init__(self, store: Store) -> None:
        self.lease = store.replica()
        self.stopping = asyncio.Event()

    async def start(self) -> Led:
        assert await self.lease.acquire(self.stopping)
        self.acquired_at = time()
        self.holding = asyncio.create_task(self.lease.hold(self.stopping))
        return self

    async def stop(self) -> None:
        self.stopping.set()
        await self.holding
        await self.lease.release()


def test_a_free_lease_is_taken_renewed_and_given_back() -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        await asyncio.sleep(100)
        assert not leader.holding.done()
        assert 24 <= store.version <= 27
        await leader.stop()
        assert store.lease is not None
        assert store.lease["spec"]["holderIdentity"] == ""
        assert store.lease["spec"]["leaseTransitions"] == 1

    in_virtual_time(script())


def test_two_replicas_never_lead_at_once_and_the_second_takes_over_at_a_release() -> None:
    async def script() -> None:
        store = Store()
        stops = [asyncio.Event(), asyncio.Event()]
        replicas = [store.replica("first"), store.replica("second")]
        waiting = [asyncio.create_task(r.acquire(s)) for r, s in zip(replicas, stops, strict=True)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.done() for task in waiting].count(True) == 1
        leader = 0 if waiting[0].done() else 1
        holding = asyncio.create_task(replicas[leader].hold(stops[leader]))
        await asyncio.sleep(10 * SECONDS)
        assert not waiting[1 - leader].done()
        assert replicas[1 - leader].holder == replicas[leader].identity
        stops[leader].set()
        await holding
        await replicas[leader].release()
        released = time()
        assert await waiting[1 - leader]
        assert time() - released < 0.7 * RENEW, "who waits looks twice as often as a leader renews"
        assert store.holders[-1] == replicas[1 - leader].identity

    in_virtual_time(script())


def test_a_leader_that_died_is_followed_after_its_time() -> None:
    async def script() -> None:
        store = Store()
        store.put({"holderIdentity": "dead", "leaseDurationSeconds": 15, "leaseTransitions": 3})
        began = time()
        assert await store.replica().acquire(asyncio.Event())
        assert SECONDS <= time() - began < SECONDS + 2 * RENEW < 30
        assert store.lease is not None
        assert store.lease["spec"]["leaseTransitions"] == 4

    in_virtual_time(script())


@pytest.mark.parametrize(
    "fault", [silence, failure(503), failure(403)], ids=["is silent", "is overloaded", "refuses us"]
)
def test_a_leader_whose_api_server_fails_it_ends_before_another_may_begin(fault: Any) -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        await asyncio.sleep(2)
        store.fault = fault
        await leader.holding
        assert ENDS - 1 < time() - leader.acquired_at < ENDS + 0.1

    in_virtual_time(script())


@pytest.mark.parametrize("garbage", NO_LEASES.values(), ids=NO_LEASES)
def test_an_answer_that_is_no_lease_is_an_outage_and_no_end_of_renewing(garbage: dict[str, Any]) -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        store.garbage = garbage
        await asyncio.sleep(RENEW + 1)
        store.garbage = None
        await asyncio.sleep(10 * SECONDS)
        assert not leader.holding.done()
        await leader.stop()

    in_virtual_time(script())


@pytest.mark.parametrize("times", [1, 2])
def test_a_request_that_is_lost_without_a_word_is_made_again_in_time(times: int) -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        for _ in range(5):
            store.fault = silent_at_first(times)
            await asyncio.sleep(2 * SECONDS)
        assert not leader.holding.done()
        await leader.stop()

    in_virtual_time(script())


def test_an_api_server_that_takes_two_and_a_half_seconds_costs_nobody_the_leadership() -> None:
    async def slow() -> None:
        await asyncio.sleep(2.5)

    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        store.fault = slow
        await asyncio.sleep(10 * SECONDS)
        assert not leader.holding.done()
        await leader.stop()

    in_virtual_time(script())


async def test_a_connection_that_is_dead_is_left_for_a_fresh_one() -> None:
    """As behind a balancer that has forgotten it: what is sent there is never answered and never refused."""
    store, connections = Store(), list[Any]()

    async def answer(asked: Asked) -> web.StreamResponse:
        if asked.connection not in connections:
            connections.append(asked.connection)
        if asked.connection is connections[0] and store.version >= 3:
            await asyncio.sleep(3600)
        try:
            return web.json_response(await store.request(asked.method, asked.path, body=asked.body))
        except ApiFailure as said:
            return refusal(said.status, said.reason)

    async with serving(answer) as server, connected(server) as api:
        own, stopping = api.apart(), asyncio.Event()
        lease = Lease(own, namespace="ops", name="opssight", identity="me", seconds=1.5, renew_seconds=0.1)
        assert await lease.acquire(stopping)
        holding = asyncio.create_task(lease.hold(stopping))
        await asyncio.sleep(1.5)
        assert not holding.done() and store.version > 6
        stopping.set()
        await holding
        await own.close()
    assert len(connections) == 2


def test_a_short_outage_is_survived() -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        for _ in range(10):
            store.fault = failure(500)
            await asyncio.sleep(RENEW)
            store.fault = None
            await asyncio.sleep(SECONDS)
        assert not leader.holding.done()
        await leader.stop()

    in_virtual_time(script())


def test_a_renewal_that_was_done_although_its_answer_was_lost_is_no_loss_of_the_lease() -> None:
    """A repeated write meets the version that the first one made, and is refused."""

    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        for _ in range(20):
            store.lost = failure(409, "Conflict")
            await asyncio.sleep(2 * RENEW)
            assert store.lost is None
        assert not leader.holding.done()
        await leader.stop()

    in_virtual_time(script())


def test_a_lease_that_somebody_else_has_taken_is_lost_at_the_next_renewal() -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        store.put({"holderIdentity": "thief", "leaseDurationSeconds": 1})
        await leader.holding
        assert time() - leader.acquired_at < RENEW + 0.2
        await leader.lease.release()
        assert store.holders[-1] == "thief", "what is not ours is not given back"

    in_virtual_time(script())


def test_a_lease_that_was_deleted_is_made_anew() -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        store.lease = None
        await asyncio.sleep(2 * SECONDS)
        assert not leader.holding.done()
        assert store.lease is not None and store.holders[-1] == "me"
        await leader.stop()

    in_virtual_time(script())


def test_one_who_waits_outlives_an_outage_and_can_be_told_to_stop() -> None:
    async def script() -> None:
        store, stopping = Store(fault=failure(500)), asyncio.Event()
        acquiring = asyncio.create_task(store.replica().acquire(stopping))
        await asyncio.sleep(300)
        assert not acquiring.done()
        stopping.set()
        assert await acquiring is False

    in_virtual_time(script())


def test_a_release_does_not_hold_up_the_end_when_nobody_answers() -> None:
    async def script() -> None:
        store = Store()
        leader = await Led(store).start()
        store.fault = silence
        began = time()
        await leader.lease.release()
        assert time() - began <= RELEASE_SECONDS + 0.1
        leader.stopping.set()
        await leader.holding

    in_virtual_time(script())


def test_the_lease_belongs_to_the_account_that_it_was_taken_by() -> None:
    async def script() -> None:
        store, account = Store(), {"kind": "ServiceAccount", "name": "robot", "uid": "1"}
        assert await store.replica(owner=account).acquire(asyncio.Event())
        assert store.owners == [account]

    in_virtual_time(script())


def test_where_owners_may_not_be_named_the_lease_has_none() -> None:
    async def script() -> None:
        store, account = Store(owners_need_a_right=True), {"kind": "ServiceAccount", "name": "robot", "uid": "1"}
        assert await store.replica(owner=account).acquire(asyncio.Event())
        assert store.owners == [] and store.holders == ["me"]

    in_virtual_time(script())
