"""How the image of a node for kind is asked of an engine, without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from localcluster import ClusterError
from localcluster.components import COMPONENTS, KUBERNETES, providing
from localcluster.toolchain import Toolchain
from node import builders, engines, kindimage

LISTED = """registry.k8s.io/kube-apiserver:v1.36.3
registry.k8s.io/kube-controller-manager:v1.36.3
registry.k8s.io/kube-scheduler:v1.36.3
registry.k8s.io/kube-proxy:v1.36.3
registry.k8s.io/coredns/coredns:v1.14.2
registry.k8s.io/pause:3.10.2
registry.k8s.io/etcd:3.6.8-0
"""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A docker that has no image; the file with what it was asked, and what it was told on standard input."""
    folder = tmp_path / "path"
    folder.mkdir()
    script = folder / "docker"
    asked = tmp_path / "asked"
    script.write_text(
        f'#!/bin/sh\necho "$*" >>{asked}\ncase "$1" in build) /bin/cat >>{asked} ;; image) exit 1 ;; esac\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(engines.PROVIDER, raising=False)
    engines.answers.cache_clear()
    yield asked
    engines.answers.cache_clear()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Programs as if they were built."""
    for component in COMPONENTS:
        (tmp_path / component.name).mkdir()
        for name in component.programs:
            (tmp_path / component.name / name).write_text(f"#!/bin/sh\necho '{LISTED}'\n")
            (tmp_path / component.name / name).chmod(0o755)
        for name, target in component.aliases.items():
            (tmp_path / component.name / name).symlink_to(target)
    monkeypatch.setattr(kindimage, "folder", lambda component: tmp_path / component.name)
    monkeypatch.setattr(kindimage, "program", lambda name: tmp_path / providing(name).name / name)


def test_what_is_missing_has_a_name(monkeypatch: pytest.MonkeyPatch, engine: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [one.name for one in kindimage.missing()] == ["root", "debootstrap"]
    (engine.parent / "path" / "docker").unlink()
    engines.answers.cache_clear()
    assert "a container engine that answers (docker: there is no program docker" in kindimage.missing()[-1].name
    with pytest.raises(ClusterError, match=r"missing: root \(run it as root.*; debootstrap \(apt-get install"):
        kindimage.make("x", {})


def test_each_program_has_the_name_that_kubeadm_and_kind_ask_for() -> None:
    names = kindimage.wanted_images(LISTED)
    assert names["kube-proxy"] == "registry.k8s.io/kube-proxy:v1.36.3"
    assert names["coredns"] == "registry.k8s.io/coredns/coredns:v1.14.2"
    assert names["pause"] == kindimage.PAUSE, "containerd asks for it, by the configuration of kind"
    with pytest.raises(ClusterError, match="no image of coredns, etcd, kube-apiserver"):
        kindimage.wanted_images("registry.k8s.io/kube-proxy:v1\nregistry.k8s.io/kube-scheduler:v1\n")


def test_a_module_of_kind_that_cannot_be_had_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    go = tmp_path / "go"
    monkeypatch.setattr(kindimage, "find", lambda _: Toolchain(str(go), "go1"))
    go.write_text(f"#!/bin/sh\necho '{json.dumps({'Error': 'not available'})}'; exit 1\n")
    go.chmod(0o755)
    with pytest.raises(ClusterError, match=rf"the Go module of kind {engines.KIND}: not available"):
        kindimage.kinds_files()
    go.write_text(f"#!/bin/sh\necho '{json.dumps({'Dir': '/modules/kind'})}'\n")
    assert kindimage.kinds_files() == Path("/modules/kind/images/base/files")


def test_debian_is_imported_without_what_a_node_does_not_need(engine: Path, tmp_path: Path) -> None:
    folder = engine.parent / "path"
    make = "/bin/mkdir -p $4/usr/share/doc/a $4/usr/lib/sysctl.d $4/etc; /bin/ln -s a $4/usr/share/doc/b"
    for name, script in {
        "debootstrap": f"{make}; echo >$4/usr/lib/sysctl.d/1.conf; echo >$4/etc/kept",
        "tar": f"cd $2; /usr/bin/find . >{tmp_path}/packed; echo >$5",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    name = kindimage.Making(builders.Builder("docker"), work).base()
    assert engine.read_text().splitlines()[-1] == f"import {work}/root.tar {name}"
    packed = set((tmp_path / "packed").read_text().split())
    assert "./etc/kept" in packed and not packed & {
        "./usr/share/doc/a",
        "./usr/share/doc/b",
        "./usr/lib/sysctl.d/1.conf",
    }
    assert not list(work.iterdir()), "or it would be given to the engine once more"


def test_the_images_of_a_node_are_built_and_put_into_it(engine: Path, built: None, tmp_path: Path) -> None:
    kind, work = tmp_path / "of kind", tmp_path / "work"
    kind.mkdir()
    work.mkdir()
    making = kindimage.Making(builders.Builder("docker", flags="--network host"), work)
    images = making.program_images("base:1")
    assert set(images) == {*kindimage.wanted_images(LISTED).values(), kindimage.ROUTER}
    making.node("node:1", "base:1", kind, images)
    asked = engine.read_text()
    assert "--tag registry.k8s.io/kube-proxy:v1.36.3 --file - --build-arg BASE=base:1" in asked
    assert f"save --output {work}/node/images.tar {' '.join(images)}" in asked
    assert f"build --network host --tag node:1 --file - --build-arg BASE=base:1 {work}/node" in asked
    own = work / "node" / "own"
    assert (own / "kind" / "version").read_text() == f"v{KUBERNETES}", "kind reads one line"
    *_, daemons = yaml.safe_load_all((own / "kind/manifests/default-cni.yaml").read_text())
    assert daemons["spec"]["template"]["spec"]["containers"][0]["image"] == kindimage.ROUTER
    assert json.loads((own / "etc/cni/net.d/10-pods.conflist").read_text())["plugins"][0]["type"] == "ptp"
    programs = {path.name for path in (work / "node" / "bin").iterdir()}
    assert {"kubelet", "kubeadm", "kubectl", "node", "controlplane"} <= programs


def test_images_that_share_layers_are_saved_together() -> None:
    saved = builders.Builder("docker").save_together(["a:1", "b:1"], Path("/x.tar"))
    assert saved == ["docker", "save", "--output", "/x.tar", "a:1", "b:1"]
    saved = builders.Builder("podman").save_together(["a:1", "b:1"], Path("/x.tar"))
    assert saved[:5] == ["podman", "save", "--quiet", "--format", "docker-archive"]
    assert saved[5:] == ["--multi-image-archive", "--output", "/x.tar", "a:1", "b:1"]
