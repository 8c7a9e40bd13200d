"""Who may do what, asked on a real API server: the operator exactly what it does, a tenant never what admins decide."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster import Cluster
from localcluster.errors import ClusterError

from component.audit import ACCOUNT, AuditLog, Right, named, rights_of
from component.lever import Lever
from component.operator_process import NAMESPACE, ROOT, View, detector, eventually, install, policy, working
from opssight_operator.adapters.kubernetes.permissions import PERMISSIONS

GRANTED = {
    Right(verb, named(permission.group, permission.resource)) for permission in PERMISSIONS for verb in permission.verbs
}
OWN_NAMESPACE_ONLY = {p.resource for p in PERMISSIONS if p.scope == "operator"}
EVERYBODYS = {
    Right("create", "selfsubjectaccessreviews.authorization.k8s.io"): "system:basic-user: ask what one may do oneself",
}
"""Used and not granted by our roles, each with what grants it."""
RULES = "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules/{}"


def put(view: View, kind: str, name: str, spec: dict[str, Any], **labels: str) -> None:
    """A PrometheusRule, or something else that is not ours, as its owner applies it."""
    metadata = {"name": name, "namespace": view.namespace, "labels": labels}
    body = {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": metadata, "spec": spec}
    view.cluster.kubectl("apply", "-f", "-", input=json.dumps(body))


def a_token(cluster: Cluster, case: str) -> dict[str, Any]:
    """A MetricsSource that sends a token of the operator's namespace along."""
    data = {"token": base64.b64encode(b"opened").decode()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": case, "namespace": NAMESPACE}, "data": data}
    cluster.kubectl("apply", "-f", "-", input=json.dumps(body))
    return {"url": cluster.prometheus_url, "auth": {"bearerToken": {"secretRef": {"name": case, "key": "token"}}}}


def every_way_of_delivery(view: View, case: str) -> None:
    """A policy of each mode, one that shares its object, and a mode that is left again."""
    expr = f'lever{{case="{case}"}} > 12'
    put(
        view,
        "PrometheusRule",
        "theirs",
        {"groups": [{"name": f"theirs-{case}", "rules": [{"alert": f"Lever{case}", "expr": expr}]}]},
        **{"opssight.dev/patch": "allowed"},
    )
    patch = {"mode": "Patch", "patch": {"target": {"name": "theirs"}, "alert": f"Lever{case}"}}
    render = {"mode": "Render", "render": {"labels": {"severity": "page"}}}
    shared = {"mode": "Record", "record": {"sharedObject": "thresholds"}}
    for name, more in {
        "recommends": {"delivery": {"mode": "Recommend"}},
        "records": {},
        "shares": {"delivery": shared},
        "renders": {"alert": {"name": f"Rendered{case}", "for": "1s"}, "delivery": render},
        "patches": {"delivery": patch},
    }.items():
        view.apply("ThresholdPolicy", name, policy(case, **more))
    for name in ("recommends", "records", "shares", "renders"):
        view.reaches("tpol", name, "Reconciled")
    view.reaches("tpol", "patches", "Patched", "Applied")
    # A part without an owner reference belongs to a policy that is gone, or somebody took the reference away.
    eventually("the part of the policy", lambda: _owners(view))
    away = [{"op": "remove", "path": "/metadata/ownerReferences"}]
    view.cluster.api("PATCH", RULES.format(view.namespace, "thresholds"), away, "application/json-patch+json")
    eventually("its reference again", lambda: _owners(view))
    view.apply("ThresholdPolicy", "records", policy(case, delivery={"mode": "Recommend"}))
    eventually("its object is removed", lambda: "opssight-tpol-records" not in _rules(view))


def _rules(view: View) -> dict[str, Any]:
    items = view.cluster.api("GET", RULES.format(view.namespace, "").rstrip("/"))["items"]
    return {item["metadata"]["name"]: item for item in items}


def _owners(view: View) -> list[Any]:
    found = _rules(view).get("thresholds", {})
    return list(found.get("metadata", {}).get("ownerReferences", []))


def an_event_that_is_told_twice(view: View, case: str) -> None:
    for suspend in (True, False, True):
        view.apply("AnomalyDetector", "told", detector(case, suspend=suspend))
        view.reaches("adet", "told", "Suspended" if suspend else "Reconciled")


def reports_of_which_one_is_kept(view: View) -> None:
    for number in range(1, 3):
        view.apply(
            "PatternReport",
            "kept",
            {
                "sourceRef": {"name": "loop"},
                "schedule": {"type": "Once"},
                "historyLimit": 1,
                "history": "0s",
                "lookback": f"{number}h",
                "inputs": {"alerts": {}, "detectors": {}, "events": {}},
            },
        )
        eventually("a report of this spec", partial(_made_for, view, number), seconds=60)


def _made_for(view: View, generation: int) -> bool:
    status = (view.get("prep", "kept") or {}).get("status", {})
    return bool(status.get("lastReport", {}).get("generation") == generation)


def test_the_operator_uses_every_right_that_it_has_and_no_other(
    cluster: Cluster,
    audit_log: AuditLog,
    lever: Lever,
    namespace: str,
    case: str,
    tmp_path: Path,
) -> None:
    install(cluster)
    cluster.kubectl("delete", "lease", "--all", "-n", NAMESPACE)  # the first replica of an install makes it
    began = audit_log.size
    view = View(cluster, namespace)
    with working(cluster, tmp_path, OPSSIGHT_ALLOW_PATCH="true", OPSSIGHT_REPORT_COLLECT_SECONDS="1"):
        view.apply("MetricsSource", case, a_token(cluster, case))
        view.reaches("msrc", case, "Reconciled")
        view.apply("AnomalyDetector", "alerts", detector(case, sourceRef={"name": case}, alert={"for": "1s"}))
        every_way_of_delivery(view, case)
        an_event_that_is_told_twice(view, case)
        reports_of_which_one_is_kept(view)
        view.reaches("adet", "alerts", "Reconciled")
        cluster.kubectl("delete", "msrc", case)
        cluster.kubectl("delete", "secret", case, "-n", NAMESPACE)
    requests = audit_log.requests(began)
    used = {right for request in requests for right in rights_of(request)}
    assert sorted(used - GRANTED - set(EVERYBODYS)) == [], "used and not granted"
    assert sorted(GRANTED - used) == [], "granted and not used"
    assert set(EVERYBODYS) <= used, "an exception that nothing needs"
    elsewhere = {
        (request["objectRef"]["resource"], request["objectRef"].get("namespace"))
        for request in requests
        if request["objectRef"]["resource"] in OWN_NAMESPACE_ONLY and request["objectRef"].get("namespace") != NAMESPACE
    }
    assert not elsewhere


MAY_NOT_BE_ASKED: dict[str, tuple[str, ...]] = {
    "a Secret of another namespace by name": ("get", "secret", "theirs", "-n", "NAMESPACE"),
    "the Secrets of another namespace": ("get", "secrets", "-n", "NAMESPACE"),
    "the Secrets of all namespaces": ("get", "secrets", "-A"),
    "the names of the Secrets of its own namespace": ("get", "secrets", "-n", "opssight-system"),
    "the ConfigMaps of a namespace": ("get", "configmaps", "-n", "NAMESPACE"),
    "a token of a ServiceAccount": ("create", "token", "default", "-n", "NAMESPACE"),
    "the pods of a namespace": ("get", "pods", "-n", "NAMESPACE"),
    "another's rights": ("auth", "can-i", "get", "secrets", "--as", "system:admin"),
    "a role": ("create", "clusterrolebinding", "mine", "--clusterrole=cluster-admin", f"--user={ACCOUNT}"),
    "a MetricsSource": ("delete", "msrc", "loop"),
}


@pytest.fixture
def account(cluster: Cluster, namespace: str, tmp_path: Path) -> Path:
    """A kubeconfig of the operator's own ServiceAccount, with the roles of an install for the whole cluster."""
    install(cluster)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "namespace": namespace}}
    cluster.kubectl("create", "-f", "-", input=json.dumps({**secret, "stringData": {"key": "sentinel"}}))
    place = tmp_path / "operator.kubeconfig"
    cluster.kubeconfig_for_service_account(NAMESPACE, "opssight-operator", place)
    return place


def test_the_operators_account_is_refused_what_is_not_its_business(
    cluster: Cluster, account: Path, namespace: str
) -> None:
    for what, command in MAY_NOT_BE_ASKED.items():
        asked = [namespace if word == "NAMESPACE" else word for word in command]
        with pytest.raises(ClusterError, match=r"[Ff]orbidden|cannot impersonate") as refusal:
            cluster.kubectl(*asked, kubeconfig=account)
        assert "sentinel" not in str(refusal.value), what
    for where, answer in ((namespace, "no"), ("kube-system", "no"), (NAMESPACE, "yes")):
        assert can_i(cluster, ACCOUNT, "get", "secrets", where) == answer


def can_i(cluster: Cluster, who: str, verb: str, what: str, namespace: str, group: str = "") -> str:
    """``yes`` or ``no``, as ``kubectl auth can-i`` says it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": who,
            "resourceAttributes": {"verb": verb, "group": group, "resource": what, "namespace": namespace},
        },
    }
    answer = cluster.api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return "yes" if answer["status"]["allowed"] else "no"


@pytest.fixture(scope="module")
def roles(cluster: Cluster) -> Iterator[None]:
    """The roles of the chart for tenants, and Kubernetes has put them into ``view``, ``edit`` and ``admin``."""
    manifest = list(yaml.safe_load_all((ROOT / "deploy" / "install.yaml").read_text()))
    ours = [it for it in manifest if it and "aggregate-to" in json.dumps(it["metadata"].get("labels", {}))]
    assert [it["kind"] for it in ours] == ["ClusterRole"] * 3
    install(cluster)
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(ours))

    def aggregated() -> bool:
        role = cluster.api("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit")
        return any("opssight.dev" in rule.get("apiGroups", []) for rule in role["rules"])

    eventually("Kubernetes puts the roles together", aggregated)
    yield
    for it in ours:
        cluster.kubectl("delete", "clusterrole", it["metadata"]["name"])


@pytest.fixture(params=["view", "edit", "admin"])
def tenant(cluster: Cluster, roles: None, namespace: str, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """A kubeconfig of somebody with a role in one namespace, and the role."""
    name = f"tenant-{secrets.token_hex(3)}"
    cluster.kubectl("create", "serviceaccount", name, "-n", namespace)
    subject = f"--serviceaccount={namespace}:{name}"
    cluster.kubectl("create", "rolebinding", name, f"--clusterrole={request.param}", subject, "-n", namespace)
    who = f"system:serviceaccount:{namespace}:{name}"
    asked = ("get", "thresholdpolicies", namespace, "opssight.dev")
    eventually("the binding counts", lambda: can_i(cluster, who, *asked) == "yes")
    place = tmp_path / "tenant.kubeconfig"
    cluster.kubeconfig_for_service_account(namespace, name, place)
    return place, request.param


def test_a_tenant_writes_resources_in_its_namespace_and_can_choose_no_address(
    cluster: Cluster, tenant: tuple[Path, str], namespace: str
) -> None:
    account, role = tenant

    def attempt(*command: str, body: dict[str, Any] | None = None) -> str:
        try:
            return cluster.kubectl(*command, input=json.dumps(body) if body else None, kubeconfig=account)
        except ClusterError as refusal:
            assert "forbidden" in str(refusal), refusal
            return ""

    def made(kind: str, spec: dict[str, Any], where: str | None = None) -> dict[str, Any]:
        metadata = {"name": "mine", **({"namespace": where} if where else {})}
        return {"apiVersion": "opssight.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    create = ("create", "-f", "-")
    assert bool(attempt(*create, body=made("AnomalyDetector", detector("x"), namespace))) is (role != "view")
    assert bool(attempt(*create, body=made("ThresholdPolicy", policy("x"), namespace))) is (role != "view")
    assert attempt("get", "adet,tpol,prep", "-n", namespace, "-o", "name") or role == "view"
    metadata = {"url": "http://169.254.169.254/latest/meta-data"}
    assert not attempt(*create, body=made("MetricsSource", metadata))
    assert not attempt("patch", "msrc", "loop", "--type=merge", "-p", json.dumps({"spec": metadata}))
    assert not attempt("get", "msrc")
    assert not attempt(*create, body=made("AnomalyDetector", detector("x"), "default"))
    assert not attempt("get", "secrets", "-n", NAMESPACE)
    assert not attempt("get", "secret", "loop-token", "-n", NAMESPACE)
    if role != "view":  # which has nothing there to patch
        seen = json.dumps({"status": {"summary": {"series": 1}}})
        assert not attempt("patch", "adet", "mine", "-n", namespace, "--subresource=status", "--type=merge", "-p", seen)
