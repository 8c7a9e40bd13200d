"""Real servers for the tests of this folder: one cluster for the whole session, a fresh namespace for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from localcluster import Cluster, Options, Prometheus

from component.audit import AuditLog
from component.lever import Lever, scraped_lever

HERE = Path(__file__).parent


class Kubectl(Protocol):
    """Runs kubectl as administrator and returns what it prints; raises ``ClusterError`` with what it said."""

    def __call__(self, *arguments: str, input: str | None = None, kubeconfig: Path | None = None) -> str: ...


LONGEST = [
    *("thresholds_learn", "delivery", "argocd", "crash", "faults", "chart_installed"),
    *("shared_rules", "methods_live", "loop", "serving", "soak"),
]
"""Begun last, one of these files would be waited for alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the local cluster, and comes first: what is short fills the gaps at the end."""
    places = {f"test_{name}": place - len(LONGEST) for place, name in enumerate(LONGEST)}
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.component)
    items.sort(key=lambda item: places.get(item.path.stem, 0) if item.path.is_relative_to(HERE) else 1)


@pytest.fixture(scope="session")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """What the operator's ServiceAccount asks of ``cluster``."""
    return AuditLog(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def cluster(audit_log: AuditLog) -> Iterator[Cluster]:
    """Kubernetes, prometheus-operator, and Prometheus with two weeks of the shop's history."""
    options = Options(history_days=14.0, apiserver_flags=audit_log.apiserver_flags)
    with Cluster(options=options) as running:
        yield running


@pytest.fixture(scope="session")
def shop_url(cluster: Cluster) -> str:
    """The live shop, scraped; ``POST /fault?service=...&kind=...`` breaks it, ``DELETE /fault`` heals it."""
    return cluster.start_shop()


@pytest.fixture(scope="session")
def prometheus_old(cluster: Cluster) -> Prometheus:
    """Prometheus 2.42, empty."""
    return cluster.start_prometheus_old()


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    """kubectl as administrator."""
    return cluster.kubectl


@contextmanager
def fresh_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that nobody else uses; deleted afterwards without waiting."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.api("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    cluster.api("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """One of the test's own."""
    with fresh_namespace(cluster) as name:
        yield name


@pytest.fixture(scope="module")
def lever(cluster: Cluster) -> Iterator[Lever]:
    """A metric whose values the tests of a file decide."""
    with scraped_lever(cluster) as running:
        yield running


@pytest.fixture
def case(cluster: Cluster, lever: Lever, namespace: str) -> str:
    """A lever of the test's own with ten minutes of quiet history around 10."""
    name = namespace.replace("-", "")
    lever.give_quiet(cluster, name)
    return name
