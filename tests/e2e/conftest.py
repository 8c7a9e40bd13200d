"""One cluster for the session; monitoring, the shop and the operator on it, each put up once and in this order."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.rendering import NAMESPACE as SYSTEM
from demo.sights import all_loaded, all_ready, wait_for
from localcluster.build import program
from localcluster.history import Span, write_openmetrics
from node import images
from node.__main__ import say

from e2e import platforms
from e2e.place import MANIFESTS, ROOT, Place

HERE = Path(__file__).parent
PROMETHEUS_USER = 65534
CODE = ("shop.py", "shop_model.py", "history.py", "noise.py")
DAYS = 14.0


STORY = ("test_node", "test_product", "test_network", "test_image", "test_replicas", "test_release", "test_uninstall")
"""The files in the order of what they tell; each can be run alone."""
_left_out = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Setting up is part of the first test, and nothing here is quick; what a platform cannot do is left out."""
    platform = platforms.chosen()
    left_out: dict[pytest.Item, str] = {}
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(600))
            needed = {need for mark in item.iter_markers("needs") for need in mark.args}
            if lacking := needed - platform.can:
                left_out[item] = ", ".join(sorted(lacking))
    items.sort(key=lambda item: STORY.index(item.path.stem) if item.path.stem in STORY else -1)
    config.stash[_left_out] = [f"{item.nodeid}: needs {why}" for item, why in left_out.items()]
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """What is left out, and why."""
    on = f"on: {platforms.chosen().name}"
    return [on, *(f"left out: {line}" for line in config.stash.get(_left_out, []))]


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
def image_told() -> Iterator[Future[str]]:
    """What ``image.check`` says of the image that is installed; who asks first need not wait for it."""
    (shipped,) = [one for one in platforms.chosen().archives() if one.image == images.operator_image()]
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(images.check, shipped)


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Path]]:
    """Two weeks of the shop, written while the cluster starts."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(write_history, tmp_path_factory.mktemp("history") / "prometheus")


@pytest.fixture(scope="session")
def place(history: Future[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A cluster with all images; with OPSSIGHT_E2E_ATTACH the one of ``python -m node up``, which stays."""
    choice = platforms.chosen()
    if os.environ.get("OPSSIGHT_E2E_ATTACH"):
        assert choice.attach is not None, f"OPSSIGHT_E2E_ATTACH is for OPSSIGHT_E2E_ON=node, not for {choice.name}"
        _last["place"] = Place(choice.attach(), tmp_path_factory.mktemp("helm"))
        yield _last["place"]
        return
    archives = [archive.path for archive in choice.archives()]
    missing = [str(path) for path in archives if not path.exists()]
    assert not missing, f"images are not built: {missing}; run `{choice.build}`"
    with choice.start(archives, say) as platform:
        _last["place"] = Place(platform, tmp_path_factory.mktemp("helm"))
        yield _last["place"]


def write_history(folder: Path) -> Path:
    """Two weeks of the shop as blocks of Prometheus; the folder."""
    folder.mkdir(parents=True)
    file = folder / "history.om"
    write_openmetrics(file, Span.ending_at(time.time(), DAYS, 60.0))
    blocks = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=486h")
    subprocess.run([program("promtool"), *blocks, file, folder / "prometheus-db"], check=True, capture_output=True)
    file.unlink()
    return folder


@pytest.fixture(scope="session")
def monitoring(place: Place, history: Future[Path]) -> None:
    """prometheus-operator, and the Prometheus that it makes."""
    place.restricted_namespace("monitoring")
    crds = program("prometheus-operator").parent / "prometheus-operator-crd"
    place.kubectl("apply", "--server-side", "-f", str(crds))
    place.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    volume = place.platform.keep_folder(history.result(), PROMETHEUS_USER)
    names = {"PROMETHEUS_OPERATOR": images.PROMETHEUS_OPERATOR, "PROMETHEUS": images.PROMETHEUS}
    place.apply(MANIFESTS / "monitoring.yaml", **names, RELOADER=images.RELOADER, HISTORY=volume)
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
    place.has_image(images.operator_image())
    place.apply(MANIFESTS / "shop.yaml", OPERATOR=images.operator_image())
    place.kubectl("rollout", "status", "deployment/shop", "-n", "shop", "--timeout=120s")
    wait_for("the shop to be scraped", lambda: place.query('up{job="shop"} == 1') or None, 90)
    return place.platform.url_of("shop", "shop", 8000)


MONITORING = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
VALUES: dict[str, Any] = {
    "replicas": 2,
    "serviceMonitor": {"enabled": True, "interval": "2s", "scrapeTimeout": "2s"},
    "prometheusRule": {"enabled": True},
    "metricsSource": {
        "create": True,
        "name": "platform",  # beside the one of the examples
        "spec": {"url": "http://prometheus-operated.monitoring.svc:9090"},
    },
    "dashboards": {"enabled": True, "namespace": "monitoring"},
    "networkPolicy": {"enabled": True, "scrapers": MONITORING, "prometheus": MONITORING},
    "extraEnv": [{"name": "PLATFORM", "value": "as the chart was told"}],
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
    """The manifests of ``examples/`` and the release's source, Ready, with their rules loaded; how many resources."""
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
