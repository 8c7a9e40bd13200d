"""The quickstart, command by command, with the operator beside the API server in place of its pod."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from localcluster import Cluster, Options

from component.operator_process import OperatorProcess, eventually
from component.test_docs_commands import Shell
from pages import ROOT, blocks_of

BLOCKS = list(blocks_of(ROOT / "docs" / "quickstart.md"))
THEIR_PROMETHEUS = "http://prometheus-operated.monitoring:9090"


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    with Cluster(options=Options(history_days=2.0)) as cluster:
        yield cluster


def test_every_command_of_the_quickstart_does_what_it_says(own_cluster: Cluster, tmp_path: Path) -> None:
    shell = Shell(own_cluster, tmp_path)
    assert {block.kind for block in BLOCKS} == {"sh", "yaml", "promql"}
    install = next(block for block in BLOCKS if block.kind == "sh").commands()[0]
    assert install.startswith("helm install")
    shell.run(install)
    replica = OperatorProcess(own_cluster, tmp_path).start()
    scraped_as_the_chart_says(own_cluster, replica)
    try:
        eventually("it leads", replica.leads, 60)
        for block in BLOCKS:
            if block.kind == "yaml":
                assert THEIR_PROMETHEUS in block.text or "MetricsSource" not in block.text
                manifest = tmp_path / "block.yaml"
                manifest.write_text(block.text.replace(THEIR_PROMETHEUS, own_cluster.prometheus_url))
                shell.run("kubectl apply --server-side --validate=strict -f block.yaml")
            elif block.kind == "promql":
                text = block.text.strip()
                eventually("the scores are there", lambda text=text: own_cluster.prometheus.query(text))
            else:
                for command in block.commands():
                    if command != install:
                        shell.run(command)
    finally:
        replica.end()


def scraped_as_the_chart_says(cluster: Cluster, replica: OperatorProcess) -> None:
    """What prometheus-operator would make of the ServiceMonitor, as no pod of ours runs here."""
    text = cluster.kubectl("get", "servicemonitor", "opssight-operator", "-n", "opssight-system", "-o", "json")
    monitor = json.loads(text)
    assert monitor["metadata"]["labels"]["release"] == "monitoring"
    (endpoint,) = monitor["spec"]["endpoints"]
    honor = endpoint["honorLabels"]
    address = f"127.0.0.1:{replica.metrics_port}"
    cluster.add_scrape_target("opssight", address, {"namespace": "opssight-system"}, "1s", honor_labels=honor)
