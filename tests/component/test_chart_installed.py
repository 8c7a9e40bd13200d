"""The chart on a real API server: admitted, installed, upgraded, rolled back, uninstalled. There is no node."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.build import GOLDENS, INSTALL
from charts.rendering import CHART, RELEASE, template
from localcluster import Cluster, ClusterError
from localcluster.build import program

from component.lever import Lever
from component.operator_process import OperatorProcess, View, detector, eventually, policy

NAMESPACE = "opssight-system"
CRD_GROUP = "opssight.dev"
HelmCommand = Callable[..., str]
MARK = ("-l", "app.kubernetes.io/part-of=opssight")
MARKED = "deploy,svc,sa,role,rolebinding,clusterrole,clusterrolebinding,cm,netpol,pdb,servicemonitor,prometheusrule,crd"
"""Every kind that the chart can make, in an order in which it can be deleted."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster without our CRDs, so that the release is the first to bring them."""
    with Cluster() as running:
        for name in (NAMESPACE, "shop", "payments"):
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            running.api("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        yield running


@pytest.fixture
def helm(cluster: Cluster, tmp_path: Path) -> Iterator[HelmCommand]:
    """Helm as administrator; the release and the CRDs are gone afterwards."""

    def run(*arguments: str) -> str:
        home = {"HELM_CACHE_HOME": str(tmp_path), "HELM_CONFIG_HOME": str(tmp_path), "HELM_DATA_HOME": str(tmp_path)}
        done = subprocess.run(
            [str(program("helm")), *arguments, "--kubeconfig", str(cluster.kubeconfig), "--namespace", NAMESPACE],
            capture_output=True,
            text=True,
            check=False,
            env={**home, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    yield run
    cluster.kubectl("delete", "secret", "-n", NAMESPACE, "-l", "owner=helm")
    clean(cluster)


def clean(cluster: Cluster) -> None:
    """Remove everything that a release may have left."""
    cluster.kubectl("delete", MARKED, "-A", *MARK, "--ignore-not-found", "--wait=false")
    eventually("nothing of a release is left", lambda: nudged(cluster), 60, pause=1.0)


def nudged(cluster: Cluster) -> bool:
    """Whether nothing is left; a definition that is makes the API server look at it at once.

    It cannot end one whose storage was just made, and then tries again after pauses that double.
    """
    left = left_over(cluster)
    for name in left:
        if name.startswith("customresourcedefinition"):
            with contextlib.suppress(ClusterError):  # it may be gone by now
                cluster.kubectl("annotate", "--overwrite", name, f"looked-at={time.monotonic()}")
    return not left


def crds(cluster: Cluster) -> dict[str, Any]:
    items = json.loads(cluster.kubectl("get", "crd", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item for item in items if item["spec"]["group"] == CRD_GROUP}


def left_over(cluster: Cluster) -> list[str]:
    """Objects with our mark, of every kind that the chart can make."""
    return cluster.kubectl("get", MARKED, "-A", *MARK, "-o", "name").split()


def pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    template_ = deployment["spec"]["template"]
    metadata = {**template_["metadata"], "name": "probe", "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template_["spec"]}


@pytest.mark.parametrize("values", sorted(GOLDENS.glob("*.values.yaml")), ids=lambda path: path.name)
def test_the_api_server_takes_every_rendered_object(cluster: Cluster, values: Path) -> None:
    """Server-side apply with strict validation, so that an unknown field is an error. CRDs first, for the source."""
    documents = [d for d in yaml.safe_load_all(template("--values", str(values), "--set", "crds.keep=true")) if d]
    ours = [d for d in documents if d["kind"] == "CustomResourceDefinition"]
    rest = [d for d in documents if d["kind"] != "CustomResourceDefinition"]
    try:
        for part in (ours, rest):
            text = yaml.safe_dump_all(part)
            cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", input=text)
            cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        again = cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(documents))
        assert again.count("serverside-applied") == len(documents)
        pods = [pod_of(document) for document in documents if document["kind"] == "Deployment"]
        assert pods
        cluster.kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump_all(pods))
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", input=yaml.safe_dump_all(documents))


def test_the_namespace_would_refuse_a_careless_pod(cluster: Cluster) -> None:
    """Or the test before this one would prove nothing."""
    (deployment,) = [d for d in yaml.safe_load_all(template()) if d and d["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    spec["serviceAccountName"] = "default"
    del spec["containers"][0]["securityContext"]
    with pytest.raises(ClusterError, match='violates PodSecurity "restricted'):
        cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod_of(deployment)))


def test_a_release_is_installed_upgraded_rolled_back_and_uninstalled(cluster: Cluster, helm: HelmCommand) -> None:
    def replicas() -> int:
        found = cluster.kubectl("get", "deploy", RELEASE, "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}")
        return int(found)

    said = helm("install", RELEASE, str(CHART), "--set", "crds.keep=false")
    assert "STATUS: deployed" in said and "MetricsSource" in said
    assert replicas() == 1 and len(crds(cluster)) >= 3
    helm("upgrade", RELEASE, str(CHART), "--set", "crds.keep=false,replicas=2,serviceMonitor.enabled=true")
    assert replicas() == 2
    assert "poddisruptionbudget" in cluster.kubectl("get", "pdb", "-n", NAMESPACE, "-o", "name")
    helm("rollback", RELEASE, "1")
    assert replicas() == 1
    assert not cluster.kubectl("get", "pdb,servicemonitor", "-n", NAMESPACE, "-o", "name").strip()
    helm("uninstall", RELEASE)
    eventually("nothing is left", lambda: left_over(cluster) == [])


def test_crds_and_resources_survive_an_uninstall_and_the_next_release_takes_them_over(
    cluster: Cluster, helm: HelmCommand
) -> None:
    view = View(cluster, "shop")
    helm("install", RELEASE, str(CHART))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    view.apply("AnomalyDetector", "kept", detector("x"))
    before = crds(cluster)
    helm("uninstall", RELEASE)
    assert crds(cluster).keys() == before.keys()
    assert view.get("adet", "kept") is not None
    assert [name for name in left_over(cluster) if "customresourcedefinition" not in name] == []
    helm("install", RELEASE, str(CHART))
    assert view.get("adet", "kept") is not None


def test_an_upgrade_brings_the_new_schema(cluster: Cluster, helm: HelmCommand, tmp_path: Path) -> None:
    """A package as it was with an older schema, then this one: the field that it lacked can be used."""
    old = tmp_path / "old"
    subprocess.run(["cp", "--recursive", "--dereference", str(CHART), str(old)], check=True)
    file = old / "crd-bases" / "opssight.dev_anomalydetectors.yaml"
    crd = yaml.safe_load(file.read_text())
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["suspend"]
    file.write_text("---\n" + yaml.safe_dump(crd, sort_keys=False))
    helm("install", RELEASE, str(old))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    view, spec = View(cluster, "shop"), detector("x", suspend=True)
    with pytest.raises(ClusterError, match="suspend"):
        view.apply("AnomalyDetector", "new", spec)
    helm("upgrade", RELEASE, str(CHART))
    eventually("the new schema is served", lambda: _applies(view, "new", spec))
    assert view.get("adet", "new")["spec"]["suspend"] is True  # type: ignore[index]


def _applies(view: View, name: str, spec: dict[str, Any]) -> bool:
    try:
        view.apply("AnomalyDetector", name, spec)
    except ClusterError:
        return False
    return True


def test_the_first_install_makes_the_source_and_the_next_upgrade_owns_it(cluster: Cluster, helm: HelmCommand) -> None:
    """Helm looks up every kind before it makes the first object, and ours is not there yet."""

    def release(command: str, port: int, create: bool = True) -> None:
        source = (
            f"metricsSource.create={str(create).lower()},metricsSource.spec.url=http://prometheus.monitoring:{port}"
        )
        helm(command, RELEASE, str(CHART), "--set", f"{source},crds.keep=false")

    def source(path: str) -> str:
        return cluster.kubectl("get", "msrc", "default", "-o", f"jsonpath={{{path}}}")

    def owned() -> bool:
        return "\nkind: MetricsSource" in helm("get", "manifest", RELEASE)

    release("install", 9090)
    first = source(".metadata.uid")
    assert not owned()
    release("upgrade", 9090)
    assert owned() and source(".metadata.uid") == first, "made anew, so that every detector lost it for a moment"
    release("upgrade", 9091)
    assert owned() and source(".metadata.uid") == first and source(".spec.url").endswith(":9091")
    release("upgrade", 9091, create=False)
    assert not cluster.kubectl("get", "msrc", "-o", "name").strip()


def test_a_source_that_is_changed_right_after_the_first_install_is_changed(cluster: Cluster, helm: HelmCommand) -> None:
    """Helm takes an object over without a change; that upgrade must not lose the new address."""
    for number, (command, port) in enumerate(
        [("install", 9090), ("upgrade", 9091), ("upgrade", 9091), ("upgrade", 9092)]
    ):
        values = f"metricsSource.create=true,metricsSource.spec.url=http://prometheus.monitoring:{port},crds.keep=false"
        helm(command, RELEASE, str(CHART), "--set", values)
        assert cluster.kubectl("get", "msrc", "default", "-o", "jsonpath={.spec.url}").endswith(str(port)), number
    assert "\nkind: MetricsSource" in helm("get", "manifest", RELEASE)


def test_the_plain_manifest_is_all_that_is_needed(cluster: Cluster) -> None:
    try:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", str(INSTALL))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        assert "opssight-operator" in cluster.kubectl("get", "deploy", "-n", NAMESPACE, "-o", "name")
        assert "helm" not in INSTALL.read_text().lower().split("\n", 1)[1]
    finally:
        clean(cluster)


def test_the_plain_manifest_may_be_applied_by_the_client_and_the_second_time_changes_nothing(cluster: Cluster) -> None:
    """Client-side apply keeps the whole object in an annotation, whose length is limited."""
    try:
        cluster.kubectl("apply", "--validate=strict", "-f", str(INSTALL))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        said = cluster.kubectl("apply", "--validate=strict", "-f", str(INSTALL)).splitlines()
        assert len(said) == sum(1 for document in yaml.safe_load_all(INSTALL.read_text()) if document)
        assert not [line for line in said if not line.endswith(" unchanged")]
    finally:
        clean(cluster)


def test_prometheus_loads_every_alert_of_a_release_and_can_evaluate_it(cluster: Cluster, helm: HelmCommand) -> None:
    """The way of a user's cluster: the release's object, prometheus-operator, a file, a reload."""
    on = "prometheusRule.enabled=true,serviceMonitor.enabled=true,crds.enabled=false"
    helm("install", RELEASE, str(CHART), "--set", on)
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    wanted = {rule["alert"]: "ok" for group in file["groups"] for rule in group["rules"]}

    def as_wanted() -> bool:
        groups = cluster.prometheus.rule_groups()
        return wanted.items() <= {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}.items()

    eventually("every alert is loaded and healthy", as_wanted, seconds=60)


def test_the_roles_view_edit_and_admin_of_a_cluster_learn_our_kinds(cluster: Cluster, helm: HelmCommand) -> None:
    """Asked of the API server, after the controller manager has gathered the roles of the release."""

    reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    verbs = {"read": ("get", "list", "watch"), "write": ("create", "update", "patch", "delete")}

    def may(user: str, verb: str, resource: str) -> bool:
        asked = {"namespace": "shop", "group": CRD_GROUP, "verb": verb, "resource": resource}
        answer = cluster.api("POST", reviews, {"spec": {"user": user, "resourceAttributes": asked}})
        return bool(answer["status"]["allowed"])

    def rights(user: str) -> dict[str, str]:
        """What a user may do with each kind: "", "read", "read write", or verbs where they are not all of one sort."""
        found = {}
        for resource in ("anomalydetectors", "thresholdpolicies", "patternreports", "metricssources"):
            given = {verb for sort in verbs.values() for verb in sort if may(user, verb, resource)}
            whole = [sort for sort, members in verbs.items() if given >= set(members)]
            odd = given - {verb for sort in whole for verb in verbs[sort]}
            found[resource] = " ".join([*whole, *sorted(odd)])
        return found

    reads = {"anomalydetectors": "read", "thresholdpolicies": "read", "patternreports": "read", "metricssources": ""}
    writes = {name: "read write" if right else "" for name, right in reads.items()}
    without = writes | {"thresholdpolicies": "read"}
    none = dict.fromkeys(reads, "")
    roles = ("view", "edit", "admin")
    for role in roles:
        cluster.kubectl("create", "rolebinding", role, "--clusterrole", role, "--user", role, "-n", "shop")
    try:
        assert [rights(role) for role in roles] == [none] * 3
        helm("install", RELEASE, str(CHART))
        eventually("the roles are gathered", lambda: [rights(role) for role in roles] == [reads, writes, writes])
        helm("upgrade", RELEASE, str(CHART), "--set", "rbac.aggregate.thresholdPoliciesInEdit=false")
        eventually("edit only reads policies", lambda: [rights(role) for role in roles] == [reads, without, writes])
    finally:
        cluster.kubectl("delete", "rolebinding", *roles, "-n", "shop")


def test_the_operator_lives_by_the_rights_of_a_release(cluster: Cluster, helm: HelmCommand, tmp_path: Path) -> None:
    """As the ServiceAccount of the release: it leads, and says in the status that the source is missing."""
    helm("install", RELEASE, str(CHART))
    running = OperatorProcess(cluster, tmp_path).start()
    try:
        eventually("the operator leads", running.leads)
        view = View(cluster, "shop")
        view.apply("AnomalyDetector", "lives", detector("x"))
        view.reaches("adet", "lives", "SourceMissing")
    finally:
        running.end()
    assert "403" not in running.log and "Traceback" not in running.log, running.log[-3000:]


def test_a_namespaced_operator_serves_its_namespaces_and_sees_no_other(
    cluster: Cluster, helm: HelmCommand, lever: Lever, tmp_path: Path
) -> None:
    """Without a right on the whole cluster but to sources: it learns, writes rules and reports."""
    helm("install", RELEASE, str(CHART), "--set", "rbac.scope=namespaced,rbac.namespaces={shop,payments}")
    account = tmp_path / "account.kubeconfig"
    cluster.kubeconfig_for_service_account(NAMESPACE, RELEASE, account)
    running = OperatorProcess(cluster, tmp_path, OPSSIGHT_NAMESPACES="shop,payments").start()
    try:
        eventually("the operator leads", running.leads)
        for namespace in ("shop", "payments", "default"):
            View(cluster, namespace).apply("AnomalyDetector", "seen", detector("x"))
        for namespace in ("shop", "payments"):
            View(cluster, namespace).reaches("adet", "seen", "SourceMissing")
        assert View(cluster, "default").condition("adet", "seen") == ("", "", "")
        lever.give_quiet(cluster, "rights")
        view = View(cluster, "shop")
        view.apply("MetricsSource", "loop", {"url": cluster.prometheus_url, "limits": {"timeout": "5s"}})
        view.apply("AnomalyDetector", "seen", detector("rights", alert={"for": "1s"}))
        view.apply("ThresholdPolicy", "seen", policy("rights"))
        view.apply("PatternReport", "seen", {"sourceRef": {"name": "loop"}, "schedule": {"type": "Once"}})
        view.reaches("adet", "seen", "Loaded", "RuleLoaded")
        view.reaches("tpol", "seen", "Loaded", "RuleLoaded")
        view.reaches("prep", "seen", "Reconciled")
        assert len(cluster.kubectl("get", "prometheusrule", "-n", "shop", "-o", "name").split()) == 2
        report = view.get("prep", "seen")["status"]["lastReport"]["name"]  # type: ignore[index]
        assert "report.json" in cluster.kubectl("get", "configmap", report, "-n", "shop", "-o", "jsonpath={.data}")
        for forbidden in (("get", "adet", "-n", "default"), ("get", "secret", "-n", "shop"), ("get", "namespaces")):
            with pytest.raises(ClusterError, match="forbidden"):
                cluster.kubectl(*forbidden, kubeconfig=account)
    finally:
        running.end()
    assert "403" not in running.log and "Traceback" not in running.log, running.log[-3000:]
