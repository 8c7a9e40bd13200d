"""``python -m node.kind missing | images | down``: a cluster by kind, for what a node of ours is used for otherwise.

It is a container of Docker or podman, so it runs where ours cannot: with cgroup v2, without root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from localcluster import build as programs
from localcluster.build import program
from localcluster.errors import ClusterError

from . import builders, engines, images

CONFIG = Path(__file__).with_name("kind.yaml")
NAME = "opssight-e2e"
VOLUMES = "/var/lib/opssight-volumes"
MANIFEST, PUT_ASIDE = "/etc/kubernetes/manifests/kube-apiserver.yaml", "/etc/kubernetes/kube-apiserver.yaml"
ON_IT = (images.PROMETHEUS, images.PROMETHEUS_OPERATOR, images.RELOADER)
"""The images of programs that it is given; its own come with the node."""


def archives() -> list[images.Archive]:
    """Everything that the whole product needs there, built by the engine."""
    return images.archives(builders.of_engine(engines.engine(), os.environ), ON_IT)


def node_of(name: str) -> str:
    """The container that is the node."""
    return f"{name}-control-plane"


def create(name: str, image: str, kubeconfig: Path) -> list[str]:
    """The command that makes the cluster."""
    where = ["--name", name, "--kubeconfig", str(kubeconfig)]
    return ["kind", "create", "cluster", *where, "--config", str(CONFIG), "--image", image, "--wait", "180s"]


def address(said: str) -> str:
    """``host:port`` of what ``docker port`` prints, one line for each family of addresses."""
    for line in said.split():
        host, _, port = line.rpartition(":")
        if port.isdecimal() and not host.startswith("["):
            return f"{'127.0.0.1' if host in ('', '0.0.0.0') else host}:{port}"  # noqa: S104
    raise ClusterError(f"the engine knows no address of this machine for the port: {said.strip() or 'no answer'}")


@dataclass
class KindCluster:
    """A context manager: ready with its images on entry, deleted after exit.

    A process that dies by ``kill -9`` leaves it; ``python -m node.kind down`` deletes it then.
    """

    archives: Iterable[Path] = ()
    name: str = NAME
    say: Callable[[str], None] = lambda _: None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Make the cluster and load the images; on failure nothing is left."""
        if lacking := engines.missing():
            raise ClusterError("missing: " + "; ".join(f"{one.name} ({one.cure})" for one in lacking))
        self._engine = engines.engine()
        self.state = Path(tempfile.mkdtemp(prefix="opssight-kind-"))
        if self.name in self._kind("get", "clusters").split():
            shutil.rmtree(self.state)
            raise ClusterError(f"a kind cluster {self.name} exists already: python -m node.kind down deletes it")
        try:
            self._run(*create(self.name, engines.node_image(os.environ), self.kubeconfig))
            self.say(f"kind has made {self.name} in {self._engine}")
            for archive in self.archives:
                self._kind("load", "image-archive", str(archive), "--name", self.name)
                self.say(f"{archive.name} is loaded")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Delete it."""
        self._kind("delete", "cluster", "--name", self.name, "--kubeconfig", str(self.kubeconfig))
        shutil.rmtree(self.state, ignore_errors=True)

    # The way in

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator; the user's own is left alone."""
        return self.state / "kubeconfig"

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """What kubectl prints; raises ``ClusterError`` with its message when it fails."""
        own = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.state), "PATH": "/usr/bin:/bin"}
        return self._run(str(program("kubectl")), *arguments, input=input, environment=own)

    def url_of(self, namespace: str, service: str, port: int) -> str:
        """Where this machine reaches a Service of type NodePort whose port ``kind.yaml`` maps."""
        found = json.loads(self.kubectl("get", "service", service, "-n", namespace, "-o", "json"))
        ports = {one["port"]: one["nodePort"] for one in found["spec"]["ports"] if "nodePort" in one}
        return f"http://{address(self._run(self._engine, 'port', node_of(self.name), f'{ports[port]}/tcp'))}"

    def keep_folder(self, folder: Path, user: int) -> str:
        """Copy a folder to where pods can mount it by ``hostPath``, owned by ``user``; its path there."""
        node, there = node_of(self.name), f"{VOLUMES}/{folder.name}"
        self._inside("mkdir", "-p", there)
        self._run(self._engine, "cp", f"{folder}/.", f"{node}:{there}")
        self._inside("chown", "-R", f"{user}:{user}", there)
        return there

    def loaded(self, archive: Path) -> None:
        """All were loaded at the start."""

    # Faults

    def stop_apiserver(self) -> None:
        """Take the static pod of kube-apiserver from kubelet and wait until nobody answers; other pods go on."""
        self._inside("mv", MANIFEST, PUT_ASIDE)
        self._until("kube-apiserver to end", lambda: self._answer("/version") is None, 90)

    def start_apiserver(self) -> None:
        """Give it back, with the same data."""
        self._inside("mv", PUT_ASIDE, MANIFEST)
        self._until("kube-apiserver to be ready", lambda: self._answer("/readyz") == "ok", 180)

    def _answer(self, path: str) -> str | None:
        try:
            return self.kubectl("get", "--raw", path, "--request-timeout=5s")
        except ClusterError:
            return None

    def _until(self, what: str, question: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not question():
            if time.monotonic() > deadline:
                raise ClusterError(f"waited {seconds:.0f} s for {what}")
            time.sleep(1)

    # Commands

    def _inside(self, *command: str) -> str:
        return self._run(self._engine, "exec", node_of(self.name), *command)

    def _kind(self, *arguments: str) -> str:
        return self._run("kind", *arguments)

    def _run(self, *command: str, input: str | None = None, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            env=environment or os.environ | {engines.PROVIDER: self._engine},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ClusterError(f"{' '.join(command[:4])}: {(done.stderr or done.stdout).strip()[-3000:]}")
        return done.stdout


def missing() -> int:
    """0 when nothing is missing; else each thing by name, and 1."""
    lacking = engines.missing()
    for one in lacking:
        print(f"missing: {one.name} ({one.cure})")
    return 1 if lacking else 0


def main() -> int:
    """Run one command; exit status 1 with a message when it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m node.kind", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("missing", help="name what this machine lacks; exit status 1 if anything")
    commands.add_parser("images", help="build the images that are missing")
    commands.add_parser("down", help="delete the cluster that a crash left")
    try:
        match parser.parse_args().command:
            case "missing":
                return missing()
            case "images":
                programs.build(["helm"])
                images.build(lambda text: print(text, file=sys.stderr, flush=True), archives())
            case "down":
                print(subprocess.run(["kind", "delete", "cluster", "--name", NAME], check=False).returncode)
    except ClusterError as problem:
        print(f"node.kind: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
