"""The parts of the local cluster that decide something without a server."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import localcluster
import pytest
from localcluster import ClusterError, build, pki, servers, toolchain
from localcluster.components import COMPONENTS, providing, select
from localcluster.ports import free_ports
from localcluster.processes import Identity, tail
from localcluster.rulesync import sync, wanted_files
from localcluster.supervision import clean_up

SOURCES = sorted(Path(localcluster.__file__).parent.glob("*.py"))


def test_the_tool_stands_alone() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("opssight") for name in names), path.name


def test_a_cached_program_is_found_again_only_for_the_same_sources_flags_and_compiler() -> None:
    first = COMPONENTS[0]
    key = first.key("go1.26.8")
    assert key.startswith("controlplane-1.36.3-")
    assert key == first.key("go1.26.8")
    assert (
        len(
            {
                key,
                first.key("go1.27.0"),
                replace(first, ldflags="").key("go1.26.8"),
                replace(first, tags="x").key("go1.26.8"),
            }
        )
        == 4
    )
    assert [path.name for path in first.sources()] == ["go.mod", "go.sum", "main.go"]


def test_optional_components_are_built_when_named_and_unknown_ones_refused() -> None:
    assert "helm" not in [component.name for component in select()]
    assert "helm" in [component.name for component in select(["helm"])]
    known = "alertmanager, argocd, coredns, helm, kstatus, kube-router, kubeadm, node"
    with pytest.raises(ClusterError, match=f"'etcd'.*optional components are {known}"):
        select(["etcd"])


def test_feature_gates_are_one_flag_and_none_where_nothing_is_turned() -> None:
    assert servers.feature_gates({}) == []
    assert servers.feature_gates({"B": False, "A": True}) == ["--feature-gates=A=true,B=false"]


def test_a_missing_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPSSIGHT_LOCALCLUSTER_CACHE", str(tmp_path))
    said = "amtool is not built: run `python -m localcluster build --with alertmanager`"
    with pytest.raises(ClusterError, match=re.escape(said)):
        build.program("amtool")
    with pytest.raises(ClusterError, match="'vim' is not a program of the local cluster"):
        providing("vim")


def test_without_apt_the_old_prometheus_is_refused_loudly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSSIGHT_LOCALCLUSTER_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    old = providing("prometheus-old")
    monkeypatch.setattr(build, "select", lambda _: [old])
    build.build()
    assert (
        "NOT AVAILABLE. Whatever asks for it will fail.\nprometheus-old comes from a Debian package"
        in capfd.readouterr().err
    )
    with pytest.raises(ClusterError, match="prometheus-old is not built"):
        build.program("prometheus-old")


@pytest.mark.parametrize(
    ("said", "accepted"),
    [("go1.26.7", True), ("go1.27.0", True), ("go1.27", True), ("go1.26.6", False), ("go1.25.9", False), ("", False)],
)
def test_a_go_on_the_path_counts_when_it_is_new_enough(
    said: str, accepted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "go"
    fake.write_text(f"#!/bin/sh\necho {said}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    toolchain.on_path.cache_clear()
    try:
        found = toolchain.on_path()
        assert (found is not None and found.version == said) == accepted
        assert toolchain.version() == (said if accepted else f"go{toolchain.PACKAGED}")
    finally:
        toolchain.on_path.cache_clear()


def test_two_builds_wait_for_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPSSIGHT_LOCALCLUSTER_CACHE", str(tmp_path))
    program = "from localcluster.build import *\nwith one_at_a_time(Progress()): print('mine', flush=True)"
    with build.one_at_a_time(build.Progress()):
        command = [sys.executable, "-c", program]
        second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert f"waiting for another build (pid {os.getpid()})" in second.stderr.readline()
        assert second.poll() is None
    said, _ = second.communicate(timeout=10)
    assert said == "mine\n"


def test_rule_files_are_those_of_all_config_maps_and_no_others(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "gone.yaml").write_text("old")
    maps = {"items": [{"data": {"a.yaml": "1"}}, {"data": {"b.yaml": "2", "../evil.yaml": "3"}}, {}]}
    assert wanted_files(maps) == {"a.yaml": "1", "b.yaml": "2"}
    assert sync(wanted_files(maps), rules)
    assert {path.name: path.read_text() for path in rules.iterdir()} == {"a.yaml": "1", "b.yaml": "2"}
    assert not sync(wanted_files(maps), rules)
    assert sync({}, rules)
    assert list(rules.iterdir()) == []


def test_a_pid_that_was_given_to_another_process_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        own = Identity.of(other.pid)
        assert own is not None
        assert own.alive()
        (tmp_path / "processes.json").write_text(f"[[{other.pid}, {own.started - 1}]]")
        assert clean_up(tmp_path) == 0
        assert other.poll() is None
        tmp_path.mkdir(exist_ok=True)
        (tmp_path / "processes.json").write_text(f"[[{other.pid}, {own.started}]]")
        assert clean_up(tmp_path) == 1
        assert other.wait(5) == -9
    assert not tmp_path.exists()


def test_ports_are_free_and_different() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(20_000 <= port < 32_000 for port in ports)


def test_keys_and_kubeconfigs_are_for_their_owner_alone(tmp_path: Path) -> None:
    made = pki.create(tmp_path / "pki", "https://127.0.0.1:1")
    for path in (made.key("admin"), made.key("server"), made.service_account_key, made.kubeconfig("admin")):
        assert path.stat().st_mode & 0o077 == 0
    assert made.folder.stat().st_mode & 0o077 == 0


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{number}\n" for number in range(100_000)))
    assert tail(tmp_path / "log", 2) == "99998\n99999"
    assert tail(tmp_path / "none") == ""
