"""A node: control plane, containerd, kubelet, kube-proxy and CoreDNS, in namespaces of their own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localcluster.build import program
from localcluster.errors import ClusterError
from localcluster.supervision import Supervision

from . import cgroups, config, dns, keeper, network, preconditions, servers
from .addresses import NODE_NAME
from .controlplane import NodeControlPlane


@dataclass
class Node:
    """A context manager: ready on entry, gone without a trace after exit, or when this process dies by any death.

    ``state`` is an empty or missing directory, removed at the end; None: a temporary one. ``archives`` are images to
    load, and ``later`` those to load while other things go on, in this order; ``loaded`` waits for one of them.
    It moves the calling thread into the node's network, from where Services and pods can be reached, and nothing else;
    use it in the main thread, last.
    """

    archives: Iterable[Path] = ()
    state: Path | None = None
    say: Callable[[str], None] = lambda _: None
    later: Iterable[Path] = ()
    _began: float = field(default_factory=time.monotonic)
    _loading: dict[Path, Future[None]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    @classmethod
    def attach(cls, state: Path) -> Self:
        """A node that runs already; the calling thread moves into its network."""
        running = keeper.keeper_of(state)
        if running is None or not running.alive():
            raise ClusterError(f"no node runs with the state directory {state}")
        network.join(running.pid)
        node = cls(state=state)
        node._supervision = Supervision(state)
        node._control_plane = NodeControlPlane(node._supervision)
        return node

    def start(self) -> None:
        """Start everything and wait until the node is Ready and names are answered; on failure nothing is left."""
        if lacking := preconditions.missing():
            raise ClusterError("missing: " + "; ".join(f"{one.name} ({one.cure})" for one in lacking))
        self.state = self.state.resolve() if self.state else Path(tempfile.mkdtemp(prefix="opssight-node-"))
        if keeper.keeper_of(self.state) is not None:
            remove_remains(self.state)
        network.leave_for_a_new_one()
        self._supervision = Supervision.start(self.state, keeper.command(self.state))
        self._control_plane = NodeControlPlane(self._supervision)
        try:
            self._write_configuration()
            with ThreadPoolExecutor(2) as pool:
                parts = [pool.submit(self._start_containerd), pool.submit(self._start_control_plane)]
                for part in parts:
                    part.result()
            self._start_kubelet()
            dns.install(self._control_plane.api)
            self._wait("names to be answered", lambda: dns.ready(self._control_plane.api), ["kubelet"], 120)
            self._tell("names are answered")
        except BaseException:
            self.stop()
            raise

    def stop(self, keep_logs: bool = False) -> None:
        """End everything; returns when nothing is left."""
        assert self.state is not None
        if keep_logs:
            (self.state / keeper.KEEP_LOGS).touch()
        for loading in self._loading.values():
            loading.cancel()  # what is under way ends with its supervisor
        running = keeper.keeper_of(self.state)
        self._supervision.end(keep_logs)
        deadline = time.monotonic() + 60
        while running is not None and running.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not keep_logs:
            shutil.rmtree(self.state, ignore_errors=True)

    def detach(self) -> None:
        """Let the node outlive this process."""
        self._supervision.detach()

    # The way in

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator; it works inside the node's network."""
        return self._control_plane.pki.kubeconfig("admin")

    def api(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One call to the API server as administrator; raises ``http.HttpError`` with ``status`` and ``body``."""
        return self._control_plane.api.call(method, path, body, content_type)

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """What kubectl prints; raises ``ClusterError`` with its message when it fails."""
        return self._control_plane.kubectl(*arguments, input=input)

    def url_of(self, namespace: str, service: str, port: int) -> str:
        """Where the node, and who has moved into its network, reaches a Service."""
        address = self.kubectl("get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
        return f"http://{address}:{port}"

    def keep_folder(self, folder: Path, user: int) -> str:
        """Move a folder to where pods can mount it by ``hostPath``, owned by ``user``; its path there."""
        there = self._supervision.state / "volumes" / folder.name
        shutil.rmtree(there, ignore_errors=True)
        there.parent.mkdir(exist_ok=True)
        shutil.move(folder, there)
        for path in (there, *there.rglob("*")):
            os.chown(path, user, user)
        return str(there)

    def load(self, archive: Path) -> None:
        """Load the images of an archive."""
        began = time.monotonic()
        address = str(self._supervision.state / "containerd" / "sock")
        ctr = shutil.which("ctr") or "ctr"
        name = f"load-{archive.stem}"
        self._supervision.run(name, [ctr, "--address", address, "-n", "k8s.io", "images", "import", str(archive)])
        self._tell(f"{archive.name} is loaded, {time.monotonic() - began:.1f} s")

    def loaded(self, archive: Path) -> None:
        """Wait until an image of ``later`` is there; raises ``ClusterError`` when it could not be loaded."""
        if archive in self._loading:
            self._loading[archive].result()

    def log(self, server: str) -> Path:
        """The log of a server."""
        return self._supervision.log(server)

    # Faults

    def stop_apiserver(self) -> None:
        """Kill kube-apiserver; pods go on."""
        self._control_plane.stop_apiserver()

    def start_apiserver(self) -> None:
        """Start it again, with the same data."""
        self._control_plane.start_apiserver()

    # Parts of the start

    def _write_configuration(self) -> None:
        state, plugins = self._supervision.state, preconditions.cni_folder()
        assert plugins is not None
        files = {
            "containerd/config.toml": config.containerd(state, plugins),
            "cni/10-pods.conflist": config.network(state),
            "kubelet.json": config.kubelet(state, self._control_plane.pki, cgroups.name_of(state)),
            "resolv.conf": "",
        }
        for name, text in files.items():
            path = state / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def _start_containerd(self) -> None:
        state = self._supervision.state
        containerd, ctr = (shutil.which(name) or name for name in ("containerd", "ctr"))
        self._supervision.spawn("containerd", [containerd, "--config", str(state / "containerd" / "config.toml")])
        socket = state / "containerd" / "sock"
        self._wait("containerd to open", socket.exists, ["containerd"])
        self._supervision.run("containerd-version", [ctr, "--address", str(socket), "version"], 30)
        for archive in self.archives:
            self.load(archive)
        pool = ThreadPoolExecutor(1)
        self._loading = {archive: pool.submit(self.load, archive) for archive in self.later}
        pool.shutdown(wait=False)

    def _start_control_plane(self) -> None:
        self._control_plane.start()
        self._tell("kube-apiserver is ready")

    def _start_kubelet(self) -> None:
        state, pki = self._supervision.state, self._control_plane.pki
        kubelet = servers.kubelet(program("kubelet"), pki, state / "kubelet.json", state / "kubelet")
        self._supervision.spawn("kubelet", kubelet)
        self._supervision.spawn("kube-proxy", servers.kube_proxy(program("kube-proxy"), pki))
        self._wait("the node to be Ready", self.ready, ["kubelet", "kube-proxy", "containerd"])
        self._control_plane.wait_for_service_account()
        self._tell("the node is Ready")

    def ready(self) -> bool:
        """Whether Kubernetes calls the node Ready."""
        try:
            found = json.loads(self.kubectl("get", "node", NODE_NAME, "-o", "json"))
        except ClusterError:
            return False
        return any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"].get("conditions", []))

    def _wait(self, what: str, question: Callable[[], bool], names: list[str], seconds: float = 60.0) -> None:
        self._supervision.wait_for(what, question, names, seconds)

    def _tell(self, text: str) -> None:
        self.say(f"{time.monotonic() - self._began:5.1f} s  {text}")


def remove_remains(state: Path) -> None:
    """Remove what a node left whose keeper was killed; raises ``ClusterError`` when the node still runs."""
    running = keeper.keeper_of(state)
    if running is not None and running.alive():
        raise ClusterError(f"a node with the state directory {state} runs already")
    keeper.clean_up(state)
