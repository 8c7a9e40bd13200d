"""The command line of each server of a node, as pure functions of paths."""

from __future__ import annotations

from pathlib import Path

from localcluster.pki import Pki

from .addresses import API_PORT, ETCD_PORT, NODE_IP, NODE_NAME, POD_NETWORK, SERVICE_NETWORK


def kube_apiserver(program: Path, pki: Pki) -> list[str]:
    """As by default, Node authorization and PodSecurity included."""
    return [
        str(program),
        f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
        "--bind-address=0.0.0.0",
        f"--secure-port={API_PORT}",
        f"--advertise-address={NODE_IP}",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        f"--client-ca-file={pki.ca}",
        f"--kubelet-client-certificate={pki.certificate('admin')}",
        f"--kubelet-client-key={pki.key('admin')}",
        f"--kubelet-certificate-authority={pki.ca}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki.service_account_key}",
        f"--service-account-signing-key-file={pki.service_account_key}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
    ]


def kube_scheduler(program: Path, pki: Pki) -> list[str]:
    """One that need not elect a leader."""
    kubeconfig = pki.kubeconfig("scheduler")
    return [
        str(program),
        "--bind-address=127.0.0.1",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
    ]


def kubelet(program: Path, pki: Pki, config: Path, root: Path) -> list[str]:
    """The node's agent."""
    return [
        str(program),
        f"--config={config}",
        f"--kubeconfig={pki.kubeconfig('node')}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_IP}",
        f"--root-dir={root}",
    ]


def kube_proxy(program: Path, pki: Pki) -> list[str]:
    """By iptables; it leaves the machine-wide connection limits alone."""
    return [
        str(program),
        f"--kubeconfig={pki.kubeconfig('proxy')}",
        f"--hostname-override={NODE_NAME}",
        f"--bind-address={NODE_IP}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={POD_NETWORK}",
        "--conntrack-max-per-core=0",
        "--oom-score-adj=0",
    ]
