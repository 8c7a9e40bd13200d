"""The loop on real servers: what a user applies, breaks, stops and deletes, and what is seen then."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localcluster import Cluster

from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, policy, working
from contract.tenant_doors import DOORS, SECRET, filled, manifests
from opssight_operator.core.literals import parse
from opssight_operator.core.promql import selectors


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    with working(cluster, tmp_path_factory.mktemp("operator"), OPSSIGHT_MAX_BACKOFF_SECONDS="4") as running:
        cluster.add_scrape_target("opssight", f"127.0.0.1:{running.metrics_port}", interval="1s", honor_labels=True)
        yield running
        cluster.remove_scrape_target("opssight")


@pytest.fixture
def view(cluster: Cluster, namespace: str) -> View:
    return View(cluster, namespace)


def rules(cluster: Cluster, fragment: str) -> list[dict[str, Any]]:
    return [r for g in cluster.prometheus.rule_groups() if fragment in g["name"] for r in g["rules"]]


def test_examples_become_ready_and_their_rules_are_loaded(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    view.apply("AnomalyDetector", "quiet", detector(case, alert={"for": "1s"}))
    view.apply("ThresholdPolicy", "limit", policy(case))
    view.reaches("adet", "quiet", "Reconciled")
    view.reaches("tpol", "limit", "Reconciled")
    view.reaches("adet", "quiet", "Loaded", "RuleLoaded")
    view.reaches("tpol", "limit", "Loaded", "RuleLoaded")
    seen = view.get("tpol", "limit")
    assert seen is not None
    assert 9 < float(seen["status"]["thresholds"][0]["current"]) < 11
    series = view.get("adet", "quiet")["status"]["series"]  # type: ignore[index]
    assert [s["state"] for s in series] == ["Normal"]
    names = {r["name"] for r in rules(cluster, view.namespace)}
    assert names == {"OpsSightAnomaly", "opssight:threshold"}
    listed = cluster.kubectl("get", "adet,tpol", "-n", view.namespace)
    assert "quiet" in listed and "limit" in listed and "Reconciled" in listed
    query = f'opssight:threshold{{policy="limit",namespace="{view.namespace}"}}'
    recorded = eventually("Prometheus evaluates the rule that it has loaded", lambda: cluster.prometheus.query(query))
    assert len(recorded) == 1


def test_a_fault_is_scored_told_and_fires(
    cluster: Cluster, operator: OperatorProcess, view: View, lever: Lever, case: str
) -> None:
    view.apply("AnomalyDetector", "fault", detector(case, alert={"for": "1s"}))
    view.reaches("adet", "fault", "Loaded", "RuleLoaded")
    lever.values[case] = 50.0

    def anomaly() -> Any:
        found = (view.get("adet", "fault") or {}).get("status", {}).get("anomalies", [])
        return found[0] if found else None

    seen = eventually("an anomaly", anomaly)
    assert "end" not in seen
    assert float(seen["peakScore"]) > 1
    assert 9 < float(seen["expected"]) < 11
    assert float(seen["deviation"]) == pytest.approx(40, abs=2)
    for word in ("observed", "expected", "since"):
        assert word in seen["explanation"]
    eventually("an Event", lambda: view.events("AnomalyStarted"))
    alert = f'ALERTS{{alertname="OpsSightAnomaly",alertstate="firing",detector="fault",namespace="{view.namespace}"}}'
    eventually("the alert fires", lambda: cluster.prometheus.query(alert))
    assert f'opssight_anomaly_score{{case="{case}",detector="fault"' in operator.metrics()
    assert view.condition("adet", "fault")[0] == "True"
    lever.values[case] = 10.0
    eventually("the episode ends", lambda: "end" in anomaly())
    eventually("an Event of the end", lambda: view.events("AnomalyEnded"))


def test_an_alert_on_scores_that_do_not_come_back_says_so(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    target = ("opssight", f"127.0.0.1:{operator.metrics_port}")
    cluster.remove_scrape_target("opssight")
    try:
        view.apply("AnomalyDetector", "silent", detector(case, alert={"for": "1s"}))
        assert "not scraped" in view.reaches("adet", "silent", "ScoresNotScraped", "RuleLoaded")
        cluster.add_scrape_target(*target, {"namespace": "monitoring"}, interval="1s")
        renamed = lambda: "exported_namespace" in view.condition("adet", "silent", "RuleLoaded")[2]  # noqa: E731
        eventually("the label is named", renamed)
        assert view.condition("adet", "silent")[1] == "Reconciled"
    finally:
        cluster.remove_scrape_target("opssight")
        cluster.add_scrape_target(*target, interval="1s", honor_labels=True)
    view.reaches("adet", "silent", "Loaded", "RuleLoaded")


def test_prometheus_goes_and_comes_back(cluster: Cluster, operator: OperatorProcess, view: View, case: str) -> None:
    view.apply("AnomalyDetector", "held", detector(case, alert={"for": "1s"}))
    view.apply("ThresholdPolicy", "held", policy(case))
    view.reaches("adet", "held", "Reconciled")
    view.reaches("tpol", "held", "Reconciled")
    before = view.get("tpol", "held")["status"]["thresholds"][0]["current"]  # type: ignore[index]
    kept = _rule_objects(cluster, view.namespace)
    assert len(kept) == 2
    cluster.stop_prometheus()
    try:
        view.reaches("tpol", "held", "PrometheusUnreachable")
        message = view.reaches("adet", "held", "PrometheusUnreachable")
        assert "Prometheus" in message
        assert view.condition("adet", "held")[0] == "Unknown"
        assert view.get("tpol", "held")["status"]["thresholds"][0]["current"] == before  # type: ignore[index]
        assert _rule_objects(cluster, view.namespace) == kept
        exported = f'opssight_threshold{{bound="upper",namespace="{view.namespace}",policy="held"}}'
        assert exported in operator.metrics()
        assert 'detector="held"' not in operator.metrics()
    finally:
        cluster.start_prometheus()
    view.reaches("adet", "held", "Reconciled", seconds=15)
    view.reaches("tpol", "held", "Reconciled", seconds=15)


def _rule_objects(cluster: Cluster, namespace: str) -> dict[str, Any]:
    items = cluster.api("GET", f"/apis/monitoring.coreos.com/v1/namespaces/{namespace}/prometheusrules")["items"]
    return {item["metadata"]["name"]: (item["metadata"]["uid"], item["spec"]) for item in items}


def test_a_spec_change_takes_effect_at_once_and_suspend_says_so(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    view.apply("AnomalyDetector", "slow", detector(case, interval="2m"))
    view.reaches("adet", "slow", "Reconciled")
    began = time.monotonic()
    view.apply("AnomalyDetector", "slow", detector(case, interval="2m", suspend=True))
    view.reaches("adet", "slow", "Suspended", seconds=10)
    view.apply("AnomalyDetector", "slow", detector(case, interval="2m", alert={"for": "1s"}))
    view.reaches("adet", "slow", "Reconciled", seconds=10)
    assert time.monotonic() - began < 15
    eventually("the rule object", lambda: _rule_objects(cluster, view.namespace))
    view.apply("AnomalyDetector", "slow", detector(case, interval="2m"))
    eventually("no rule object", lambda: not _rule_objects(cluster, view.namespace))


ODD: dict[str, tuple[dict[str, Any], str, str]] = {
    "a typo in PromQL": ({"expr": "sum(lever"}, "InvalidQuery", "parse"),
    "a join with itself": ({"expr": 'lever{case="CASE"} * on(case) (lever or lever)'}, "Reconciled", ""),
    "an empty result": ({"expr": "no_such_metric"}, "NoData", "recent sample"),
    "not a number": ({"expr": 'lever{case="CASE"} / 0 - lever{case="CASE"} / 0'}, "NoData", "recent sample"),
    "infinity": ({"expr": 'lever{case="CASE"} / 0'}, "NoData", "recent sample"),
    "a constant": ({"expr": "vector(7)"}, "Reconciled", ""),
    "ten thousand series": (
        {"expr": "many_series"},
        "TooManySeries",
        "500",
    ),
}


@pytest.fixture(scope="module")
def many_series(cluster: Cluster) -> None:
    now = time.time()
    cluster.remote_write([({"__name__": "many_series", "n": str(n)}, [(now, 1.0)]) for n in range(10_000)])


def test_odd_queries_each_get_their_condition_and_harm_nobody(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str, many_series: None
) -> None:
    view.apply("AnomalyDetector", "neighbour", detector(case))
    for number, (query, _, _) in enumerate(ODD.values()):
        spec = {"name": "odd", **query, "expr": query["expr"].replace("CASE", case)}
        view.apply("AnomalyDetector", f"odd-{number}", detector(case, queries=[spec]))
    view.reaches("adet", "neighbour", "Reconciled")
    for number, (words, (_, reason, fragment)) in enumerate(ODD.items()):
        assert fragment in view.reaches("adet", f"odd-{number}", reason), words
        summary = (view.get("adet", f"odd-{number}") or {})["status"].get("summary", {})
        assert summary.get("anomalous", 0) == 0, words
    assert view.condition("adet", "neighbour")[1] == "Reconciled"


ANNOTATED = 8


def test_a_quarter_of_a_megabyte_of_annotations_harms_neither_the_operator_nor_neighbours(
    cluster: Cluster, operator: OperatorProcess, view: View, lever: Lever, case: str
) -> None:
    def resident() -> float:
        (line,) = [line for line in operator.metrics().splitlines() if line.startswith("process_resident_memory_bytes")]
        return float(line.split()[1]) / 2**20

    view.apply("AnomalyDetector", "neighbour", detector(case))
    view.apply("ThresholdPolicy", "neighbour", policy(case))
    view.reaches("adet", "neighbour", "Reconciled")
    view.reaches("tpol", "neighbour", "Reconciled")
    before = resident()
    for number in range(ANNOTATED):
        kind, plural, spec = (
            ("AnomalyDetector", "anomalydetectors", detector(case)),
            ("ThresholdPolicy", "thresholdpolicies", policy(case, delivery={"mode": "Recommend"})),
        )[number % 2]
        annotations = {f"note-{part}": "x" * 65_000 for part in range(4)}  # 262,144 bytes are the most
        body = {
            "apiVersion": "opssight.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": f"heavy-{number}", "annotations": annotations},
            "spec": spec,
        }
        cluster.api("POST", f"/apis/opssight.dev/v1alpha1/namespaces/{view.namespace}/{plural}", body)
    for number in range(ANNOTATED):
        view.reaches(("adet", "tpol")[number % 2], f"heavy-{number}", "Reconciled")
    lever.values[case] = 50.0
    seen = lambda: (view.get("adet", "neighbour") or {})["status"].get("anomalies")  # noqa: E731
    eventually("the neighbour is still judged", seen)
    assert resident() - before < 40, "what is not ours is not kept"
    assert operator.leads()


def test_tenants_are_kept_apart(cluster: Cluster, operator: OperatorProcess, view: View, case: str) -> None:
    tenancy = {
        "enforcedMatchers": [{"label": "namespace", "value": "$(namespace)"}],
        "allowedNamespaces": {"matchLabels": {"tenant": "yes"}},
    }
    view.apply("MetricsSource", "tenants", {"url": cluster.prometheus_url, "tenancy": tenancy})
    reference = {"sourceRef": {"name": "tenants"}}
    other = [{"name": "other", "expr": 'http_requests_total{namespace="shop"}'}]
    view.apply("AnomalyDetector", "foreign", detector(case, queries=other, **reference))
    assert "does not serve" in view.reaches("adet", "foreign", "NotAllowed")
    cluster.kubectl("label", "namespace", view.namespace, "tenant=yes")
    eventually("the label counts", lambda: "namespace" in view.condition("adet", "foreign")[2])
    message = view.reaches("adet", "foreign", "NotAllowed")
    eventually(
        "the query is refused by name", lambda: 'namespace = "shop"' in view.condition("adet", "foreign")[2], seconds=15
    )
    assert message
    view.apply("AnomalyDetector", "confined", detector(case, **reference))
    view.reaches("adet", "confined", "NoData")  # the lever has no namespace label, so that this tenant sees nothing


def test_no_field_of_any_kind_is_a_door_out_of_the_namespace(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    own, bank, now = view.namespace, f"bank-{view.namespace}", time.time()
    tenancy = {"enforcedMatchers": [{"label": "namespace", "value": "$(namespace)"}]}
    view.apply("MetricsSource", case, {"url": cluster.prometheus_url, "tenancy": tenancy})
    times = [now - 598 + 2 * i for i in range(300)]
    mine = [(at, 10 + math.sin(at)) for at in times]
    theirs = [(at, SECRET) for at in times]
    cluster.remote_write(
        [
            ({"__name__": "till", "namespace": own}, mine),
            ({"__name__": "till", "namespace": bank}, theirs),
            ({"__name__": "vault", "namespace": bank, "a": "b"}, theirs),
        ]
    )
    items = {"apiVersion": "v1", "kind": "List", "items": manifests(own, bank, case)}
    cluster.kubectl("apply", "-f", "-", input=json.dumps(items))

    def seen() -> list[dict[str, Any]]:
        found = json.loads(cluster.kubectl("get", "adet,tpol,prep", "-n", own, "-o", "json"))["items"]
        return sorted(found, key=lambda item: int(item["metadata"]["name"].removeprefix("door-")))

    def open_or_undecided() -> dict[str, Any]:
        said = {}
        for (words, door), item in zip(DOORS.items(), seen(), strict=True):
            ready = [c for c in item.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
            reason, message = (ready[0]["reason"], ready[0].get("message", "")) if ready else ("", "")
            if reason != door.reason or filled(door.says, own, bank) not in message:
                said[words] = (reason, message)
        return said

    def all_are_shut() -> bool:
        last[0] = open_or_undecided()
        return not last[0]

    last: list[dict[str, Any]] = [{}]
    try:
        eventually("every door is shut", all_are_shut, seconds=60, pause=1.0)
    except AssertionError:
        raise AssertionError(last[0]) from None
    items_now = seen()
    for (words, _), item in zip(DOORS.items(), items_now, strict=True):
        assert "424242" not in json.dumps(item["status"]), words
    exported = [line for line in operator.metrics().splitlines() if f'namespace="{own}"' in line]
    assert exported and not [line for line in exported if "424242" in line or bank in line]
    objects = _rule_objects(cluster, own)
    short = {"AnomalyDetector": "adet", "ThresholdPolicy": "tpol", "PatternReport": "prep"}
    names = {words: f"opssight-{short[door.kind]}-door-{n}" for n, (words, door) in enumerate(DOORS.items())}
    for words, door in DOORS.items():
        if door.refused:
            assert names[words] not in objects, words
    rendered = [r for n in objects for g in objects[n][1]["groups"] for r in g["rules"] if r.get("alert") == "Till"]
    assert len(rendered) == 3
    for rule in rendered:
        assert rule["labels"]["namespace"] == own
        for selector in selectors(parse(rule["expr"])):
            assert f'namespace="{own}"' in str(selector), rule["expr"]
    cluster.kubectl("delete", "msrc", case)


def test_a_missing_source_is_named_and_recovers_when_it_appears(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    name = f"late-{case}"
    view.apply("AnomalyDetector", "early", detector(case, sourceRef={"name": name}))
    assert name in view.reaches("adet", "early", "SourceMissing")
    view.apply("MetricsSource", name, {"url": cluster.prometheus_url})
    view.reaches("adet", "early", "Reconciled", seconds=10)
    cluster.kubectl("delete", "metricssource", name)
    view.reaches("adet", "early", "SourceMissing", seconds=10)


def test_a_foreign_rule_of_our_name_is_left_alone(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    foreign = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "opssight-adet-taken", "namespace": view.namespace},
        "spec": {"groups": [{"name": "theirs", "rules": [{"record": "a", "expr": "vector(1)"}]}]},
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(foreign))
    view.apply("AnomalyDetector", "taken", detector(case, alert={"for": "1s"}))
    view.reaches("adet", "taken", "NameConflict")
    assert _rule_objects(cluster, view.namespace)["opssight-adet-taken"][1] == foreign["spec"]


def test_nothing_of_ours_carries_a_finalizer_or_an_annotation(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    view.apply("ThresholdPolicy", "plain", policy(case))
    view.reaches("tpol", "plain", "Reconciled")
    everything = json.loads(cluster.kubectl("get", "adet,tpol,prometheusrules", "-A", "-o", "json"))["items"]
    everything += json.loads(cluster.kubectl("get", "msrc", "-o", "json"))["items"]
    for item in everything:
        metadata = item["metadata"]
        assert "finalizers" not in metadata
        found = {name for name in metadata.get("annotations", {}) if not name.startswith("note-")}  # of another test
        assert found <= {"kubectl.kubernetes.io/last-applied-configuration"}


def test_status_is_not_written_while_nothing_changes(
    cluster: Cluster, operator: OperatorProcess, view: View, case: str
) -> None:
    view.apply("AnomalyDetector", "calm", detector(case))
    view.apply("ThresholdPolicy", "calm", policy(case))
    view.reaches("adet", "calm", "Reconciled")
    view.reaches("tpol", "calm", "Loaded", "RuleLoaded")

    def versions() -> list[str]:
        return [view.get(kind, "calm")["metadata"]["resourceVersion"] for kind in ("adet", "tpol")]  # type: ignore[index]

    before = versions()
    time.sleep(8)  # four intervals
    assert versions() == before


def test_the_git_side_alert_falls_back_to_its_default_when_the_policy_is_deleted(
    cluster: Cluster, operator: OperatorProcess, view: View, lever: Lever, case: str, tmp_path: Path
) -> None:
    view.apply("ThresholdPolicy", "joined", policy(case))
    view.reaches("tpol", "joined", "Loaded", "RuleLoaded")
    threshold = f'max(opssight:threshold{{policy="joined",namespace="{view.namespace}"}})'
    alert = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "from-git", "namespace": view.namespace},
        "spec": {
            "groups": [
                {
                    "name": f"git-{view.namespace}",
                    "rules": [
                        {
                            "alert": "FromGit",
                            "expr": f'lever{{case="{case}"}} > on() group_left() ({threshold} or on() vector(20))',
                            "labels": {"case": case},
                        }
                    ],
                }
            ]
        },
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(alert))
    firing = f'ALERTS{{alertname="FromGit",alertstate="firing",case="{case}"}}'
    lever.values[case] = 15.0  # above the learned 10.4, below the default of 20
    eventually("it fires on the learned threshold", lambda: cluster.prometheus.query(firing))
    cluster.kubectl("delete", "tpol", "joined", "-n", view.namespace)
    eventually("the rule is gone", lambda: "opssight-tpol-joined" not in _rule_objects(cluster, view.namespace))
    eventually("it is quiet on the default", lambda: not cluster.prometheus.query(firing), seconds=60)
    lever.values[case] = 25.0
    eventually("it fires on the default of Git", lambda: cluster.prometheus.query(firing), seconds=60)


def test_without_the_flag_of_the_operator_no_alert_is_patched(operator: OperatorProcess, view: View, case: str) -> None:
    rule = {"alert": "Theirs", "expr": f'lever{{case="{case}"}} > 12'}
    body = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "theirs", "labels": {"opssight.dev/patch": "allowed"}},
        "spec": {"groups": [{"name": f"theirs-{case}", "rules": [rule]}]},
    }
    view.cluster.kubectl("apply", "-n", view.namespace, "-f", "-", input=json.dumps(body))
    patch = {"target": {"name": "theirs"}, "alert": "Theirs"}
    view.apply("ThresholdPolicy", "patch", policy(case, delivery={"mode": "Patch", "patch": patch}))
    assert "OPSSIGHT_ALLOW_PATCH=true" in view.reaches("tpol", "patch", "PatchDisabled")
    assert view.condition("tpol", "patch", "Applied")[1] == "PatchDisabled"
    found = view.get("prometheusrule", "theirs") or {}
    assert found["spec"] == body["spec"]
    assert not [name for name in found["metadata"].get("annotations", {}) if name.startswith("opssight.dev/")]
