"""The control plane of a node: that of the local cluster, on an address that pods can reach."""

from __future__ import annotations

from localcluster import pki
from localcluster.build import program
from localcluster.controlplane import ControlPlane, Ports
from localcluster.supervision import Supervision

from . import servers
from .addresses import API_PORT, API_URL, CONTROLLER_MANAGER_PORT, ETCD_PEER_PORT, ETCD_PORT, NODE_IP, NODE_NAME

PORTS = Ports(API_PORT, ETCD_PORT, ETCD_PEER_PORT, CONTROLLER_MANAGER_PORT)
USERS: dict[str, tuple[str, str | None]] = {
    "scheduler": ("system:kube-scheduler", None),
    "proxy": ("system:kube-proxy", None),
    "node": (f"system:node:{NODE_NAME}", "system:nodes"),
}


class NodeControlPlane(ControlPlane):
    """etcd, kube-apiserver, kube-controller-manager, and kube-scheduler."""

    def __init__(self, supervision: Supervision) -> None:
        super().__init__(supervision, PORTS)

    @property
    def url(self) -> str:
        """On the node's own address."""
        return API_URL

    def create_pki(self) -> None:
        """With users for the servers of a node, and a certificate for kubelet."""
        pki.create(self.pki.folder, self.url, addresses=(NODE_IP,), servers={"kubelet": NODE_IP}, users=USERS)

    def apiserver_command(self) -> list[str]:
        """With Node authorization, and the way to kubelet."""
        return servers.kube_apiserver(program("kube-apiserver"), self.pki)

    def start(self) -> None:
        """As for the local cluster, and the scheduler."""
        super().start()
        name = "kube-scheduler"
        self.supervision.spawn(name, servers.kube_scheduler(program(name), self.pki))
