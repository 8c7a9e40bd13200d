"""Two replicas when something happens to them: killed together, the leader alone, drained, without the API."""

from __future__ import annotations

import json
import time

import pytest
from charts.rendering import NAMESPACE as SYSTEM
from demo.sights import all_ready, wait_for
from localcluster.errors import ClusterError

from e2e.conftest import detector
from e2e.place import PODS, Place
from e2e.platforms import API_SERVER_STOPS

LEASE_SECONDS = 15.0


def thresholds(place: Place) -> dict[str, float]:
    """What Prometheus scraped of the operator, by policy and series."""
    rows = place.query("opssight_threshold")
    hidden = {"__name__", "pod", "instance", "container", "endpoint", "job"}
    return {
        json.dumps({k: v for k, v in row["metric"].items() if k not in hidden}, sort_keys=True): float(row["value"][1])
        for row in rows
    }


def assert_same(place: Place, before: dict[str, float], after: dict[str, float]) -> None:
    """Every threshold is as it was, but of policies that let it move with each point, and are due now and then."""
    policies = json.loads(place.kubectl("get", "thresholdpolicies", "--all-namespaces", "-o", "json"))["items"]
    moving = {one["metadata"]["name"] for one in policies if one["spec"].get("guardrails", {}).get("cooldown") == "0s"}
    still = {key: value for key, value in before.items() if json.loads(key)["policy"] not in moving}
    assert len(still) > 0.5 * len(before)
    assert {key: after[key] for key in still} == still


def leader_and_standby(place: Place) -> tuple[str, str]:
    """The names of two ready pods, the one that leads first."""
    names = wait_for("two ready replicas", place.both_ready, 90)
    leader = wait_for("one of them to lead", lambda: place.leader() if place.leader() in names else None, 60)
    (standby,) = names - {leader}
    return leader, standby


def test_killed_pods_come_back_with_the_same_thresholds(place: Place, resources: int) -> None:
    before = wait_for("thresholds", lambda: thresholds(place) or None, 60)
    old = {pod["metadata"]["name"] for pod in place.pods()}
    place.kubectl("delete", "pods", *PODS, "--grace-period=0", "--force")
    began = time.monotonic()

    def back() -> str | None:
        leader = place.leader()
        return leader if leader and leader not in old else None

    def all_again() -> dict[str, float] | None:
        found = thresholds(place)
        return found if found.keys() >= before.keys() else None

    wait_for("a new leader", back, 120)
    after = wait_for("all thresholds again", all_again, 120)
    print(f"thresholds again after {time.monotonic() - began:.0f} s")
    assert_same(place, before, after)
    wait_for("every resource Ready", all_ready(place), 120)  # type: ignore[arg-type]


def test_another_one_takes_over_when_the_leader_alone_is_killed(place: Place, resources: int) -> None:
    """At the latest after a Lease; kubelet says SIGTERM also to a pod that is deleted by force, so mostly at once.

    Its account is refused as soon as the API server has forgotten it, and then the Lease is not given back: whoever
    looks first after its end leads, which may be the new pod. A replica that dies without a word is in
    tests/component/test_crash.py.
    """
    leader, _ = leader_and_standby(place)
    before = wait_for("thresholds", lambda: thresholds(place) or None, 60)
    place.kubectl("delete", "pod", leader, "-n", SYSTEM, "--grace-period=0", "--force")
    began = time.monotonic()
    wait_for("another one to lead", lambda: (place.leader() or leader) != leader or None, 60)
    took = time.monotonic() - began
    print(f"another one leads after {took:.0f} s")
    assert took <= LEASE_SECONDS + 10, "the Lease, then a scrape"
    after = wait_for("all thresholds", lambda: ((t := thresholds(place)).keys() >= before.keys() and t) or None, 60)
    assert_same(place, before, after)


def test_a_drain_may_take_one_replica_and_not_the_other_as_well(place: Place, resources: int) -> None:
    leader, standby = leader_and_standby(place)
    place.evict(standby)
    with pytest.raises(ClusterError, match="disruption budget"):
        place.evict(leader)
    names = wait_for("two ready replicas again", place.both_ready, 90)
    assert standby not in names
    wait_for("the same leader", lambda: place.leader() == leader or None, 10)


@pytest.mark.needs(API_SERVER_STOPS)
def test_without_the_api_for_a_while_it_goes_on_afterwards(place: Place, resources: int) -> None:
    url = place.prometheus_url
    place.platform.stop_apiserver()
    time.sleep(20)  # longer than a Lease
    place.platform.start_apiserver()
    assert place.prometheus_url == url
    wait_for("one leader", lambda: place.leader() or None, 120)
    place.kubectl("apply", "-f", "-", input=detector("afterwards", "10s", "sum(rate(http_requests_total[5m]))"))
    wait_for("every resource Ready, the new one included", all_ready(place), 120)  # type: ignore[arg-type]
    question = 'opssight_anomaly_score{detector="afterwards"}'
    wait_for("the score of the new one", lambda: place.query(question) or None, 60)
