"""The walk through docs/: every command is run and every YAML is given to Kubernetes or Helm, page after page."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster import Cluster
from localcluster.build import program

from opssight_operator.adapters.telemetry import Telemetry
from opssight_operator.core.conventions import RESOURCE_GAUGES
from pages import ROOT, Block, blocks_of

PAGES = ("install.md", "security.md", "gitops.md", "pattern-reports.md", "operations.md")  # as a new user reads them
PARTS = "settings|rbac|crds|leaderElection|networkPolicy|prometheusRule|serviceMonitor|patternReports|dashboards"
VALUE = re.compile(rf"`((?:{PARTS})\.[\w.]+)`")
ELSEWHERE = {"make", "podman", "kind", "cosign", "sed", "kubectl", "helm", "velero"}


BLOCKS = [block for page in PAGES for block in blocks_of(ROOT / "docs" / page)]


class Shell:
    """A user's shell in the root of the repository, with helm and kubectl on the path."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.folder = folder
        tools = folder / "bin"
        tools.mkdir()
        for name in ("helm", "kubectl"):
            (tools / name).symlink_to(program(name))
        for name in ("charts", "crds", "deploy", "examples"):
            (folder / name).symlink_to(ROOT / name)
        self._environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KUBECONFIG": str(cluster.kubeconfig),
            "HOME": str(folder),
        }

    def run(self, command: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Cluster() as cluster:
        yield Shell(cluster, tmp_path_factory.mktemp("walk"))


def test_the_walk_through_the_pages_works_as_written(shell: Shell) -> None:
    # The first values stand behind the command that uses them.
    first = next(block for block in BLOCKS if block.values)
    (shell.folder / "values.yaml").write_text(first.text)
    shell.run("kubectl create namespace shop")  # as the quickstart has it
    for block in BLOCKS:
        if block.why is not None:
            continue
        if block.kind == "sh":
            for command in block.commands():
                shell.run(command)
        elif block.values:
            (shell.folder / "block.yaml").write_text(block.text)
            shell.run("helm template x charts/opssight-operator --values block.yaml")
        elif block.kind == "yaml":
            (shell.folder / "block.yaml").write_text(block.text)
            shell.run("kubectl apply --server-side --validate=strict -f block.yaml")


def test_no_block_is_of_a_kind_that_nobody_checks() -> None:
    assert {block.kind for block in BLOCKS} == {"sh", "yaml", "promql"}
    left_out = [yaml.safe_load(block.text) for block in BLOCKS if block.kind == "yaml" and block.why]
    assert {document["kind"] for document in left_out} <= {"Application"}, "kinds that this cluster does not have"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.why], ids=lambda b: f"{b.page}: {b.why}")
def test_a_block_that_is_not_run_says_what_it_needs(block: Block) -> None:
    assert len(block.why or "") > 10
    if block.kind == "sh":
        assert {command.split()[0] for command in block.commands()} <= ELSEWHERE


def test_every_alert_has_its_section_where_the_runbook_address_points_to() -> None:
    file = yaml.safe_load((ROOT / "charts" / "opssight-operator" / "files" / "alerts.yaml").read_text())
    alerts = {rule["alert"] for group in file["groups"] for rule in group["rules"]}
    sections = set(re.findall(r"^### (OpsSight\w+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    assert sections == alerts


def test_every_metric_is_on_the_page_and_the_page_names_no_other() -> None:
    named = set(re.findall(r"`(opssight_\w+)`", (ROOT / "docs" / "operations.md").read_text()))
    suffix = {"counter": "_total", "info": "_info"}
    own = {family.name + suffix.get(family.type, "") for family in Telemetry().registry.collect()}
    assert named == {name for name in own if name.startswith("opssight_")} | {name for name, _ in RESOURCE_GAUGES}


def test_settings_and_values_on_the_pages_exist() -> None:
    schema: dict[str, Any] = yaml.safe_load((ROOT / "charts" / "opssight-operator" / "values.schema.json").read_text())
    for page in PAGES:
        for path in VALUE.findall((ROOT / "docs" / page).read_text()):
            node = schema
            for step in path.split("."):
                assert step in node["properties"], f"{page}: {path}"
                node = node["properties"][step]
