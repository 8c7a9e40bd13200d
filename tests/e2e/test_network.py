"""The chart's NetworkPolicy where something enforces it: what the product needs gets through, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from charts.rendering import NAMESPACE as SYSTEM
from demo.sights import all_ready, wait_for

from e2e.place import Place
from e2e.platforms import POLICIES_ENFORCED

pytestmark = pytest.mark.needs(POLICIES_ENFORCED)

PYTHON = "/opt/opssight/bin/python"
KNOCK = (
    "import socket, sys\n"
    "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close(); print('reached')\n"
    "except OSError as problem: print(problem)"
)
METRICS, HEALTH, SHOP = 8080, 8081, 8000


def reaches(place: Place, namespace: str, pod: str, host: str, port: int) -> bool:
    """Whether a connection from inside a pod is accepted; one that is refused or not answered in 3 s is not."""
    said = place.kubectl("exec", "-n", namespace, pod, "--", PYTHON, "-c", KNOCK, host, str(port)).strip()
    print(f"{namespace}/{pod} to {host}:{port}: {said}")
    return said == "reached"


def addresses(place: Place, namespace: str) -> dict[str, str]:
    """The pods of a namespace that live on, with their addresses."""
    pods = place.pods() if namespace == SYSTEM else place.objects("pods", "-n", namespace)
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods}


@pytest.fixture
def without_policy(place: Place, release: None) -> Iterator[None]:
    """The release as it would be without its NetworkPolicy, for as long as a test lasts."""
    (policy,) = place.objects("networkpolicies", "-n", SYSTEM)
    meta = {key: policy["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    place.kubectl("delete", "networkpolicy", meta["name"], "-n", SYSTEM)
    yield
    body = {key: policy[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": meta}
    place.kubectl("create", "-f", "-", input=json.dumps(body))
    address, *_ = addresses(place, SYSTEM).values()
    (shop,) = addresses(place, "shop")
    wait_for("the policy in force again", lambda: not reaches(place, "shop", shop, address, METRICS) or None, 60)


def test_what_the_product_needs_gets_through_the_network_policy(place: Place, resources: int) -> None:
    pods = addresses(place, SYSTEM)
    question = f'up{{namespace="{SYSTEM}"}} == 1'
    wait_for("scrapes", lambda: ({r["metric"]["pod"] for r in place.query(question)} >= pods.keys()) or None, 60)
    for pod in pods:
        assert reaches(place, SYSTEM, pod, "prometheus-operated.monitoring.svc", 9090)
        assert reaches(place, SYSTEM, pod, "kubernetes.default.svc", 443)
    wait_for("every resource Ready", all_ready(place), 60)  # type: ignore[arg-type]


def test_what_the_network_policy_does_not_allow_is_refused(place: Place, resources: int) -> None:
    pods = addresses(place, SYSTEM)
    ((shop, shop_address),) = addresses(place, "shop").items()
    for pod, address in pods.items():
        assert not reaches(place, "shop", shop, address, METRICS), "only Prometheus may scrape"
        assert not reaches(place, "shop", shop, address, HEALTH)
        assert not reaches(place, SYSTEM, pod, shop_address, SHOP), "it asks Prometheus, never what Prometheus scrapes"


def test_it_is_the_network_policy_that_refuses(place: Place, resources: int, without_policy: None) -> None:
    (pod, address), *_ = addresses(place, SYSTEM).items()
    ((shop, shop_address),) = addresses(place, "shop").items()
    wait_for("a way in", lambda: reaches(place, "shop", shop, address, METRICS) or None, 60)
    wait_for("a way out", lambda: reaches(place, SYSTEM, pod, shop_address, SHOP) or None, 60)
