"""What a node is made of, without starting one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from localcluster import ClusterError
from localcluster.pki import Pki
from node import cgroups, config, dns, images, preconditions, servers
from node.addresses import API_PORT, NODE_IP
from node.builders import our_own
from node.node import Node

STATE = Path("/state")
PKI = Pki(STATE / "pki")


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lacking = {one.name: one.cure for one in preconditions.missing()}
    assert lacking["containerd"] == "apt-get install containerd"
    assert lacking["ip"] == "apt-get install iproute2"
    assert set(preconditions.PACKAGES) <= set(lacking)


def test_a_program_that_is_there_is_not_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "runc").write_text("#!/bin/sh\n")
    (tmp_path / "runc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    lacking = {one.name for one in preconditions.missing()}
    assert "runc" not in lacking and "buildah" in lacking


def test_network_plugins_count_only_when_all_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preconditions, "CNI_FOLDERS", (tmp_path,))
    (tmp_path / "bridge").touch()
    assert preconditions.cni_folder() is None
    for plugin in preconditions.CNI_PLUGINS:
        (tmp_path / plugin).touch()
    assert preconditions.cni_folder() == tmp_path


def test_a_node_does_not_start_where_something_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"missing: .*runc \(apt-get install runc\)"):
        Node(state=tmp_path / "state").start()
    assert not (tmp_path / "state").exists()


def test_the_configuration_of_containerd_is_toml_and_stays_in_the_state_directory() -> None:
    parsed = tomllib.loads(config.containerd(STATE, Path("/plugins")))
    assert all(parsed[key].startswith("/state/") for key in ("root", "state"))
    cri = parsed["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] in images.PROGRAMS
    assert cri["restrict_oom_score_adj"] is True


def test_kubelet_asks_the_name_server_that_is_installed() -> None:
    parsed = json.loads(config.kubelet(STATE, PKI, cgroups.name_of(STATE)))
    (service,) = [body for path, body in dns.manifests() if path.endswith("/services")]
    assert parsed["clusterDNS"] == [service["spec"]["clusterIP"]]
    assert parsed["cgroupRoot"] == "/" + cgroups.name_of(STATE)


def test_two_nodes_have_two_cgroups() -> None:
    assert cgroups.name_of(Path("/a")) != cgroups.name_of(Path("/b"))


def test_pods_are_told_an_address_of_the_api_server_that_they_can_reach() -> None:
    command = servers.kube_apiserver(Path("kube-apiserver"), PKI)
    assert f"--advertise-address={NODE_IP}" in command and f"--secure-port={API_PORT}" in command
    assert not [word for word in command if word.startswith("--endpoint-reconciler-type")]


def test_an_image_is_another_when_its_inputs_are() -> None:
    first = images.Archive("localhost/a:1", "0" * 64, lambda: None, our_own())
    second = images.Archive("localhost/a:1", "1" * 64, lambda: None, our_own())
    assert first.path != second.path and first.path.parent == second.path.parent


def test_every_image_has_its_own_archive() -> None:
    paths = [archive.path for archive in images.archives()]
    assert len(set(paths)) == len(paths) == len(images.PROGRAMS) + 2
