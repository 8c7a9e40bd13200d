"""The manifests of examples/ on the real servers: Kubernetes takes them, Prometheus has what they ask for."""

from pathlib import Path

import pytest
import yaml

from opssight_operator.api import API_VERSION

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples").glob("*.yaml"))
QUERIES = {
    f"{path.stem}: {query.get('name', 'expr')}": query["expr"]
    for path in FILES
    for manifest in [yaml.safe_load(path.read_text())]
    if manifest["apiVersion"] == API_VERSION and manifest["kind"] != "MetricsSource"
    for query in manifest["spec"].get("queries", [manifest["spec"]])
}


@pytest.fixture(scope="module")
def shop(cluster):
    """A server that knows our kinds, and the namespace of the examples."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    cluster.kubectl("create", "namespace", "shop")
    yield cluster
    cluster.kubectl("delete", "namespace", "shop", "--wait=false")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_kubernetes_takes_an_example(shop, path):
    said = shop.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert said.strip().endswith("created (server dry run)")


def test_the_folder_is_applied_as_the_readme_says(shop):
    said = shop.kubectl("apply", "--dry-run=server", "-f", str(ROOT / "examples"), "-n", "shop")
    assert len(said.splitlines()) == len(FILES)


@pytest.mark.parametrize("expression", QUERIES.values(), ids=QUERIES)
def test_the_shop_has_the_series_that_an_example_asks_for(cluster, expression):
    days = cluster.prometheus.query(f"count_over_time(({expression})[10d:1h])")
    assert days
    assert all(float(series["value"][1]) > 230 for series in days)
