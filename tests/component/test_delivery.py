"""Render and Patch on the real servers: what Prometheus evaluates, who else applies, and what of the user's is kept."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from localcluster import Cluster

from component import test_recipe_promtool as recipe
from component.lever import Lever
from component.operator_process import OperatorProcess, View, eventually, policy, working

RULES = "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules/{}"


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    with working(cluster, tmp_path_factory.mktemp("operator"), OPSSIGHT_ALLOW_PATCH="true") as running:
        yield running


@pytest.fixture
def view(cluster: Cluster, namespace: str, operator: OperatorProcess) -> View:
    return View(cluster, namespace)


def theirs(case: str, *, consent: bool = True, name: str = "theirs", **labels: str) -> dict[str, Any]:
    """An alert that a user wrote, with a comment in it."""
    marks = {"opssight.dev/patch": "allowed"} if consent else {}
    rules = [
        {
            "alert": f"Lever{case}",
            "expr": f'lever{{case="{case}"}} > 12 # by hand\n',
            "labels": {"severity": "warning"},
        },
        {"alert": f"Other{case}", "expr": f'lever{{case="{case}"}} > 99', "labels": {"severity": "page"}},
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": {**marks, **labels}},
        "spec": {"groups": [{"name": f"theirs-{case}", "rules": rules}]},
    }


def put(view: View, body: dict[str, Any], *options: str) -> None:
    view.cluster.kubectl("apply", "-n", view.namespace, *options, "-f", "-", input=json.dumps(body))


def expr_of(view: View, name: str = "theirs", rule: int = 0) -> str:
    found = view.cluster.api("GET", RULES.format(view.namespace, name))
    return str(found["spec"]["groups"][0]["rules"][rule]["expr"])


def evaluated(view: View, alert: str) -> list[str]:
    """The expressions of an alert as Prometheus has loaded them."""
    groups = view.cluster.prometheus.rule_groups()
    return [r["query"] for g in groups for r in g["rules"] if r["name"] == alert]


def patching(case: str, **more: Any) -> dict[str, Any]:
    """A policy that patches the user's alert; its threshold is not far from 10."""
    patch = {"target": {"name": "theirs"}, "alert": f"Lever{case}"}
    return policy(case, interval="2s", delivery={"mode": "Patch", "patch": patch}, **more)


def current(view: View, name: str) -> str:
    found = (view.get("tpol", name) or {}).get("status", {}).get("thresholds") or [{}]
    return str(found[0].get("current", ""))


def patch_status(view: View, name: str) -> dict[str, Any]:
    """What a policy remembers of its patch."""
    return dict((view.get("tpol", name) or {}).get("status", {}).get("patch") or {})


def test_a_patch_changes_the_rule_that_prometheus_evaluates_and_nothing_else(view: View, case: str) -> None:
    put(view, theirs(case))
    view.apply("ThresholdPolicy", "patch", patching(case))
    view.reaches("tpol", "patch", "Patched", "Applied")
    view.reaches("tpol", "patch", "Loaded", "RuleLoaded", seconds=60)
    threshold = current(view, "patch")
    assert 9 < float(threshold) < 12
    assert expr_of(view) == f'lever{{case="{case}"}} > {threshold} # by hand\n'
    assert expr_of(view, rule=1) == f'lever{{case="{case}"}} > 99'
    assert evaluated(view, f"Lever{case}") == [f'lever{{case="{case}"}} > {threshold}']
    status = view.get("tpol", "patch")["status"]  # type: ignore[index]
    assert status["patch"]["original"] == f'lever{{case="{case}"}} > 12 # by hand\n'
    # the policy goes, the alert stays as it is and says what it was
    view.cluster.kubectl("delete", "tpol", "patch", "-n", view.namespace)
    found = view.cluster.api("GET", RULES.format(view.namespace, "theirs"))
    originals = json.loads(found["metadata"]["annotations"]["opssight.dev/originals"])
    assert originals["patch"]["expr"] == f'lever{{case="{case}"}} > 12 # by hand\n'


def test_without_consent_nothing_is_touched_until_it_is_given(view: View, case: str) -> None:
    put(view, theirs(case, consent=False))
    view.apply("ThresholdPolicy", "asks", patching(case))
    assert "opssight.dev/patch=allowed" in view.reaches("tpol", "asks", "ConsentMissing")
    assert "> 12 #" in expr_of(view)
    view.cluster.kubectl("label", "prometheusrule", "theirs", "opssight.dev/patch=allowed", "-n", view.namespace)
    view.reaches("tpol", "asks", "Patched", "Applied")


def test_a_missing_target_is_said_and_found_when_it_comes(view: View, case: str) -> None:
    view.apply("ThresholdPolicy", "early", patching(case))
    message = view.reaches("tpol", "early", "TargetNotFound")
    assert message.startswith("delivery.patch.target: ") and f"{view.namespace}/theirs" in message
    put(view, theirs(case))
    view.reaches("tpol", "early", "Patched", "Applied")


def test_of_two_policies_the_older_has_the_number(view: View, case: str) -> None:
    put(view, theirs(case))
    view.apply("ThresholdPolicy", "zz-older", patching(case))
    view.reaches("tpol", "zz-older", "Patched", "Applied")
    time.sleep(1.1)  # times of creation are whole seconds
    view.apply("ThresholdPolicy", "aa-younger", patching(case, bound="Upper"))
    message = view.reaches("tpol", "aa-younger", "TargetTaken")
    assert message.startswith("delivery.patch.target: ") and "zz-older" in message
    view.cluster.kubectl("delete", "tpol", "zz-older", "-n", view.namespace)
    view.reaches("tpol", "aa-younger", "Patched", "Applied")


def test_an_object_that_a_gitops_tool_applies_is_left_to_it(view: View, case: str) -> None:
    put(view, theirs(case), "--server-side", "--field-manager=argocd-controller")
    view.apply("ThresholdPolicy", "yields", patching(case))
    assert "argocd-controller" in view.reaches("tpol", "yields", "ManagedElsewhere")
    assert "> 12 #" in expr_of(view)


@pytest.mark.parametrize(
    "options",
    [("--server-side", "--force-conflicts", "--field-manager=argocd-controller"), ()],
    ids=["server-side with force", "client-side"],
)
def test_when_the_owner_applies_his_alert_again_nothing_flaps(view: View, case: str, options: tuple[str, ...]) -> None:
    put(view, theirs(case))
    view.apply("ThresholdPolicy", "again", patching(case))
    view.reaches("tpol", "again", "Patched", "Applied")
    if options:  # a GitOps tool has taken it over, and is left alone from then on
        put(view, theirs(case, team="shop"), *options)
        view.reaches("tpol", "again", "ManagedElsewhere")
    else:  # a person applies the file as it was: set again twice, then left to them
        for times in (1, 2):
            put(view, theirs(case, team="shop"))
            eventually(
                f"the number is set again, {times} times",
                lambda n=times: "> 12 #" not in expr_of(view) and patch_status(view, "again")["reverts"] == n,  # type: ignore[misc]
            )
        put(view, theirs(case, team="shop"))
        assert "back 3 times" in view.reaches("tpol", "again", "TargetReverted", "Applied")
    before = view.cluster.api("GET", RULES.format(view.namespace, "theirs"))
    time.sleep(5)  # two intervals
    after = view.cluster.api("GET", RULES.format(view.namespace, "theirs"))
    assert after["metadata"]["labels"]["team"] == "shop"
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert expr_of(view) == f'lever{{case="{case}"}} > 12 # by hand\n'


def test_the_threshold_of_a_label_value_that_is_gone_is_recorded_no_more(view: View, lever: Lever, case: str) -> None:
    gone = f"{case}-gone"
    now = time.time()
    labels = {"__name__": "lever", "case": gone, "job": "lever", "instance": "lever"}
    view.cluster.remote_write([(labels, [(now - 60 + 2 * i, 20.0) for i in range(30)])])
    short = {"window": "30s", "step": "2s", "minDuration": "16s", "minCoverage": "0.5"}
    both = policy(case, expr=f'lever{{case=~"{case}|{gone}"}}', perLabels=["case"], history=short)
    lever.values[gone] = 20.0
    view.apply("ThresholdPolicy", "labels", both)

    def recorded() -> set[str]:
        query = f'opssight:threshold{{policy="labels",namespace="{view.namespace}"}}'
        return {series["metric"]["case"] for series in view.cluster.prometheus.query(query)}

    eventually("both are recorded", lambda: recorded() == {case, gone}, seconds=60)
    scraped = f'timestamp(lever{{case="{gone}"}}) > {time.time()}'  # or Prometheus never learns that it ended
    eventually("the one that will be gone is scraped", lambda: view.cluster.prometheus.query(scraped), seconds=60)
    del lever.values[gone]
    eventually("the one that is left is recorded alone", lambda: recorded() == {case}, seconds=180)
    view.reaches("tpol", "labels", "Loaded", "RuleLoaded", seconds=60)
    assert (view.get("tpol", "labels") or {})["status"]["count"] == 1


def rendering(case: str, **render: Any) -> dict[str, Any]:
    alert = {"name": f"Rendered{case}", "for": "1s"}
    return policy(case, alert=alert, delivery={"mode": "Render", "render": {"labels": {"severity": "page"}, **render}})


def test_a_rendered_alert_is_loaded_and_fires(view: View, lever: Lever, case: str) -> None:
    view.apply("ThresholdPolicy", "render", rendering(case, recover={"margin": "0.1"}))
    view.reaches("tpol", "render", "Rendered", "Applied")
    view.reaches("tpol", "render", "Loaded", "RuleLoaded", seconds=60)
    lever.values[case] = 50.0
    firing = f'ALERTS{{alertname="Rendered{case}",alertstate="firing",severity="page"}}'
    eventually("the alert fires", lambda: view.cluster.prometheus.query(firing), seconds=60)


DISK = {"job": "node-exporter", "instance": "n1", "device": "sda", "fstype": "ext4", "mountpoint": "/"}


def leave_free(view: View, *percent: float) -> None:
    """A file system with so much space left, every five minutes and the last time now."""
    now = time.time()
    moments = [now - 300 * back for back in reversed(range(len(percent)))]
    values = {"avail_bytes": percent, "size_bytes": [100.0] * len(percent), "readonly": [0.0] * len(percent)}
    view.cluster.remote_write(
        [
            ({"__name__": f"node_filesystem_{name}", **DISK}, list(zip(moments, found, strict=True)))
            for name, found in values.items()
        ]
    )


def test_the_successor_of_a_shipped_alert_learns_and_fires_as_its_recipe_says(view: View) -> None:
    name = recipe.POLICY["metadata"]["name"]
    view.apply("MetricsSource", "default", {"url": view.cluster.prometheus_url})
    leave_free(view, *(25 + 12 * math.sin(math.tau * i / 288) for i in range(14 * 288)), 30)  # a wave each day
    for body in (recipe.POLICY, recipe.CRITICAL):
        put(view, body | {"metadata": {k: v for k, v in body["metadata"].items() if k != "namespace"}})
    view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    threshold = float(current(view, name))
    assert 10 < threshold < 15, "the lowest of each day, and not the 5 that is shipped"

    def alerts() -> set[tuple[str, str]]:
        rows = view.cluster.prometheus.query(f'ALERTS{{alertname="{recipe.ALERT}"}}')
        return {(row["metric"]["severity"], row["metric"]["alertstate"]) for row in rows}

    assert any(f"< {current(view, name)}" in query for query in evaluated(view, recipe.ALERT))
    eventually("the critical one is loaded beside it", lambda: len(evaluated(view, recipe.ALERT)) == 2)
    assert not alerts()
    leave_free(view, threshold - 1)
    eventually("it waits for half an hour", lambda: alerts() == {("warning", "pending")})
    soon = json.dumps({"spec": {"alert": {"for": "1s"}}})
    view.cluster.kubectl("patch", "tpol", name, "-n", view.namespace, "--type=merge", "-p", soon)
    eventually("it fires", lambda: alerts() == {("warning", "firing")})
    leave_free(view, 2)
    eventually("the critical one as well", lambda: alerts() == {("warning", "firing"), ("critical", "pending")})
    leave_free(view, threshold + 1)
    eventually("both are quiet", lambda: not alerts())


def test_an_alert_that_prometheus_refuses_is_dropped_alone_and_says_why(view: View, case: str) -> None:
    expr = f'mad_over_time(lever{{case="{case}"}}[5m]) > $threshold'  # a function that a feature flag enables
    view.apply("ThresholdPolicy", "dropped", rendering(case, expr=expr))
    message = view.reaches("tpol", "dropped", "RuleRejected", "RuleLoaded", seconds=60)
    # A prometheus-operator of 0.87 or later says that it dropped the object, and not why.
    assert re.match("opssight-tpol-dropped is not loaded: |prometheus-operator dropped opssight-tpol-dropped", message)
    assert f"delivery.render: the expression of Rendered{case}" in message
    assert 'function "mad_over_time" is not enabled' in message
    view.apply("ThresholdPolicy", "other", policy(case))
    view.reaches("tpol", "other", "Loaded", "RuleLoaded", seconds=60)
    view.apply("ThresholdPolicy", "dropped", rendering(case))
    view.reaches("tpol", "dropped", "Loaded", "RuleLoaded", seconds=60)


def test_a_template_that_is_wrong_names_the_field_and_writes_nothing(view: View, case: str) -> None:
    view.apply("ThresholdPolicy", "wrong", rendering(case, expr=f'lever{{case="{case}"}} > bool $threshold'))
    assert "delivery.render.expr" in view.reaches("tpol", "wrong", "InvalidSpec")
    listed = view.cluster.api("GET", RULES.format(view.namespace, "").rstrip("/"))["items"]
    assert listed == []


FORCED = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
WAYS = pytest.mark.parametrize("options", [FORCED, ()], ids=["server-side with force", "client-side"])


@WAYS
@pytest.mark.parametrize("mode", ["Record", "Render"])
def test_our_object_is_restored_or_yields_when_another_manager_applies_over_it(
    view: View, case: str, mode: str, options: tuple[str, ...]
) -> None:
    view.apply("ThresholdPolicy", "ours", rendering(case) if mode == "Render" else policy(case))
    view.reaches("tpol", "ours", "Rendered" if mode == "Render" else "Recorded", "Applied")
    name = "opssight-tpol-ours"
    view_of = lambda: view.cluster.api("GET", RULES.format(view.namespace, name))  # noqa: E731
    kept = view_of()["spec"]["groups"]
    other = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": {"team": "shop"}},
        "spec": {"groups": [{"name": kept[0]["name"], "rules": [{"alert": "Theirs", "expr": "up == 0"}]}]},
    }
    put(view, other, *options)
    if options:
        view.reaches("tpol", "ours", "FieldConflict")
        assert "Theirs" in json.dumps(view_of()["spec"])  # theirs by force; ours is not fought for
    else:
        eventually(
            "restored, or yielded with a condition",
            lambda: view_of()["spec"]["groups"] == kept or view.condition("tpol", "ours")[1] == "FieldConflict",
        )
    before = view_of()["metadata"]["generation"]
    time.sleep(6)
    assert view_of()["metadata"]["generation"] == before
    assert view_of()["metadata"]["labels"]["team"] == "shop"


@WAYS
@pytest.mark.parametrize("mode", ["Recommend", "Record", "Render"])
def test_whoever_applies_it_a_users_alert_is_left_alone_by_the_modes_that_do_not_patch(
    view: View, case: str, mode: str, options: tuple[str, ...]
) -> None:
    put(view, theirs(case))
    spec = rendering(case) if mode == "Render" else policy(case, delivery={"mode": mode})
    view.apply("ThresholdPolicy", "other", spec)
    if mode == "Recommend":
        eventually("a threshold is learned", lambda: current(view, "other"))
    else:
        view.reaches("tpol", "other", "Loaded", "RuleLoaded", seconds=60)
    put(view, theirs(case, team="shop"), *options)
    before = view.cluster.api("GET", RULES.format(view.namespace, "theirs"))
    time.sleep(5)  # two intervals
    listed = view.cluster.api("GET", RULES.format(view.namespace, "").rstrip("/"))["items"]
    expected = {"theirs"} if mode == "Recommend" else {"theirs", "opssight-tpol-other"}
    assert {item["metadata"]["name"] for item in listed} == expected
    after = view.cluster.api("GET", RULES.format(view.namespace, "theirs"))
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert after["metadata"]["labels"]["team"] == "shop"
    assert after["spec"] == theirs(case)["spec"]
    assert view.condition("tpol", "other")[0] == "True"


def joined(case: str, view: View) -> dict[str, Any]:
    """An alert from Git on the recorded threshold, or on 20 while there is none."""
    threshold = f'max(opssight:threshold{{policy="record",namespace="{view.namespace}"}})'
    rule = {
        "alert": f"Joined{case}",
        "expr": f'lever{{case="{case}"}} > on() group_left() ({threshold} or on() vector(20))',
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "from-git"},
        "spec": {"groups": [{"name": f"git-{case}", "rules": [rule]}]},
    }


def test_with_the_operator_dead_alerts_keep_their_last_value_or_the_default_of_git(
    view: View, operator: OperatorProcess, lever: Lever, case: str
) -> None:
    put(view, theirs(case))
    put(view, joined(case, view))
    for name, spec in {"patch": patching(case), "render": rendering(case), "record": policy(case)}.items():
        view.apply("ThresholdPolicy", name, spec)
    for name in ("patch", "render", "record"):
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
    eventually("the alert from Git is loaded", lambda: evaluated(view, f"Joined{case}"))
    patched = expr_of(view)

    def firing(alert: str) -> Any:
        return view.cluster.prometheus.query(f'ALERTS{{alertname="{alert}{case}",alertstate="firing"}}')

    assert not firing("Joined")
    operator.kill()
    try:
        lever.values[case] = 15.0  # above what was learned, below the default of Git
        for alert in ("Lever", "Rendered", "Joined"):
            eventually(f"{alert} fires", lambda asked=alert: firing(asked), seconds=60)  # type: ignore[misc]
        time.sleep(5)
        assert firing("Joined"), "what was recorded last holds on"
        assert expr_of(view) == patched
        view.cluster.kubectl("delete", "prometheusrule", "opssight-tpol-record", "-n", view.namespace)
        eventually("it is quiet on the default of Git", lambda: not firing("Joined"), seconds=60)
        lever.values[case] = 25.0
        eventually("it fires on the default of Git", lambda: firing("Joined"), seconds=60)
    finally:
        operator.start()
        eventually("the operator leads again", operator.leads, seconds=60)
    eventually("the threshold is recorded again", lambda: view.get("prometheusrule", "opssight-tpol-record"))
