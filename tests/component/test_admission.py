"""The generated definitions in a real API server: what it takes, refuses, fills in, keeps apart and explains."""

import re
from pathlib import Path

import pytest
import yaml
from localcluster.errors import ClusterError
from localcluster.http import HttpError

from contract.manifests import ACCEPTED, REFUSED, detector, policy, source
from contract.report_manifests import report
from opssight_operator.api import API_VERSION, PLURALS
from opssight_operator.api.kinds import kind_of

CRDS = Path(__file__).parents[2] / "crds"
STRICT = "?dryRun=All&fieldValidation=Strict"


@pytest.fixture(scope="module")
def api(cluster):
    """The API of a server that knows our kinds."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "crd", *(f"{p}.opssight.dev" for p in PLURALS.values()))
    return cluster.api


def path_of(manifest, namespace=None):
    plural = PLURALS[manifest["kind"]]
    scope = namespace or manifest["metadata"].get("namespace")
    return f"/apis/{API_VERSION}/" + (f"namespaces/{scope}/{plural}" if scope else plural)


def said_of(refusal: HttpError):
    """The answer of a refusal, with its quotes as they are meant."""
    return refusal.body.replace('\\"', '"')


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_the_server_takes(api, sentence):
    manifest = ACCEPTED[sentence]
    created = api("POST", path_of(manifest) + STRICT, manifest)
    assert created["metadata"]["name"] == manifest["metadata"]["name"]


@pytest.mark.parametrize("sentence", REFUSED)
def test_the_server_refuses_and_says_why(api, sentence):
    case = REFUSED[sentence]
    with pytest.raises(HttpError) as refusal:
        api("POST", path_of(case.manifest) + STRICT, case.manifest)
    assert refusal.value.status == 422
    message = said_of(refusal.value)
    for fragment in case.says:
        assert fragment in message
    assert "evaluation error" not in message
    assert "failed rule" not in message


def test_defaults_are_filled_in_by_the_server(api, namespace):
    manifest = {**policy(), "metadata": {"name": "errors"}}
    spec = api("POST", path_of(manifest, namespace), manifest)["spec"]
    assert spec == {
        "alert": {"for": "5m", "keepFiringFor": "0s", "timeZone": "UTC"},
        "bound": "Upper",
        "delivery": {"mode": "Recommend"},
        "estimator": {"type": "Percentile"},
        "expr": "error_ratio",
        "guardrails": {
            "cooldown": "1h",
            "deadBand": "0.05",
            "freezeAtMost": "1d",
            "maxStep": "0.25",
            "whileFiring": "Freeze",
        },
        "history": {"minCoverage": "0.8", "minDuration": "1d", "step": "1m", "window": "14d"},
        "interval": "1h",
        "outcome": {"action": "RollBack", "after": "1d", "hold": "1d", "until": "7d"},
        "sourceRef": {"name": "default"},
        "suspend": False,
    }


@pytest.mark.parametrize(
    "manifest", [detector(), policy(), source(), report()], ids=["detector", "policy", "source", "report"]
)
def test_the_server_fills_in_what_the_models_mean(api, manifest):
    model = kind_of(manifest["kind"]).spec
    filled = api("POST", path_of(manifest) + STRICT, manifest)["spec"]
    assert model.model_validate(filled) == model.model_validate(manifest["spec"])


def test_a_default_inside_a_part_that_is_given_is_filled_in_too(api):
    manifest = detector(alert={}, method={"robustZScore": {}, "type": "RobustZScore"})
    spec = api("POST", path_of(manifest) + STRICT, manifest)["spec"]
    assert spec["alert"] == {"for": "5m", "labels": {"severity": "warning"}}
    assert spec["method"]["type"] == "RobustZScore"
    assert spec["method"]["robustZScore"]["sensitivity"] == "3"
    assert spec["queries"][0]["direction"] == "Both"


MEGABYTE = 1_000_000
QUERIES = [{"name": f"q{number}", "expr": "x" * 40} for number in range(MEGABYTE // 70)]
LABELS = {f"label{number}": "x" * 40 for number in range(MEGABYTE // 60)}


def annotated(manifest, **metadata):
    return {**manifest, "metadata": {**manifest["metadata"], **metadata}}


HUGE = {
    "an expression": (detector(query={"expr": "x" * MEGABYTE}), "spec.queries[0].expr: Too"),
    "an expression of a policy": (policy(expr="x" * MEGABYTE), "spec.expr: Too"),
    "a list of queries": (detector(queries=QUERIES), "spec.queries: Too"),
    "labels of an alert": (detector(alert={"labels": LABELS}), "spec.alert.labels: Too"),
    "one label of an alert": (detector(alert={"labels": {"a": "x" * MEGABYTE}}), "spec.alert.labels.a: Too"),
    "labels that tell thresholds apart": (policy(perLabels=list(LABELS)), "spec.perLabels: Too"),
    "a template": (
        policy(delivery={"mode": "Render", "render": {"expr": "$threshold" * (MEGABYTE // 10)}}),
        "spec.delivery.render.expr: Too",
    ),
    "an address": (source(url="http://" + "x" * MEGABYTE), "spec.url: Too"),
    "namespaces of a source": (
        source(tenancy={"allowedNamespaces": {"names": list(LABELS)}}),
        "spec.tenancy.allowedNamespaces.names: Too",
    ),
    "matchers of a report": (
        report(inputs={"alerts": {"matchers": [f'{name}="x"' for name in LABELS]}}),
        "spec.inputs.alerts.matchers: Too",
    ),
    "one matcher of a report": (
        report(inputs={"alerts": {"matchers": [f'a="{"x" * MEGABYTE}"']}}),
        "spec.inputs.alerts.matchers[0]: Too",
    ),
    "labels of the resource": (annotated(detector(), labels={"a": "x" * MEGABYTE}), "metadata.labels: Invalid value"),
    "annotations of the resource": (
        annotated(policy(), annotations={"a": "x" * MEGABYTE}),
        "metadata.annotations: Too",
    ),
}


@pytest.mark.parametrize("what", HUGE)
def test_a_megabyte_is_refused_and_the_field_that_holds_it_is_named(api, what):
    manifest, says = HUGE[what]
    with pytest.raises(HttpError) as refusal:
        api("POST", path_of(manifest) + "?dryRun=All", manifest)
    assert refusal.value.status == 422
    assert says in said_of(refusal.value)[:2000], "near the beginning, where people see it"


def test_a_misspelt_field_is_refused_by_name_when_asked_strictly(api):
    manifest = detector(trainingWindows="7d")
    with pytest.raises(HttpError) as refusal:
        api("POST", path_of(manifest) + STRICT, manifest)
    assert refusal.value.status == 400
    assert 'unknown field "spec.trainingWindows"' in said_of(refusal.value)


def test_kubectl_refuses_a_misspelt_field_without_being_asked(api, cluster):
    with pytest.raises(ClusterError, match=r"spec\.quieries"):
        cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(detector(quieries=[])))


def test_an_unknown_field_is_dropped_when_not_asked_strictly(api):
    manifest = detector(trainingWindows="7d")
    created = api("POST", path_of(manifest) + "?dryRun=All&fieldValidation=Ignore", manifest)
    assert "trainingWindows" not in created["spec"]


def condition(**changes):
    return {
        "type": "Ready",
        "status": "True",
        "reason": "Reconciled",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
        **changes,
    }


def test_status_and_spec_are_written_apart(api, namespace):
    manifest = {**detector(), "metadata": {"name": "latency"}, "status": {"summary": {"series": 99}}}
    created = api("POST", path_of(manifest, namespace), manifest)
    unseen = {"observedGeneration": -1}
    assert created["status"] == unseen, "a client that creates the object cannot say what was seen"

    place = f"{path_of(manifest, namespace)}/latency"
    patch = {"status": {"conditions": [condition()], "summary": {"series": 3}}, "spec": {"interval": "9m"}}
    seen = api("PATCH", f"{place}/status", patch, "application/merge-patch+json")
    assert seen["status"] == {**unseen, **patch["status"]}, "nothing else is filled into a status"
    assert seen["spec"]["interval"] == "1m"
    assert seen["metadata"]["generation"] == 1

    changed = {"spec": {"interval": "5m"}, "status": {"summary": {"series": 4}}}
    after = api("PATCH", place, changed, "application/merge-patch+json")
    assert after["spec"]["interval"] == "5m"
    assert after["status"]["summary"] == {"series": 3}
    assert after["metadata"]["generation"] == 2


def test_a_status_that_cannot_be_is_refused_too(api, namespace):
    manifest = {**detector(), "metadata": {"name": "latency"}}
    api("POST", path_of(manifest, namespace), manifest)
    bad = {"status": {"conditions": [condition(status="Perhaps")]}}
    with pytest.raises(HttpError) as refusal:
        api("PATCH", f"{path_of(manifest, namespace)}/latency/status", bad, "application/merge-patch+json")
    assert "status.conditions[0].status" in said_of(refusal.value)
    assert 'supported values: "True", "False", "Unknown"' in said_of(refusal.value)


def test_two_field_managers_share_the_conditions_by_type(api, namespace):
    manifest = {**detector(), "metadata": {"name": "latency"}}
    api("POST", path_of(manifest, namespace), manifest)
    for manager, kind in (("one", "Ready"), ("two", "RuleLoaded")):
        applied = {**manifest, "status": {"conditions": [condition(type=kind)]}}
        del applied["spec"]
        place = f"{path_of(manifest, namespace)}/latency/status?fieldManager={manager}"
        both = api("PATCH", place, applied, "application/apply-patch+yaml")
    assert [c["type"] for c in both["status"]["conditions"]] == ["Ready", "RuleLoaded"]


def test_kubectl_get_shows_what_matters(api, cluster, namespace):
    for manifest in (detector(), policy(perLabels=["service"])):
        place = path_of(manifest, namespace)
        name = manifest["metadata"]["name"]
        api("POST", place, {**manifest, "metadata": {"name": name}})
        status = {
            "AnomalyDetector": {"summary": {"series": 12, "anomalous": 1, "warmingUp": 0, "noData": 0}},
            "ThresholdPolicy": {
                "count": 4,
                "thresholds": [{"current": "0.021", "proposed": "0.019", "reason": "Cooldown", "message": "soon"}],
            },
        }[manifest["kind"]]
        patch = {"status": {**status, "conditions": [condition(reason="Reconciled")]}}
        api("PATCH", f"{place}/{name}/status", patch, "application/merge-patch+json")

    header, row = cluster.kubectl("get", "adet", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "SERIES", "ANOMALOUS", "AGE"]
    assert row.split()[:5] == ["latency", "True", "Reconciled", "12", "1"]
    header, row = cluster.kubectl("get", "tpol", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "THRESHOLDS", "THRESHOLD", "PROPOSED", "MODE", "AGE"]
    assert row.split()[:7] == ["errors", "True", "Reconciled", "4", "0.021", "0.019", "Recommend"]
    wide = cluster.kubectl("get", "tpol", "-n", namespace, "-o", "wide").splitlines()
    assert wide[0].split()[-3:] == ["ESTIMATOR", "DECISION", "MESSAGE"]
    everything = cluster.kubectl("get", "opssight", "-n", namespace)
    assert "anomalydetector.opssight.dev/latency" in everything
    assert "thresholdpolicy.opssight.dev/errors" in everything


def test_kubectl_explains_a_field_in_a_sentence(api, cluster):
    said = " ".join(cluster.kubectl("explain", "tpol.spec.guardrails.deadBand").split())
    assert "deadBand is the smallest change worth making as a fraction of the current threshold" in said
    said = " ".join(cluster.kubectl("explain", "adet.spec.queries.direction").split())
    assert "ENUM: Above Below Both" in said
    said = " ".join(cluster.kubectl("explain", "msrc").split())
    assert "MetricsSource says where samples come from" in said


OURS = ("spec", "status")


def fields_of(schema, above=()):
    """The path and the description of every field of spec and status; the others are Kubernetes' own."""
    for name, field in schema.get("properties", {}).items():
        path = (*above, name)
        if path[0] not in OURS:
            continue
        yield path, field.get("description", "")
        inner = field
        while isinstance(nested := inner.get("items", inner.get("additionalProperties")), dict):
            inner = nested
        yield from fields_of(inner, path)


def explained(text):
    """The paths of the fields that ``kubectl explain --recursive`` lists, by their indentation."""
    path = []
    for indent, name in re.findall(r"^((?:  )+)(\S+)\t<", text, re.MULTILINE):
        path = [*path[: len(indent) // 2 - 1], name]
        if path[0] in OURS:
            yield tuple(path)


@pytest.mark.parametrize(("kind", "plural"), PLURALS.items(), ids=PLURALS)
def test_kubectl_explains_every_field_of_a_kind(api, cluster, kind, plural):
    """The texts stand in the document that kubectl explain reads; its own output tells that it finds them all."""
    schemas = api("GET", f"/openapi/v3/apis/{API_VERSION}")["components"]["schemas"]
    (schema,) = [schema for name, schema in schemas.items() if name.endswith(f".{kind}")]
    fields = dict(fields_of(schema))
    assert len(fields) > 20
    assert not [".".join(path) for path, text in fields.items() if not text.endswith(".")]
    assert set(explained(cluster.kubectl("explain", plural, "--recursive"))) == set(fields)
