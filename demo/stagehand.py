"""Starts and stops what the demo needs: servers, the shop, the operator with its production rights."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from localcluster import Cluster
from localcluster.child import process
from localcluster.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
OPERATOR_NAMESPACE = "opssight-system"
SHOP_NAMESPACE = "shop"


@dataclass(frozen=True)
class Stage:
    """The running pieces, for the person who looks at them."""

    cluster: Cluster
    shop_url: str
    metrics_url: str
    operator: subprocess.Popen[bytes]
    operator_log: Path


def install(cluster: Cluster) -> None:
    """CRDs, namespaces and the operator's ServiceAccount with exactly its production rights."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for namespace in (OPERATOR_NAMESPACE, SHOP_NAMESPACE):
        cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac.yaml"))


def operator_environment(cluster: Cluster, metrics_port: int, health_port: int, work: Path) -> dict[str, str]:
    """The environment of the operator: a token of its own ServiceAccount, never the administrator's."""
    account = work / "operator.kubeconfig"
    kubeconfig = cluster.kubeconfig_for_service_account(OPERATOR_NAMESPACE, "opssight-operator", account)
    return os.environ | {
        "KUBECONFIG": str(kubeconfig),
        "OPSSIGHT_OPERATOR_NAMESPACE": OPERATOR_NAMESPACE,
        "OPSSIGHT_METRICS_HOST": "127.0.0.1",
        "OPSSIGHT_ALLOW_PATCH": "true",
        "OPSSIGHT_METRICS_PORT": str(metrics_port),
        "OPSSIGHT_HEALTH_PORT": str(health_port),
    }


def apply_examples(cluster: Cluster) -> None:
    """``examples/`` as they are, but for the address of Prometheus, which only this machine knows."""
    for path in sorted((ROOT / "examples").glob("*.yaml")):
        text = path.read_text()
        text = text.replace("http://prometheus-operated.monitoring.svc:9090", cluster.prometheus_url)
        cluster.kubectl("apply", "-f", "-", input=text)


@contextlib.contextmanager
def stage(work: Path, tell: Callable[[str], None]) -> Iterator[Stage]:
    """Everything up, the examples applied; everything down again at the end."""
    tell("etcd, kube-apiserver, kube-controller-manager, prometheus-operator, and Prometheus with two weeks of history")
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster.demo(work / "cluster"))
        shop_port, metrics_port, health_port = free_ports(3)
        tell("a live shop that goes on where the history ends")
        shop = [sys.executable, "-m", "localcluster.shop", "--port", str(shop_port)]
        stack.enter_context(process(shop, work / "shop.log", dict(os.environ)))
        cluster.add_scrape_target("shop", f"127.0.0.1:{shop_port}", {"namespace": SHOP_NAMESPACE}, interval="5s")
        cluster.add_scrape_target("opssight", f"127.0.0.1:{metrics_port}", {}, interval="5s", honor_labels=True)
        tell("the CRDs and the operator, with the ServiceAccount and the rights it has in production")
        install(cluster)
        log = work / "operator.log"
        environment = operator_environment(cluster, metrics_port, health_port, work)
        operator = stack.enter_context(process([sys.executable, "-m", "opssight_operator"], log, environment))
        tell("the manifests of examples/")
        apply_examples(cluster)
        host = urlsplit(cluster.prometheus_url).hostname
        yield Stage(cluster, f"http://{host}:{shop_port}", f"http://{host}:{metrics_port}/metrics", operator, log)
