"""The command line of each server, as pure functions of paths and ports. Everything listens on loopback alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .pki import Pki

HOST = "127.0.0.1"


def etcd(program: Path, data: Path, client_port: int, peer_port: int) -> list[str]:
    """A single member; no fsync, because nothing in it outlives the cluster."""
    client, peer = f"http://{HOST}:{client_port}", f"http://{HOST}:{peer_port}"
    return [
        str(program),
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def feature_gates(gates: Mapping[str, bool]) -> list[str]:
    """The flag that turns features on and off; none where there is nothing to turn."""
    turned = ",".join(f"{name}={str(on).lower()}" for name, on in sorted(gates.items()))
    return [f"--feature-gates={turned}"] if turned else []


def kube_apiserver(program: Path, pki: Pki, port: int, etcd_port: int, extra: Sequence[str]) -> list[str]:
    """RBAC, admission and everything else as by default."""
    return [
        str(program),
        f"--etcd-servers=http://{HOST}:{etcd_port}",
        f"--bind-address={HOST}",
        f"--advertise-address={HOST}",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        f"--client-ca-file={pki.ca}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki.service_account_key}",
        f"--service-account-signing-key-file={pki.service_account_key}",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--authorization-mode=RBAC",
        *extra,
    ]


def kube_controller_manager(program: Path, pki: Pki, port: int) -> list[str]:
    """All controllers, each with the rights of its own ServiceAccount."""
    kubeconfig = pki.kubeconfig("controller-manager")
    return [
        str(program),
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={pki.service_account_key}",
        f"--root-ca-file={pki.ca}",
        "--use-service-account-credentials",
        "--leader-elect=false",
    ]


def prometheus(program: Path, config: Path, data: Path, port: int, extra: Sequence[str]) -> list[str]:
    """With remote write and reloads switched on; 30 days are kept."""
    return [
        str(program),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=30d",
        f"--web.listen-address={HOST}:{port}",
        "--web.enable-lifecycle",
        "--web.enable-admin-api",
        "--web.enable-remote-write-receiver",
        *extra,
    ]


def prometheus_operator(program: Path, port: int) -> list[str]:
    """It honours KUBECONFIG; no node, so no kubelet service."""
    return [str(program), f"--web.listen-address={HOST}:{port}", "--feature-gates=StatusForConfigurationResources=true"]


def config_reloader(program: Path, port: int, rules: Path, prometheus_url: str) -> list[str]:
    """Asks Prometheus to reload when the rule files change."""
    return [
        str(program),
        f"--listen-address={HOST}:{port}",
        f"--watched-dir={rules}",
        f"--reload-url={prometheus_url}/-/reload",
        "--delay-interval=100ms",
    ]
