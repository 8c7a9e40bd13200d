"""etcd, kube-apiserver and kube-controller-manager of one cluster, and the ways in."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import pki, servers
from .build import program
from .errors import ClusterError
from .kube import KubeApi, tls_context
from .supervision import Supervision


@dataclass(frozen=True)
class Ports:
    """The ports of the three servers."""

    apiserver: int
    etcd: int
    etcd_peer: int
    controller_manager: int


class ControlPlane:
    """The three servers under a supervisor; ``apiserver_flags`` and ``feature_gates`` are kube-apiserver's."""

    def __init__(
        self,
        supervision: Supervision,
        ports: Ports,
        apiserver_flags: Sequence[str] = (),
        feature_gates: Mapping[str, bool] | None = None,
    ) -> None:
        self.supervision = supervision
        self.ports = ports
        self.apiserver_flags = (*apiserver_flags, *servers.feature_gates(feature_gates or {}))
        self.pki = pki.Pki(supervision.state / "pki")

    @property
    def url(self) -> str:
        """``https://127.0.0.1:PORT``."""
        return f"https://{servers.HOST}:{self.ports.apiserver}"

    @property
    def api(self) -> KubeApi:
        """A client with the administrator's certificate."""
        return KubeApi(self.url, tls_context(self.pki.ca, self.pki.certificate("admin"), self.pki.key("admin")))

    def start(self) -> None:
        """Make the certificates, start etcd and the API server, wait for ``/readyz``, start the controllers."""
        self.create_pki()
        self.start_etcd()
        self.start_apiserver()
        name = "kube-controller-manager"
        argv = servers.kube_controller_manager(program(name), self.pki, self.ports.controller_manager)
        self.supervision.spawn(name, argv)

    def create_pki(self) -> None:
        """Make the certificates and the kubeconfigs."""
        pki.create(self.pki.folder, self.url)

    def apiserver_command(self) -> list[str]:
        """The command line of kube-apiserver."""
        ports, flags = self.ports, self.apiserver_flags
        return servers.kube_apiserver(program("kube-apiserver"), self.pki, ports.apiserver, ports.etcd, flags)

    def start_etcd(self) -> None:
        """Start etcd with the data it had; the API server waits for it by itself."""
        data, ports = self.supervision.state / "etcd", self.ports
        self.supervision.spawn("etcd", servers.etcd(program("etcd"), data, ports.etcd, ports.etcd_peer))

    def stop_etcd(self) -> None:
        """Kill etcd; the API server stays and fails."""
        self.supervision.stop("etcd", grace=0)

    def start_apiserver(self) -> None:
        """Start kube-apiserver and wait until it is ready."""
        name = "kube-apiserver"
        self.supervision.spawn(name, self.apiserver_command())
        self.supervision.wait_for("kube-apiserver to be ready", self.api.ready, ["etcd", name])

    def stop_apiserver(self) -> None:
        """Kill kube-apiserver; etcd and the controllers stay."""
        self.supervision.stop("kube-apiserver", grace=0)

    def wait_for_service_account(self) -> None:
        """Wait until the controllers work: the namespace ``default`` has its ServiceAccount."""
        path, api = "/api/v1/namespaces/default/serviceaccounts/default", self.api
        names = ["kube-apiserver", "kube-controller-manager"]
        self.supervision.wait_for("the first ServiceAccount", lambda: api.exists(path), names)

    def kubectl(self, *arguments: str, input: str | None = None, kubeconfig: Path | None = None) -> str:
        """Run kubectl as administrator, or with another kubeconfig; raises ``ClusterError`` with what it said."""
        done = subprocess.run(
            [str(program("kubectl")), *arguments],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            env=self.kubectl_environment(kubeconfig),
            check=False,
        )
        if done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def kubectl_environment(self, kubeconfig: Path | None = None) -> Mapping[str, str]:
        """An environment in which kubectl reads and writes nothing of the user's."""
        return {
            "KUBECONFIG": str(kubeconfig or self.pki.kubeconfig("admin")),
            "HOME": str(self.supervision.state),
            "PATH": "/usr/bin:/bin",
        }

    def create_token(self, namespace: str, service_account: str, seconds: int = 86_400) -> str:
        """A token of a ServiceAccount, from the TokenRequest API."""
        body: dict[str, Any] = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        return str(self.api.call("POST", path, body)["status"]["token"])

    def kubeconfig_for_token(self, token: str, path: Path, namespace: str = "default") -> Path:
        """Write a kubeconfig that comes with this token, and return its path."""
        return pki.write_kubeconfig(path, self.url, self.pki.ca, {"token": token}, namespace)
