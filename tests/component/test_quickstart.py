"""The quickstart, command by command, with the operator beside the API server in place of its pod."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from localcluster import Cluster, Options

from component.operator_process import OperatorProcess, eventually
from component.test_docs_commands import FENCE, ROOT, Shell

PAGE = (ROOT / "docs" / "quickstart.md").read_text()
THEIR_PROMETHEUS = "http://prometheus-operated.monitoring:9090"


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    with Cluster(options=Options(history_days=2.0)) as cluster:
        yield cluster


def test_every_command_of_the_quickstart_does_what_it_says(own_cluster: Cluster, tmp_path: Path) -> None:
    shell = Shell(own_cluster, tmp_path)
    blocks = [(found["kind"], found["text"]) for found in FENCE.finditer(PAGE)]
    assert {kind for kind, _ in blocks} == {"sh", "yaml"}
    commands = [line for kind, text in blocks if kind == "sh" for line in text.strip().splitlines()]
    assert commands[0].startswith("helm install")
    shell.run(commands[0])
    replica = OperatorProcess(own_cluster, tmp_path).start()
    try:
        eventually("it leads", replica.leads, 60)
        for kind, text in blocks:
            if kind == "yaml":
                assert THEIR_PROMETHEUS in text or "MetricsSource" not in text
                manifest = tmp_path / "block.yaml"
                manifest.write_text(text.replace(THEIR_PROMETHEUS, own_cluster.prometheus_url))
                shell.run("kubectl apply --server-side --validate=strict -f block.yaml")
                continue
            for command in text.strip().splitlines():
                if command != commands[0]:
                    shell.run(command)
    finally:
        replica.end()
