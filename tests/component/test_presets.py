"""The presets of examples/ on a real Prometheus with the metrics and labels of the exporters that they are for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from localcluster import Prometheus

from builders import a_policy_observation
from component.prometheus_servers import alone
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.observation import Frame
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings

PRESETS = {path.stem: path for path in sorted((Path(__file__).parents[2] / "examples" / "presets").glob("*.yaml"))}
ROWS, STEP = 2880, 60  # two days
SLICE = 30  # Prometheus takes what is up to an hour behind as in order
Series = tuple[Mapping[str, str], np.ndarray]


def counters(name: str, labels: Mapping[str, str], per_second: float, dice: np.random.Generator) -> Series:
    """A counter that rises by about ``per_second``."""
    increase = per_second * STEP * dice.uniform(0.8, 1.2, ROWS)
    return {"__name__": name, **labels}, np.cumsum(increase)


def histogram(
    name: str, labels: Mapping[str, str], bounds: list[float], median: float, dice: np.random.Generator
) -> Iterator[Series]:
    """A histogram of ten log-normal latencies a second around ``median``, in the unit of its bounds."""
    seen = np.log(median * dice.uniform(0.9, 1.1, (ROWS, 1))) + 0.6 * dice.standard_normal((ROWS, 300))
    for bound in [*bounds, np.inf]:
        le = "+Inf" if bound == np.inf else f"{bound:g}"
        below = (np.exp(seen) <= bound).sum(axis=1)
        yield {"__name__": f"{name}_bucket", **labels, "le": le}, np.cumsum(below).astype(float)


def exporters() -> Iterator[Series]:
    """What the exporters of the presets expose, by the names and labels of their documentation."""
    dice = np.random.default_rng(5)
    where = {"namespace": "shop"}
    for pod in ("web-1", "web-2"):
        container = {**where, "pod": pod, "container": "web", "image": "web:1", "cpu": "total"}
        yield counters("container_cpu_usage_seconds_total", container, 0.35, dice)
        yield counters("container_cpu_usage_seconds_total", {**container, "container": "POD"}, 9.0, dice)
        limit = {**where, "pod": pod, "container": "web", "resource": "cpu", "unit": "core"}
        yield {"__name__": "kube_pod_container_resource_limits", **limit}, np.full(ROWS, 0.5)
    for cpu in "01":
        for mode, share in (("idle", 0.4), ("user", 0.5), ("system", 0.1)):
            labels = {"instance": "10.0.0.1:9100", "job": "node-exporter", "cpu": cpu, "mode": mode}
            yield counters("node_cpu_seconds_total", labels, share, dice)
    seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
    for service, bad in (("checkout", 0.02), ("cart", 0.0)):
        for code, share in (("200", 1 - bad), ("500", bad)):
            if share:
                yield counters("http_requests_total", {**where, "service": service, "code": code}, 20 * share, dice)
                ingress = {**where, "ingress": service, "exported_service": service, "status": code, "method": "GET"}
                yield counters("nginx_ingress_controller_requests", ingress, 20 * share, dice)
                proxy = {"destination_service_name": service, "response_code": code, "response_flags": "-"}
                for reporter in ("source", "destination"):
                    yield counters("istio_requests_total", {**proxy, "reporter": reporter}, 20 * share, dice)
        yield from histogram("http_request_duration_seconds", {**where, "service": service}, seconds, 0.1, dice)
        nginx = {**where, "ingress": service, "status": "200"}
        yield from histogram("nginx_ingress_controller_request_duration_seconds", nginx, seconds, 0.1, dice)
        istio = {"destination_service_name": service, "reporter": "destination", "response_code": "200"}
        milliseconds = [1000 * bound for bound in seconds]
        yield from histogram("istio_request_duration_milliseconds", istio, milliseconds, 100.0, dice)


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    """Prometheus alone, with two days of all exporters."""
    with alone() as cluster:
        start = int(time.time()) // STEP * STEP - ROWS * STEP
        series = list(exporters())
        for first in range(0, ROWS, SLICE):  # all series in the order of time, as an agent writes them
            rows = range(first, min(first + SLICE, ROWS))
            cluster.prometheus.remote_write(
                (labels, [(start + STEP * i, float(values[i])) for i in rows]) for labels, values in series
            )
        yield cluster.prometheus


EXPECTED: dict[str, dict[str, tuple[float, float]]] = {
    "cpu-containers": {"web": (0.68, 0.98)},
    "cpu-nodes": {"10.0.0.1:9100": (0.58, 0.85)},
    "errors-http": {"checkout": (0.02, 0.045), "cart": (0.001, 0.001)},
    "errors-ingress-nginx": {"checkout": (0.019, 0.03), "cart": (0.001, 0.001)},
    "errors-istio": {"checkout": (0.02, 0.045), "cart": (0.001, 0.001)},
    "latency-http": {"checkout": (0.4, 1.0), "cart": (0.4, 1.0)},
    "latency-ingress-nginx": {"checkout": (0.4, 1.2), "cart": (0.4, 1.2)},
    "latency-istio": {"checkout": (400.0, 1000.0), "cart": (400.0, 1000.0)},
}


def policy_of(path: Path) -> ThresholdPolicy:
    """The preset with less history asked for, since the servers of a test have but two days."""
    manifest = yaml.safe_load(path.read_text())
    manifest["spec"]["history"] |= {"window": "46h"}
    spec = ThresholdPolicySpec.model_validate(manifest["spec"])
    meta = ObjectMeta(name=manifest["metadata"]["name"], namespace="shop", uid="uid", generation=1)
    return ThresholdPolicy(metadata=meta, spec=spec, status=ThresholdPolicyStatus())


def fetched(prometheus: Prometheus, expr: str, start: float, end: float, step: float) -> Frame:
    times = np.arange(start, end + step / 2, step)
    answer: list[dict[str, Any]] = prometheus.query_range(expr, start, end, step)
    values = np.full((len(times), len(answer)), np.nan)
    for column, series in enumerate(answer):
        for moment, value in series["values"]:
            values[round((float(moment) - start) / step), column] = float(value)
    return Frame(times, values, tuple(series["metric"] for series in answer))


def test_every_preset_has_its_expectation() -> None:
    assert set(PRESETS) == set(EXPECTED)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_learns_a_threshold_for_each_of_its_label_values(prometheus: Prometheus, name: str) -> None:
    policy, settings = policy_of(PRESETS[name]), Settings()
    window = history_window(policy.spec, time.time() - 60, settings)
    frame = fetched(prometheus, policy.spec.expr, window.start, window.now, window.step)
    plan = evaluate(policy, a_policy_observation(frame), window, window.now, settings)
    learned = {next(iter(t.labels.values())): t for t in plan.status.thresholds}
    assert set(learned) == set(EXPECTED[name])
    for value, (low, high) in EXPECTED[name].items():
        threshold = learned[value]
        assert threshold.current is not None, threshold.message
        assert low <= float(threshold.current) <= high, threshold
