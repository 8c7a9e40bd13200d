"""Policies that share a PrometheusRule, on the real servers: server-side apply, garbage collection, Prometheus."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from localcluster import Cluster

from component.lever import Lever
from component.operator_process import OperatorProcess, View, eventually, policy, working

RULES = "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules/{}"
FORCED = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    with working(cluster, tmp_path_factory.mktemp("operator")) as running:
        yield running


@pytest.fixture
def view(cluster: Cluster, namespace: str, operator: OperatorProcess) -> View:
    return View(cluster, namespace)


def sharing(case: str, name: str = "thresholds", **more: Any) -> dict[str, Any]:
    """A policy whose threshold, about 10, belongs into the shared object ``name``."""
    labels = more.pop("ruleLabels", {})
    record = {"sharedObject": name, **({"ruleLabels": labels} if labels else {})}
    return policy(case, delivery={"mode": "Record", "record": record}, **more)


def object_of(view: View, name: str = "thresholds") -> dict[str, Any]:
    """The PrometheusRule, empty when there is none."""
    listed = view.cluster.api("GET", RULES.format(view.namespace, "").rstrip("/"))["items"]
    return next((item for item in listed if item["metadata"]["name"] == name), {})


def groups_in(view: View, name: str = "thresholds") -> set[str]:
    """The policies that have a group in an object."""
    found = object_of(view, name).get("spec", {}).get("groups") or []
    before, after = f"opssight-tpol-{view.namespace}-", f"@{name}"
    return {group["name"].removeprefix(before).removesuffix(after) for group in found}


def owners_of(view: View, name: str = "thresholds") -> set[str]:
    return {reference["name"] for reference in object_of(view, name).get("metadata", {}).get("ownerReferences", [])}


def recorded(view: View) -> dict[str, str]:
    """The thresholds that Prometheus has now, by policy."""
    answer = view.cluster.prometheus.query(f'opssight:threshold{{namespace="{view.namespace}"}}')
    return {series["metric"]["policy"]: series["value"][1] for series in answer}


def delete(view: View, *names: str) -> None:
    view.cluster.kubectl("delete", "tpol", *names, "-n", view.namespace, "--wait=false")


def put(view: View, body: dict[str, Any], *options: str) -> None:
    view.cluster.kubectl("apply", "-n", view.namespace, *options, "-f", "-", input=json.dumps(body))


def restarted(operator: OperatorProcess) -> None:
    operator.start()
    eventually("the operator leads again", operator.leads, seconds=60)


class Watch:
    """Asks Prometheus for the threshold of a policy again and again; ``seen`` are the sets of values that it had."""

    def __init__(self, view: View, name: str) -> None:
        self.seen: list[tuple[str, ...]] = []
        self._done = threading.Event()
        self._view, self._name = view, name
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        query = f'opssight:threshold{{namespace="{self._view.namespace}",policy="{self._name}"}}'
        while not self._done.wait(0.2):
            answer = self._view.cluster.prometheus.query(query)
            self.seen.append(tuple(sorted(series["value"][1] for series in answer)))

    def end(self) -> list[tuple[str, ...]]:
        self._done.set()
        self._thread.join(10)
        return self.seen


def test_twenty_policies_share_two_objects_and_every_threshold_is_recorded(view: View, case: str) -> None:
    names = [f"p{i:02d}" for i in range(20)]
    for i, name in enumerate(names):
        view.apply("ThresholdPolicy", name, sharing(case, f"thresholds-{i % 2}", interval="10s"))
    eventually("all are recorded", lambda: set(recorded(view)) == set(names), seconds=120)
    for i in range(2):
        assert groups_in(view, f"thresholds-{i}") == owners_of(view, f"thresholds-{i}") == set(names[i::2])
    listed = view.cluster.api("GET", RULES.format(view.namespace, "").rstrip("/"))["items"]
    assert {item["metadata"]["name"] for item in listed} == {"thresholds-0", "thresholds-1"}
    for name in names:
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    before = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in listed}
    time.sleep(12)  # more than an interval of each: nobody writes what is right already
    listed = view.cluster.api("GET", RULES.format(view.namespace, "").rstrip("/"))["items"]
    assert {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in listed} == before


def test_the_group_of_a_deleted_policy_goes_and_the_others_stay(view: View, case: str) -> None:
    for name in ("stays", "goes", "also"):
        view.apply("ThresholdPolicy", name, sharing(case, interval="10m"))
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    delete(view, "goes")
    eventually("its group is gone", lambda: groups_in(view) == {"stays", "also"}, seconds=10)
    eventually("Prometheus has it no more", lambda: set(recorded(view)) == {"stays", "also"}, seconds=60)
    delete(view, "stays", "also")
    eventually("the object is gone with the last one", lambda: not object_of(view), seconds=30)


def test_what_was_deleted_while_the_operator_was_dead_is_gone_after_its_start(
    view: View, operator: OperatorProcess, case: str
) -> None:
    for name in ("stays", "goes"):
        view.apply("ThresholdPolicy", name, sharing(case))
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    operator.kill()
    try:
        delete(view, "goes")
        eventually("its owner reference is collected", lambda: owners_of(view) == {"stays"}, seconds=60)
        assert groups_in(view) == {"stays", "goes"}
    finally:
        restarted(operator)
    eventually("its group is gone", lambda: groups_in(view) == {"stays"}, seconds=30)
    eventually("Prometheus has it no more", lambda: set(recorded(view)) == {"stays"}, seconds=60)


def test_the_last_policy_takes_the_object_with_it_with_the_operator_dead(
    view: View, operator: OperatorProcess, case: str
) -> None:
    for name in ("one", "two"):
        view.apply("ThresholdPolicy", name, sharing(case))
        view.reaches("tpol", name, "Recorded", "Applied")
    operator.kill()
    try:
        delete(view, "one", "two")
        eventually("the object is collected", lambda: not object_of(view), seconds=60)
    finally:
        restarted(operator)


def test_a_policy_that_was_made_anew_while_the_operator_was_dead_takes_its_group_over(
    view: View, operator: OperatorProcess, case: str
) -> None:
    for name in ("stays", "anew"):
        view.apply("ThresholdPolicy", name, sharing(case, ruleLabels={"team": "shop"}))
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    operator.kill()
    try:
        view.cluster.kubectl("delete", "tpol", "anew", "-n", view.namespace)
        view.apply("ThresholdPolicy", "anew", sharing(case, ruleLabels={"team": "shop"}, bound="Lower"))
    finally:
        restarted(operator)
    view.reaches("tpol", "anew", "Loaded", "RuleLoaded", seconds=60)
    view.reaches("tpol", "anew", "Recorded", "Applied")
    eventually("each has one part", lambda: len(managers(view)) == 2)
    bound = view.cluster.prometheus.query(f'opssight:threshold{{namespace="{view.namespace}",policy="anew"}}')
    assert {series["metric"]["bound"] for series in bound} >= {"lower"}


def managers(view: View) -> list[str]:
    fields = object_of(view).get("metadata", {}).get("managedFields") or []
    return [entry["manager"] for entry in fields if entry["manager"].startswith("opssight/")]


def test_of_two_values_of_a_label_the_first_stays_and_the_other_policy_says_so(view: View, case: str) -> None:
    view.apply("ThresholdPolicy", "first", sharing(case, ruleLabels={"release": "a", "team": "shop"}))
    view.reaches("tpol", "first", "Recorded", "Applied")
    view.apply("ThresholdPolicy", "second", sharing(case, ruleLabels={"release": "b", "team": "shop"}))
    message = view.reaches("tpol", "second", "FieldConflict", "Applied")
    assert "the label release" in message and "policy first" in message and "thresholds is a" in message
    eventually("its threshold is recorded all the same", lambda: "second" in recorded(view), seconds=60)
    before = object_of(view)["metadata"]["generation"]
    labels = object_of(view)["metadata"]["labels"]
    time.sleep(6)  # three intervals
    assert object_of(view)["metadata"]["generation"] == before, "the object is written again and again"
    assert object_of(view)["metadata"]["labels"] == labels
    assert labels["release"] == "a" and labels["team"] == "shop"
    # both change their minds at once, as a change in Git does: nobody stands in the other's way for ever
    for name in ("first", "second"):
        view.apply("ThresholdPolicy", name, sharing(case, ruleLabels={"release": "c", "team": "shop"}))
    for name in ("first", "second"):
        view.reaches("tpol", name, "Recorded", "Applied")
    assert object_of(view)["metadata"]["labels"]["release"] == "c"


def test_somebody_elses_object_of_that_name_is_left_alone(view: View, case: str) -> None:
    rule = {"alert": "Theirs", "expr": "vector(0) > 1"}
    theirs = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "thresholds", "labels": {"team": "shop"}},
        "spec": {"groups": [{"name": "theirs", "rules": [rule]}]},
    }
    put(view, theirs)
    before = object_of(view)["metadata"]["resourceVersion"]
    view.apply("ThresholdPolicy", "yields", sharing(case))
    for condition in ("Ready", "Applied"):
        assert "the PrometheusRule thresholds exists" in view.reaches("tpol", "yields", "NameConflict", condition)
    time.sleep(5)
    assert object_of(view)["metadata"]["resourceVersion"] == before
    delete(view, "yields")
    time.sleep(3)
    assert object_of(view)["metadata"]["resourceVersion"] == before


def test_a_group_that_somebody_adds_is_theirs_and_survives_the_policies_that_leave(view: View, case: str) -> None:
    view.apply("ThresholdPolicy", "leaves", sharing(case))
    view.reaches("tpol", "leaves", "Loaded", "RuleLoaded", seconds=60)
    rule = {"alert": "Theirs", "expr": "vector(0) > 1"}
    body = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "thresholds"},
        "spec": {"groups": [{"name": "theirs", "rules": [rule]}]},
    }
    put(view, body, "--server-side", "--field-manager=someone")
    view.apply("ThresholdPolicy", "leaves", policy(case))
    eventually("ours has left", lambda: groups_in(view) == {"theirs"}, seconds=60)
    assert "opssight:threshold" in json.dumps(object_of(view, "opssight-tpol-leaves"))


def test_a_move_never_leaves_the_threshold_missing_or_double(view: View, case: str) -> None:
    slow = {"maxStep": "0.5", "cooldown": "10m"}
    view.apply("ThresholdPolicy", "moves", policy(case, guardrails=slow))
    view.apply("ThresholdPolicy", "stays", sharing(case))
    view.reaches("tpol", "moves", "Loaded", "RuleLoaded", seconds=60)
    eventually("it is recorded", lambda: "moves" in recorded(view), seconds=60)
    watch = Watch(view, "moves")
    try:
        for place, spec in {
            "thresholds": sharing(case, guardrails=slow),
            "others": sharing(case, "others", guardrails=slow),
            "opssight-tpol-moves": policy(case, guardrails=slow),
        }.items():
            view.apply("ThresholdPolicy", "moves", spec)

            def there(expected: str = place) -> bool:
                status = (view.get("tpol", "moves") or {})["status"]
                return bool(status.get("ruleObjects") == [expected])

            eventually(f"it is in {place} alone", there, seconds=90)
            view.reaches("tpol", "moves", "Loaded", "RuleLoaded", seconds=60)
        time.sleep(7)  # five minutes would be needed to see a stale one; a marker is written when a rule goes
    finally:
        seen = watch.end()
    assert len(seen) > 20
    assert {len(values) for values in seen} == {1}, seen
    assert len(set(seen)) == 1, seen
    assert groups_in(view) == {"stays"}
    assert not object_of(view, "others") and object_of(view, "opssight-tpol-moves")


def test_a_mode_that_records_nothing_takes_the_group_out(view: View, case: str) -> None:
    for name in ("stays", "recommends"):
        view.apply("ThresholdPolicy", name, sharing(case))
        view.reaches("tpol", name, "Recorded", "Applied")
    view.apply("ThresholdPolicy", "recommends", policy(case, delivery={"mode": "Recommend"}))
    eventually("its group is gone", lambda: groups_in(view) == {"stays"})
    eventually("its owner reference too", lambda: owners_of(view) == {"stays"})


@pytest.mark.parametrize("options", [FORCED, ()], ids=["server-side with force", "client-side"])
def test_a_group_that_another_manager_applies_over_is_restored_or_yields(
    view: View, case: str, options: tuple[str, ...]
) -> None:
    for name in ("ours", "beside"):
        view.apply("ThresholdPolicy", name, sharing(case))
        view.reaches("tpol", name, "Recorded", "Applied")
    group = f"opssight-tpol-{view.namespace}-ours@thresholds"
    other = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "thresholds", "labels": {"team": "shop"}},
        "spec": {"groups": [{"name": group, "rules": [{"alert": "Theirs", "expr": "up == 0"}]}]},
    }
    put(view, other, *options)
    if options:
        assert "argocd-controller" in view.reaches("tpol", "ours", "FieldConflict")
        assert "Theirs" in json.dumps(object_of(view)["spec"])
    else:
        eventually(
            "restored, or yielded with a condition",
            lambda: (
                "Theirs" not in json.dumps(object_of(view)["spec"])
                or view.condition("tpol", "ours")[1] == "FieldConflict"
            ),
        )
    eventually("both are there", lambda: groups_in(view) == {"ours", "beside"})
    view.reaches("tpol", "beside", "Recorded", "Applied")
    before = object_of(view)["metadata"]["generation"]
    time.sleep(6)
    assert object_of(view)["metadata"]["generation"] == before
    assert object_of(view)["metadata"]["labels"]["team"] == "shop"


def test_the_last_good_threshold_is_read_from_its_own_group_when_the_status_is_lost(
    view: View, operator: OperatorProcess, lever: Lever, case: str
) -> None:
    slow = {"maxStep": "0.5", "cooldown": "10m"}
    for name in ("lost", "beside"):
        view.apply("ThresholdPolicy", name, sharing(case, guardrails=slow))
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    eventually("both are recorded", lambda: set(recorded(view)) == {"lost", "beside"}, seconds=60)
    value = recorded(view)["lost"]
    operator.kill()
    try:
        view.cluster.kubectl(
            "patch", "tpol", "lost", "-n", view.namespace, "--subresource=status", "--type=merge", "-p",
            json.dumps({"status": None}),
        )  # fmt: skip
    finally:
        restarted(operator)
    view.reaches("tpol", "lost", "Recorded", "Applied")
    (threshold,) = (view.get("tpol", "lost") or {})["status"]["thresholds"]
    assert threshold["reason"] != "Changed", threshold
    assert threshold["current"] == value == recorded(view)["lost"]


def test_a_move_into_an_object_without_room_keeps_the_threshold_where_it_was(
    view: View, lever: Lever, case: str
) -> None:
    now, wide = time.time(), {"full": 260, "moves": 160}
    for name, count in wide.items():
        for n in range(count):
            long = f"{case}-{name}-{n:03d}-{'x' * 900}"
            labels = {"__name__": "wide", "name": name, "case": long, "job": "lever", "instance": "lever"}
            view.cluster.remote_write([(labels, [(now - 120 + 10 * i, 10.0 + i % 3) for i in range(12)])])
    spec = {"perLabels": ["case"], "interval": "2s"}
    short = {"window": "10m", "step": "10s", "minDuration": "1m", "minCoverage": "0.1"}

    def asked(name: str) -> dict[str, Any]:
        return {**spec, "expr": f'wide{{name="{name}",case=~"{case}-.*"}}', "history": short}

    view.apply("ThresholdPolicy", "full", sharing(case, **asked("full")))
    view.apply("ThresholdPolicy", "moves", policy(case, **asked("moves")))
    for name in wide:
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=90)
    view.apply("ThresholdPolicy", "moves", sharing(case, **asked("moves")))
    message = view.reaches("tpol", "moves", "TooMuchData", seconds=60)
    assert "the PrometheusRule thresholds would have" in message and "policy full" in message and "400000" in message
    assert groups_in(view) == {"full"}
    time.sleep(4)
    assert len(object_of(view, "opssight-tpol-moves")["spec"]["groups"][0]["rules"]) == wide["moves"]
    view.apply("ThresholdPolicy", "moves", sharing(case, "others", **asked("moves")))
    view.reaches("tpol", "moves", "Loaded", "RuleLoaded", seconds=90)
    eventually("it has moved", lambda: not object_of(view, "opssight-tpol-moves"), seconds=60)
