"""CoreDNS as a pod: the names of Services, and nothing outside."""

from __future__ import annotations

import contextlib
from typing import Any

from localcluster.http import HttpError
from localcluster.kube import KubeApi

from .addresses import DNS_IP

IMAGE = "localhost/coredns:1"
PORT = 1053
COREFILE = f""".:{PORT} {{
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa {{
        pods insecure
    }}
    cache 5
    loop
}}
"""
LABELS = {"k8s-app": "kube-dns"}
_KUBE_SYSTEM = {"name": "coredns", "namespace": "kube-system"}
_RULES = [
    {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def _pod() -> dict[str, Any]:
    return {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "coredns",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }


def manifests() -> list[tuple[str, dict[str, Any]]]:
    """Path of the collection, and the object."""
    rbac, core = "/apis/rbac.authorization.k8s.io/v1", "/api/v1/namespaces/kube-system"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns"}
    subject = {"kind": "ServiceAccount"} | _KUBE_SYSTEM
    ports = [{"name": name.lower(), "port": 53, "targetPort": PORT, "protocol": name} for name in ("UDP", "TCP")]
    template = {"metadata": {"labels": LABELS}, "spec": _pod()}
    return [
        (f"{core}/serviceaccounts", {"metadata": _KUBE_SYSTEM}),
        (f"{rbac}/clusterroles", {"metadata": {"name": "coredns"}, "rules": _RULES}),
        (
            f"{rbac}/clusterrolebindings",
            {"metadata": {"name": "coredns"}, "roleRef": role, "subjects": [subject]},
        ),
        (f"{core}/configmaps", {"metadata": _KUBE_SYSTEM, "data": {"Corefile": COREFILE}}),
        (
            "/apis/apps/v1/namespaces/kube-system/deployments",
            {"metadata": _KUBE_SYSTEM, "spec": {"selector": {"matchLabels": LABELS}, "template": template}},
        ),
        (
            f"{core}/services",
            {
                "metadata": {"name": "kube-dns", "namespace": "kube-system"},
                "spec": {"clusterIP": DNS_IP, "selector": LABELS, "ports": ports},
            },
        ),
    ]


def install(api: KubeApi) -> None:
    """Create everything."""
    for path, body in manifests():
        api.call("POST", path, body)


def ready(api: KubeApi) -> bool:
    """Whether the Deployment has its pod."""
    with contextlib.suppress(HttpError, OSError):
        found = api.call("GET", "/apis/apps/v1/namespaces/kube-system/deployments/coredns")
        return bool(found.get("status", {}).get("readyReplicas"))
    return False
