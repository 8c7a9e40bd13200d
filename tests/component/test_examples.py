"""The manifests of examples/ on the real servers: Kubernetes takes them, Prometheus has what they ask for."""

import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from builders import a_policy_observation
from opssight_detectors.policy import apply_policy
from opssight_operator.api import API_VERSION
from opssight_operator.api.anomaly_detector import AnomalyDetectorSpec
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.delivery import Delivery
from opssight_operator.api.threshold_policy import ThresholdPolicy, ThresholdPolicySpec
from opssight_operator.api.threshold_status import ThresholdPolicyStatus
from opssight_operator.core.observation import Frame
from opssight_operator.core.policy_plan import evaluate
from opssight_operator.core.science import detector_for, policy_for
from opssight_operator.core.windows import history_window
from opssight_operator.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples").glob("*.yaml"))
PRESETS = sorted((ROOT / "examples" / "presets").glob("*.yaml"))  # their metrics are not the shop's: test_presets.py
QUERIES = {
    f"{path.stem}: {query.get('name', 'expr')}": query["expr"]
    for path in FILES
    for manifest in [yaml.safe_load(path.read_text())]
    if manifest["apiVersion"] == API_VERSION and manifest["kind"] in ("AnomalyDetector", "ThresholdPolicy")
    for query in manifest["spec"].get("queries", [manifest["spec"]])
}


@pytest.fixture(scope="module")
def kinds(cluster):
    """A server that knows our kinds."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


@pytest.fixture
def examples(kinds, namespace, tmp_path):
    """The folder as it is, but for a namespace of this test alone."""
    for path in FILES:
        (tmp_path / path.name).write_text(path.read_text().replace("namespace: shop\n", f"namespace: {namespace}\n"))
    return tmp_path


def test_kubernetes_takes_the_examples_one_by_one(kubectl, examples):
    for path in sorted(examples.iterdir()):
        said = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(path))
        # a source belongs to no namespace, and other tests may have one of that name
        assert said.strip().endswith(("created (server dry run)", "configured (server dry run)"))


@pytest.mark.parametrize("path", PRESETS, ids=[path.stem for path in PRESETS])
def test_kubernetes_takes_a_preset(kubectl, kinds, namespace, path):
    text = path.read_text().replace("namespace: shop\n", f"namespace: {namespace}\n")
    said = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
    assert said.strip().endswith("created (server dry run)")


def test_the_folder_is_applied_at_once_as_its_readme_says(kubectl, examples, namespace):
    said = kubectl("apply", "--dry-run=server", "-f", str(examples), "-n", namespace)
    assert len(said.splitlines()) == len(FILES)


@pytest.mark.parametrize("expression", QUERIES.values(), ids=QUERIES)
def test_the_shop_has_the_series_that_an_example_asks_for(cluster, expression):
    days = cluster.prometheus.query(f"count_over_time(({expression})[10d:1h])")
    assert days
    assert all(float(series["value"][1]) > 230 for series in days)


DAY = 86_400.0
STEP = 300.0


def fetched(cluster, expression, end, days):
    """Series of an expression over the days before ``end``: times, values ``[time, series]``, labels."""
    times = np.arange(end - days * DAY + STEP, end + 1, STEP)
    answer = cluster.prometheus.query_range(expression, float(times[0]), float(times[-1]), STEP)
    values = np.full((len(times), len(answer)), np.nan)
    for column, series in enumerate(answer):
        at = [round((float(moment) - times[0]) / STEP) for moment, _ in series["values"]]
        values[at, column] = [float(value) for _, value in series["values"]]
    return times, values, [series["metric"] for series in answer]


@pytest.mark.parametrize("name", ["latency", "cpu"])
def test_an_example_detector_alarms_in_the_incidents_of_the_shop_and_at_no_other_time(cluster, name):
    manifest = yaml.safe_load((ROOT / "examples" / f"anomalydetector-{name}.yaml").read_text())
    spec = AnomalyDetectorSpec.model_validate(manifest["spec"])
    (query,) = spec.queries
    times, values, labels = fetched(cluster, query.expr, time.time() // STEP * STEP, 13.5)
    services = [next(iter(one.values())) for one in labels]
    week, detector = round(7 * DAY / STEP), detector_for(spec)
    alarms = set()
    for start in range(week, len(times), week // 28):
        judged = slice(start, start + week // 28)
        model = detector.fit(times[start - week : start], values[start - week : start])
        scores = apply_policy(model.score(times[judged], values[judged]), values[judged], policy_for(query))
        alarms |= {(times[judged][row], services[column]) for row, column in np.argwhere(scores.score > 1)}

    def during(incident, moment, service):
        return service == incident.service and incident.start <= moment <= incident.end + 2 * STEP

    for alarm in alarms:
        assert any(during(incident, *alarm) for incident in cluster.incidents), f"{alarm} is no incident"
    for incident in cluster.incidents:
        if incident.kind == name and incident.start > times[week] + DAY:
            assert any(during(incident, *alarm) for alarm in alarms), f"{incident} was missed"


POLICIES = [path.stem.removeprefix("thresholdpolicy-") for path in FILES if path.stem.startswith("thresholdpolicy-")]


@pytest.mark.parametrize("name", POLICIES)
def test_what_an_example_policy_learns_is_inside_its_guardrails(cluster, name):
    manifest = yaml.safe_load((ROOT / "examples" / f"thresholdpolicy-{name}.yaml").read_text())
    spec = ThresholdPolicySpec.model_validate(manifest["spec"])
    end = time.time() // STEP * STEP
    times, values, labels = fetched(cluster, spec.expr, end, 13.5)
    recommending = spec.model_copy(update={"delivery": Delivery()})  # what is learned is the same without a rule
    policy = ThresholdPolicy(
        metadata=ObjectMeta(**manifest["metadata"], uid="uid-1", generation=1),
        spec=recommending,
        status=ThresholdPolicyStatus(),
    )
    settings = Settings()
    observed = a_policy_observation(Frame(times, values, tuple(labels)))
    plan = evaluate(policy, observed, history_window(spec, end, settings), end, settings)
    assert plan.status.thresholds
    for threshold in plan.status.thresholds:
        assert threshold.current is not None, threshold
        assert float(spec.guardrails.min or "-inf") < float(threshold.current), threshold
        assert float(threshold.current) < float(spec.guardrails.max or "inf"), threshold
        assert threshold.proposed == threshold.current, "no guardrail had to cut it"
