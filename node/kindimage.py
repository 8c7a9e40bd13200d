"""``python -m node.kindimage``: the image of a node for kind, made where none can be pulled; it prints the name.

Debian packages, programs that Go builds, and, from kind's own Go module, what its image starts by. Needs root and the
network; ``OPSSIGHT_KIND_IMAGE`` is how ``make e2e-kind`` is told of it.
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
from collections.abc import Mapping
from pathlib import Path

from localcluster import build as programs
from localcluster.build import folder, one_at_a_time, program
from localcluster.components import KUBERNETES, providing
from localcluster.errors import ClusterError
from localcluster.toolchain import find

from . import engines
from .builders import Builder
from .images import digest, run
from .preconditions import Precondition

HERE = Path(__file__).with_name("kindnode")
NAME = f"localhost/opssight-kind-node:v{KUBERNETES}"
BASE = "localhost/opssight-kind-base"
ROUTER = "localhost/kube-router:1"
PAUSE = "registry.k8s.io/pause:3.10"
"""The name that kind's configuration of containerd has for it."""
COMPONENTS = ("node", "coredns", "kubeadm", "kube-router")
PACKAGES = (
    *("systemd", "containerd", "runc", "containernetworking-plugins", "iptables", "ipset", "nftables", "conntrack"),
    *("iproute2", "ethtool", "kmod", "mount", "e2fsprogs", "ca-certificates", "jq", "procps", "hostname"),
)
NOT_NEEDED = (
    *("var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/man/*"),
    "usr/lib/sysctl.d/*.conf",  # they would be set for the whole machine
)
OF_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "etcd")
WITH_TABLES = ("kube-proxy", "kube-scheduler")
"""Of one program, of which kube-proxy calls iptables."""


def missing() -> list[Precondition]:
    """What this machine lacks for it."""
    engine = f"a container engine that answers ({'; '.join(f'{k}: {v}' for k, v in engines.answers().items())})"
    wanted = [
        Precondition("root", "run it as root: debootstrap makes device files", lambda: os.geteuid() == 0),
        Precondition("debootstrap", "apt-get install debootstrap", lambda: shutil.which("debootstrap") is not None),
        Precondition(engine, "start Docker, or podman", lambda: bool(engines.engine())),
    ]
    return [one for one in wanted if not one.holds()]


def kinds_files() -> Path:
    """What kind puts into its own image, from its Go module."""
    go = find(lambda _: None)
    command = [go.go, "mod", "download", "-json", f"sigs.k8s.io/kind@{engines.KIND}"]
    done = subprocess.run(command, env=go.environment(), cwd="/", capture_output=True, text=True, check=False)
    told: dict[str, str] = json.loads(done.stdout or "{}")
    if "Dir" not in told:
        raise ClusterError(f"the Go module of kind {engines.KIND}: {told.get('Error') or done.stderr.strip()}")
    return Path(told["Dir"]) / "images" / "base" / "files"


def wanted_images(said: str) -> dict[str, str]:
    """The image of each program, from what ``kubeadm config images list`` prints; ``pause`` as kind names it."""
    found = {image.rpartition(":")[0].rpartition("/")[2]: image for image in said.split()}
    lacking = {*OF_CONTROL_PLANE, *WITH_TABLES, "coredns"} - found.keys()
    if lacking:
        raise ClusterError(f"kubeadm names no image of {', '.join(sorted(lacking))}: {said.strip() or 'nothing'}")
    return found | {"pause": PAUSE}


class Making:
    """One run: ``builder`` is the engine, ``work`` a folder for what it is given."""

    def __init__(self, builder: Builder, work: Path) -> None:
        self.builder, self.work, self.began = builder, work, time.monotonic()

    def say(self, what: str) -> None:
        """Progress, for a person."""
        print(f"{time.monotonic() - self.began:5.0f} s  {what}", file=sys.stderr, flush=True)

    def base(self) -> str:
        """Debian with what a node needs of it, kept in the engine; the name."""
        name = f"{BASE}:{digest(*PACKAGES, *NOT_NEEDED)[:12]}"
        if engines.said(self.builder.name, "image", "inspect", name)[0] == 0:
            return name
        root, archive = self.work / "root", self.work / "root.tar"
        run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(root))
        for pattern in NOT_NEEDED:
            for path in root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        run("tar", "--directory", str(root), "--create", "--file", str(archive), ".")
        run(self.builder.name, "import", str(archive), name)
        shutil.rmtree(root)
        archive.unlink()
        self.say("Debian is imported")
        return name

    def build(self, name: str, context: Path, text: str, **arguments: str) -> None:
        """Build an image of a Dockerfile."""
        chosen = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        command = self.builder.build(name, context)
        run(*command[:-1], *chosen, command[-1], input=text)

    def program_images(self, base: str) -> list[str]:
        """Build the images of a control plane, with the names that kubeadm has for them; the names."""
        listed = run(str(program("kubeadm")), "config", "images", "list", f"--kubernetes-version=v{KUBERNETES}")
        names = wanted_images(listed)
        alone = 'FROM scratch\nCOPY {0} /usr/local/bin/\nENV PATH=/usr/local/bin\nENTRYPOINT ["{1}"]\n'
        for name in OF_CONTROL_PLANE:  # one layer, and one program
            self.build(names[name], folder(providing(name)), alone.format(".", name))
        self.build(names["coredns"], folder(providing("coredns")), alone.format("coredns", "coredns"))
        self.build(names["pause"], folder(providing("pause")), alone.format("pause", "pause"))
        both = self.work / "programs"
        for name in ("kube-proxy", "kube-router"):
            shutil.copytree(folder(providing(name)), both, symlinks=True, dirs_exist_ok=True)
        text = (HERE / "programs.Dockerfile").read_text()
        for image in (*(names[name] for name in WITH_TABLES), ROUTER):
            self.build(image, both, text, BASE=base)
        return [names[name] for name in (*OF_CONTROL_PLANE, *WITH_TABLES, "coredns", "pause")] + [ROUTER]

    def node(self, name: str, base: str, kind: Path, images: list[str]) -> None:
        """Build the image of the node."""
        context = self.work / "node"
        shutil.copytree(kind, context / "kind", copy_function=shutil.copyfile)
        for source in ("kubelet", "kubeadm", "kubectl"):
            where = folder(providing(source))
            shutil.copytree(where, context / "bin", symlinks=True, dirs_exist_ok=True)
        manifest = (HERE / "default-cni.yaml").read_text().replace("$ROUTER", ROUTER)
        for path, text in {
            "kind/version": f"v{KUBERNETES}",
            "kind/manifests/default-cni.yaml": manifest,
            "etc/cni/net.d/10-pods.conflist": (HERE / "10-pods.conflist").read_text(),
        }.items():
            (context / "own" / path).parent.mkdir(parents=True, exist_ok=True)
            (context / "own" / path).write_text(text)
        run(*self.builder.save_together(images, context / "images.tar"))
        self.say("the images of the control plane are built")
        self.build(name, context, (HERE / "node.Dockerfile").read_text(), BASE=base)


def make(name: str, environment: Mapping[str, str]) -> None:
    """Make the image under a name, in the engine that kind uses."""
    if lacking := missing():
        raise ClusterError("missing: " + "; ".join(f"{one.name} ({one.cure})" for one in lacking))
    programs.build(COMPONENTS)
    folder_of_work = tempfile.TemporaryDirectory(prefix="opssight-kind-image-", dir="/var/tmp")
    with one_at_a_time(programs.Progress()), folder_of_work as work:
        making = Making(Builder(engines.engine(), flags=environment.get("BUILD_FLAGS", "")), Path(work))
        base = making.base()
        making.node(name, base, kinds_files(), making.program_images(base))
        making.say(f"{name} is in {making.builder.name}")


def main() -> int:
    """Make it; exit status 1 with a message when it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m node.kindimage", description=__doc__)
    parser.add_argument("name", nargs="?", default=NAME)
    chosen = parser.parse_args()
    try:
        make(chosen.name, os.environ)
    except ClusterError as problem:
        print(f"node.kindimage: {problem}", file=sys.stderr)
        return 1
    print(chosen.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
