"""What a cluster by kind needs and how it is asked for, without an engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from localcluster import ClusterError
from node import builders, engines, images, kind

from e2e import platforms

ROOT = Path(__file__).resolve().parents[3]
MANIFESTS = ROOT / "tests" / "e2e" / "manifests"
Program = Callable[..., None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Program]:
    """Puts a shell script on an otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in (engines.PROVIDER, "BUILDER", "BASE", "BUILD_FLAGS", "OPSSIGHT_KIND_IMAGE"):
        monkeypatch.delenv(name, raising=False)

    def put(name: str, script: str = "exit 0") -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    engines.answers.cache_clear()
    yield put
    engines.answers.cache_clear()


def names() -> str:
    return "\n".join(one.name for one in engines.missing())


def test_on_a_bare_machine_kind_and_an_engine_are_missing_by_name(program: Program) -> None:
    assert names() == (
        "the program kind\na container engine that answers (docker info: there is no program docker; "
        "podman info: there is no program podman)"
    )


def test_an_engine_whose_server_does_not_answer_is_missing_with_what_it_said(program: Program) -> None:
    program("kind")
    program("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    assert "docker info: Cannot connect to the Docker daemon" in names()
    assert engines.engine() == ""


def test_podman_serves_where_docker_does_not_answer(program: Program) -> None:
    program("kind")
    program("docker", "exit 1")
    program("podman")
    assert engines.engine() == "podman" and names() == ""


def test_the_engine_that_kind_is_told_to_use_is_the_only_one_asked(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("docker")
    program("podman")
    assert engines.engine() == "docker"
    engines.answers.cache_clear()
    monkeypatch.setenv(engines.PROVIDER, "podman")
    assert engines.engine() == "podman"


def test_an_image_of_the_node_that_cannot_be_had_is_missing_by_name(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("kind")
    program("docker", 'case "$1" in info) exit 0 ;; pull) echo "no route to host" >&2 ;; esac; exit 1')
    assert names() == f"the image of the node {engines.NODE_IMAGE} (no route to host)"
    monkeypatch.setenv("OPSSIGHT_KIND_IMAGE", "mirror/node:1")
    assert names() == "the image of the node mirror/node:1 (no route to host)"


def test_the_command_names_what_is_missing_and_fails(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": str(tmp_path)}
    command = [sys.executable, "-m", "node.kind", "missing"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "missing: the program kind (go install sigs.k8s.io/kind@" in done.stdout


def test_the_node_is_pinned_by_digest() -> None:
    assert "@sha256:" in engines.NODE_IMAGE
    command = kind.create("x", engines.node_image({}), Path("/state/kubeconfig"))
    assert command[command.index("--image") + 1] == engines.NODE_IMAGE
    assert command[command.index("--kubeconfig") + 1] == "/state/kubeconfig"
    assert Path(command[command.index("--config") + 1]).is_file()


def test_the_tests_run_on_our_own_node_unless_kind_is_named() -> None:
    assert platforms.chosen({}).name == "node" and platforms.chosen({"OPSSIGHT_E2E_ON": "kind"}).name == "kind"
    with pytest.raises(ValueError, match="OPSSIGHT_E2E_ON is 'minikube'; it must be one of node, kind"):
        platforms.chosen({"OPSSIGHT_E2E_ON": "minikube"})


def test_what_a_platform_cannot_do_is_left_out_and_said_so() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/e2e"]
    on_kind = os.environ | {"OPSSIGHT_E2E_ON": "kind"}
    told = subprocess.run(command, cwd=ROOT, env=on_kind, capture_output=True, text=True, check=True).stdout
    left_out = [line for line in told.splitlines() if line.startswith("left out: ")]
    assert left_out and all("tests/e2e/test_node.py::" in line for line in left_out)
    assert all(line.endswith(": needs a node of our own") for line in left_out)
    assert "test_without_the_api_for_a_while" in told


def test_every_port_that_the_tests_ask_is_mapped() -> None:
    (node,) = yaml.safe_load(kind.CONFIG.read_text())["nodes"]
    mapped = {one["containerPort"] for one in node["extraPortMappings"]}
    services = [
        one
        for file in sorted(MANIFESTS.glob("*.yaml"))
        for one in yaml.safe_load_all(file.read_text())
        if one["kind"] == "Service"
    ]
    asked = {port["nodePort"] for one in services for port in one["spec"]["ports"]}
    assert len(services) == 2 and asked == mapped
    assert all(one["spec"]["type"] == "NodePort" for one in services)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("127.0.0.1:49153\n", "127.0.0.1:49153"),
        ("0.0.0.0:49153\n[::]:49153\n", "127.0.0.1:49153"),
        ("[::1]:1\n127.0.0.1:2\n", "127.0.0.1:2"),
    ],
)
def test_the_address_of_a_port_is_read_from_what_the_engine_prints(said: str, expected: str) -> None:
    assert kind.address(said) == expected


def test_a_port_that_is_not_mapped_is_said_so() -> None:
    with pytest.raises(ClusterError, match="the engine knows no address of this machine for the port: no answer"):
        kind.address("")


def test_images_for_kind_are_those_of_programs_and_both_versions_of_the_operator(program: Program) -> None:
    program("docker")
    found = [archive.image for archive in kind.archives()]
    assert found == [*kind.ON_IT, images.operator_image(), images.next_image()]


@pytest.mark.parametrize(
    ("name", "build", "save"),
    [
        (
            "buildah",
            ["buildah", "build", "--isolation", "chroot", "--network", "host", "--pull-never"],
            ["buildah", "push", "--quiet", "x:1", "docker-archive:/a.tar:x:1"],
        ),
        (
            "podman",
            ["podman", "build", "--pull-never"],
            ["podman", "save", "--quiet", "--format", "docker-archive", "--output", "/a.tar", "x:1"],
        ),
        ("docker", ["docker", "build", "--network", "host"], ["docker", "save", "--output", "/a.tar", "x:1"]),
    ],
)
def test_each_builder_is_asked_in_its_own_words(name: str, build: list[str], save: list[str]) -> None:
    builder = builders.Builder(name, flags="--network host" if name == "docker" else "")
    assert builder.build("x:1", Path("/context")) == [*build, "--tag", "x:1", "--file", "-", "/context"]
    assert builder.save("x:1", Path("/a.tar")) == save


def test_settings_choose_builder_and_base_as_for_make_image() -> None:
    plain = builders.of_engine("docker", {})
    assert plain.settings() == {"BUILDER": "docker", "BASE": "", "BUILD_FLAGS": ""}
    chosen = builders.of_engine("docker", {"BUILDER": "podman", "BASE": "mirror/python:3.11", "BUILD_FLAGS": "--x"})
    assert chosen.settings() == {"BUILDER": "podman", "BASE": "mirror/python:3.11", "BUILD_FLAGS": "--x"}
    assert builders.of_engine("docker", {"BUILDER": "buildah"}) == builders.our_own()


def test_another_builder_or_base_makes_another_archive() -> None:
    paths = {
        images.archives(builder)[-1].path
        for builder in (
            builders.our_own(),
            builders.Builder("docker"),
            builders.Builder("docker", "mirror/python:3.11"),
        )
    }
    assert len(paths) == 3
    assert len({path.name.split("-")[0] for path in paths}) == 2, "or builders would push out each other's archives"


def test_a_cluster_that_cannot_be_made_leaves_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program("docker")
    program("kind", f'echo "$*" >>{tmp_path}/asked; case "$1" in create) echo "no space" >&2; exit 1 ;; esac')
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ClusterError, match="no space"), kind.KindCluster():
        pass
    asked = [line.split()[:2] for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked == [["get", "clusters"], ["create", "cluster"], ["delete", "cluster"]]
    assert not list(tmp_path.glob("opssight-kind-*"))


def test_no_cluster_is_made_where_something_is_missing(program: Program) -> None:
    with pytest.raises(ClusterError, match=r"missing: the program kind \(go install .*; a container engine"):
        kind.KindCluster().start()


def test_a_cluster_of_that_name_that_is_there_already_is_left_alone(program: Program, tmp_path: Path) -> None:
    program("docker")
    program("kind", f'echo "$*" >>{tmp_path}/asked; echo opssight-e2e')
    with pytest.raises(ClusterError, match=r"opssight-e2e exists already: python -m node\.kind down"):
        kind.KindCluster().start()
    assert (tmp_path / "asked").read_text() == "get clusters\n"


def test_a_service_is_reached_by_the_port_that_the_engine_gave(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("docker", '[ "$1" != port ] || [ "$*" != "port opssight-e2e-control-plane 30090/tcp" ] || echo 127.0.0.1:1')
    program("kind")
    service = json.dumps({"spec": {"ports": [{"port": 9090, "nodePort": 30090}]}})
    monkeypatch.setattr(kind.KindCluster, "kubectl", lambda *_: service)
    with kind.KindCluster() as cluster:
        assert cluster.url_of("monitoring", "prometheus", 9090) == "http://127.0.0.1:1"


def test_the_api_server_is_stopped_by_its_static_pod_and_waited_for(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program("docker", f'echo "$*" >>{tmp_path}/asked')
    program("kind")
    answers = iter(["{}", "{}", None, None, "[-]etcd failed", "ok"])

    def kubectl(_: kind.KindCluster, *arguments: str, input: str | None = None) -> str:
        answer = next(answers)
        if answer is None:
            raise ClusterError("connection refused")
        return answer

    monkeypatch.setattr(kind.KindCluster, "kubectl", kubectl)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with kind.KindCluster() as cluster:
        cluster.stop_apiserver()
        cluster.start_apiserver()
    away, back = (line.split()[2:] for line in (tmp_path / "asked").read_text().splitlines()[-2:])
    assert away == ["mv", kind.MANIFEST, kind.PUT_ASIDE] and back == ["mv", kind.PUT_ASIDE, kind.MANIFEST]
    assert next(answers, "all were asked for") == "all were asked for"
