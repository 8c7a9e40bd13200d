"""What a test does with the API server and with Prometheus of a local cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import remote_write
from .argocd import ArgoCD
from .controlplane import ControlPlane
from .nodeless import PretendedPods
from .prometheus import Prometheus, ScrapeTarget


class KubernetesDoor:
    """Calls that go to the control plane."""

    _control_plane: ControlPlane

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator."""
        return self._control_plane.pki.kubeconfig("admin")

    @property
    def server_url(self) -> str:
        """The address of the API server."""
        return self._control_plane.url

    @property
    def ca_file(self) -> Path:
        """The certificate that the API server's is signed with."""
        return self._control_plane.pki.ca

    def api(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One call to the API server as administrator; raises ``http.HttpError`` with ``status`` and ``body``."""
        return self._control_plane.api.call(method, path, body, content_type)

    def kubectl(self, *arguments: str, input: str | None = None, kubeconfig: Path | None = None) -> str:
        """What kubectl prints; raises ``ClusterError`` with its message when it fails."""
        return self._control_plane.kubectl(*arguments, input=input, kubeconfig=kubeconfig)

    def create_token(self, namespace: str, service_account: str, seconds: int = 86_400) -> str:
        """A token of a ServiceAccount."""
        return self._control_plane.create_token(namespace, service_account, seconds)

    def kubeconfig_for_token(self, token: str, path: Path, namespace: str = "default") -> Path:
        """Write a kubeconfig that comes with ``token``; returns ``path``."""
        return self._control_plane.kubeconfig_for_token(token, path, namespace)

    def kubeconfig_for_service_account(self, namespace: str, service_account: str, path: Path) -> Path:
        """Write a kubeconfig that acts as a ServiceAccount, as a pod of it would; returns ``path``."""
        return self.kubeconfig_for_token(self.create_token(namespace, service_account), path, namespace)

    def stop_apiserver(self) -> None:
        """Kill kube-apiserver."""
        self._control_plane.stop_apiserver()

    def start_apiserver(self) -> None:
        """Start it again, with the same address and data."""
        self._control_plane.start_apiserver()

    def stop_etcd(self) -> None:
        """Kill etcd, so that the API server answers with errors."""
        self._control_plane.stop_etcd()

    def start_etcd(self) -> None:
        """Start it again, with the same address and data."""
        self._control_plane.start_etcd()

    def start_argocd(self, settings: Mapping[str, str] | None = None) -> ArgoCD:
        """Argo CD beside this cluster; ``settings`` are the data of argocd-cm."""
        argocd = ArgoCD(self._control_plane, settings or {})
        argocd.start()
        return argocd

    def pretended_pods(self) -> PretendedPods:
        """A context in which every pod is said to run, for what waits for rollouts."""
        return PretendedPods(self._control_plane.api)


class PrometheusDoor:
    """Calls that go to Prometheus 3."""

    prometheus: Prometheus

    @property
    def prometheus_url(self) -> str:
        """The address of Prometheus 3."""
        return self.prometheus.url

    def stop_prometheus(self, grace: float = 10.0) -> None:
        """Stop Prometheus; with ``grace`` 0 by SIGKILL."""
        self.prometheus.stop(grace)

    def start_prometheus(self) -> None:
        """Start it again, with the same address and data."""
        self.prometheus.start()

    def add_scrape_target(
        self,
        job: str,
        address: str,
        labels: Mapping[str, str] | None = None,
        interval: str | None = None,
        honor_labels: bool = False,
    ) -> None:
        """Let Prometheus scrape ``http://address/metrics``; ``instance`` is the job unless ``labels`` has it."""
        self.prometheus.add_scrape_target(ScrapeTarget(job, address, labels or {}, interval, honor_labels))

    def remove_scrape_target(self, job: str) -> None:
        """Stop scraping a job."""
        self.prometheus.remove_scrape_target(job)

    def backfill(self, openmetrics: Path) -> None:
        """Put an OpenMetrics file into Prometheus' data, which restarts it when it runs."""
        running = self.prometheus.ready()
        if running:
            self.prometheus.stop()
        self.prometheus.backfill(openmetrics)
        if running:
            self.prometheus.start()

    def remote_write(self, series: Iterable[remote_write.Series]) -> int:
        """Write samples into Prometheus, as old as 30 days; returns how many."""
        return self.prometheus.remote_write(series)

    def promtool(self, *arguments: str, cwd: Path | None = None) -> str:
        """What promtool prints; raises ``ClusterError`` when it fails."""
        return self.prometheus.promtool(*arguments, cwd=cwd)
