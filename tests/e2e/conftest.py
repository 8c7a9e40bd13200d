"""One node for the session; monitoring, the shop and the operator on it, each put up once and in this order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.build import NAMESPACE as SYSTEM
from demo.sights import all_loaded, all_ready, wait_for
from localcluster.build import program
from localcluster.history import Span, write_openmetrics
from node import Node, images
from node.__main__ import say, state

from e2e.place import MANIFESTS, ROOT, Place

HERE = Path(__file__).parent
PROMETHEUS_USER = 65534
CODE = ("shop.py", "shop_model.py", "history.py", "noise.py")
DAYS = 14.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Setting up is part of the first test; nothing here is quick."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(600))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Where something failed: the pods and the ends of their logs."""
    report = yield
    found = getattr(item, "funcargs", {}).get("place") or _last.get("place")
    if report.failed and found is not None:
        report.sections.append(("the pods", found.told()))
    return report


_last: dict[str, Place] = {}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A node with all images; with OPSSIGHT_E2E_ATTACH the one of ``python -m node up``, which stays."""
    if os.environ.get("OPSSIGHT_E2E_ATTACH"):
        _last["place"] = Place(Node.attach(state()), tmp_path_factory.mktemp("helm"))
        yield _last["place"]
        return
    archives = [archive.path for archive in images.archives()]
    missing = [str(path) for path in archives if not path.exists()]
    assert not missing, f"images are not built: {missing}; run `python -m node images`"
    with Node(archives, say=say) as node:
        _last["place"] = Place(node, tmp_path_factory.mktemp("helm"))
        yield _last["place"]


def write_history(folder: Path) -> None:
    """Two weeks of the shop as blocks in a folder that the Prometheus of a pod may write."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "history.om"
    write_openmetrics(file, Span.ending_at(time.time(), DAYS, 60.0))
    blocks = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=486h")
    subprocess.run([program("promtool"), *blocks, file, folder / "prometheus-db"], check=True, capture_output=True)
    file.unlink()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, PROMETHEUS_USER, PROMETHEUS_USER)


@pytest.fixture(scope="session")
def monitoring(place: Place) -> None:
    """prometheus-operator, and the Prometheus that it makes."""
    place.restricted_namespace("monitoring")
    assert place.node.state is not None
    volume = place.node.state / "volumes" / "prometheus"
    write_history(volume)
    crds = program("prometheus-operator").parent / "prometheus-operator-crd"
    place.kubectl("apply", "--server-side", "-f", str(crds))
    place.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    names = {"PROMETHEUS_OPERATOR": images.PROMETHEUS_OPERATOR, "PROMETHEUS": images.PROMETHEUS}
    place.apply(MANIFESTS / "monitoring.yaml", **names, RELOADER=images.RELOADER, HISTORY=str(volume))
    place.kubectl("rollout", "status", "deployment/prometheus-operator", "-n", "monitoring", "--timeout=120s")
    wait_for("the StatefulSet of Prometheus", lambda: place.objects("statefulset", "-n", "monitoring") or None, 60)
    place.kubectl("rollout", "status", "statefulset/prometheus-k8s", "-n", "monitoring", "--timeout=180s")


@pytest.fixture(scope="session")
def shop(place: Place, monitoring: None) -> str:
    """The live shop, scraped through a ServiceMonitor; its address."""
    place.restricted_namespace("shop")
    data = {name: (ROOT / "localcluster" / name).read_text() for name in CODE} | {"__init__.py": ""}
    code = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-code", "namespace": "shop"}}
    place.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(code | {"data": data}))
    place.apply(MANIFESTS / "shop.yaml", OPERATOR=images.operator_image())
    place.kubectl("rollout", "status", "deployment/shop", "-n", "shop", "--timeout=120s")
    wait_for("the shop to be scraped", lambda: place.query('up{job="shop"} == 1') or None, 90)
    return f"http://{place.address_of('shop', 'shop')}:8000"


VALUES: dict[str, Any] = {
    "replicas": 2,
    "serviceMonitor": {"enabled": True, "interval": "2s", "scrapeTimeout": "2s"},
    "prometheusRule": {"enabled": True},
    "settings": {"allowPatch": True},
    "crds": {"keep": True},
}


@pytest.fixture(scope="session")
def before(place: Place, shop: str) -> set[str]:
    """What there was before the release."""
    place.restricted_namespace(SYSTEM)
    place.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", "-n", SYSTEM, "--timeout=30s")
    return place.everything()


@pytest.fixture(scope="session")
def release(place: Place, before: set[str]) -> None:
    """The shipped image by the shipped chart, as a restricted pod and its standby."""
    place.release("install", VALUES)


@pytest.fixture(scope="session")
def resources(place: Place, release: None) -> int:
    """The manifests of ``examples/``, all Ready, with their rules loaded; how many resources."""
    for file in sorted((ROOT / "examples").glob("*.yaml")):
        place.apply(file)
    count = wait_for("every resource Ready", all_ready(place), 180)  # type: ignore[arg-type]
    wait_for("the owned rules loaded", all_loaded(place), 120)  # type: ignore[arg-type]
    return count


def detector(name: str, interval: str, expr: str) -> str:
    """A small AnomalyDetector, as a manifest."""
    return yaml.safe_dump(
        {
            "apiVersion": "opssight.dev/v1alpha1",
            "kind": "AnomalyDetector",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "queries": [{"name": "rate", "expr": expr}],
                "step": "1m",
                "trainingWindow": "1d",
                "interval": interval,
                "method": {"type": "RobustZScore"},
            },
        }
    )
