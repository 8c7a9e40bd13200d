"""Thresholds on real servers: two weeks with incidents, traffic that doubles, and a threshold that proves wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from localcluster import Cluster
from localcluster.shop_model import Incident

from component.lever import Lever
from component.operator_process import OperatorProcess, View, eventually, working
from opssight_operator.api.threshold_policy import ThresholdPolicySpec
from opssight_operator.core.thresholds import learning_digest

ERRORS = (
    'sum by (service) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (service) (rate(http_requests_total[5m]))'
)
STEP = 300.0


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    work = tmp_path_factory.mktemp("operator")
    with working(cluster, work, max_series=9000, OPSSIGHT_ALLOW_PATCH="true") as running:
        yield running


@pytest.fixture
def view(cluster: Cluster, namespace: str) -> View:
    return View(cluster, namespace)


def thresholds(view: View, name: str) -> dict[str, Any]:
    """The thresholds of a policy by the value of their only label."""
    status = (view.get("tpol", name) or {}).get("status", {})
    return {next(iter(t.get("labels", {}).values()), ""): t for t in status.get("thresholds", [])}


def history_of(view: View, name: str) -> list[dict[str, Any]]:
    """The changes of a policy, the oldest first."""
    return list(reversed((view.get("tpol", name) or {}).get("status", {}).get("history", [])))


ESTIMATORS: dict[str, dict[str, Any]] = {
    "percentile": {"type": "Percentile", "percentile": {"percentile": "99", "margin": "0.5"}},
    "decaying": {
        "type": "DecayingHistogram",
        "decayingHistogram": {"percentile": "99", "halfLife": "3d", "margin": "0.5"},
    },
    "peaks": {"type": "PeaksOverThreshold", "peaksOverThreshold": {"rate": "0.001"}},
    "budget": {"type": "AlertBudget", "alertBudget": {"episodesPerWeek": "4"}},
    "rate": {"type": "ExceedanceRate"},
}


def test_two_weeks_with_incidents_give_a_sane_threshold_in_one_interval(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    incidents = [incident for incident in cluster.incidents if incident.kind == "errors"]
    assert incidents
    exclude = [{"start": stamp(incident.start - 600), "end": stamp(incident.end + 1200)} for incident in incidents]
    spec = {
        "sourceRef": {"name": "loop"},
        "expr": ERRORS,
        "perLabels": ["service"],
        "history": {"window": "13d", "step": "5m", "exclude": {"ranges": exclude}},
        "interval": "1h",
        "delivery": {"mode": "Record"},
    }
    for name, estimator in ESTIMATORS.items():
        view.apply("ThresholdPolicy", name, {**spec, "estimator": estimator})
    witness(cluster, view, incidents)
    for name, excluded in WITNESSES.items():
        history = {"window": "13d", "step": "5m", "exclude": excluded(view)}
        view.apply("ThresholdPolicy", name, {**spec, "history": history, "estimator": RARE})
    unguarded = {**spec, "history": {"window": "13d", "step": "5m"}}
    view.apply("ThresholdPolicy", "plain", unguarded)
    view.apply("ThresholdPolicy", "learned", {**unguarded, "estimator": RARE})
    view.apply("ThresholdPolicy", "week", {**spec, "seasonal": {"timeZone": "Europe/Berlin", "minSamples": 20}})
    now = time.time() // STEP * STEP
    start = now - 13 * 86400
    normal, worst, this_hour = {}, {}, {}
    for series in cluster.prometheus.query_range(ERRORS, start, now, STEP):
        service = series["metric"]["service"]
        samples = np.array([(float(t), float(v)) for t, v in series["values"]])
        mine = [i for i in incidents if i.service == service]
        within = np.zeros(len(samples), dtype=bool)
        for incident in mine:
            within |= (samples[:, 0] >= incident.start - 600) & (samples[:, 0] <= incident.end + 1200)
        excluded = np.zeros(len(samples), dtype=bool)
        for incident in incidents:
            excluded |= (samples[:, 0] >= incident.start - 600) & (samples[:, 0] <= incident.end + 1200)
        same_hour = np.array([berlin(moment) == berlin(now) for moment in samples[:, 0]])
        this_hour[service] = np.nanmedian(samples[~excluded & same_hour, 1])
        normal[service] = np.nanquantile(samples[~within, 1], [0.5, 0.95])
        worst[service] = np.nanmax(samples[within, 1]) if within.any() else np.inf
    assert len(normal) == 4
    for name in [*ESTIMATORS, *WITNESSES, "plain", "week"]:
        view.reaches("tpol", name, "Loaded", "RuleLoaded", seconds=60)
        learned = thresholds(view, name)
        assert set(learned) == set(normal), name
        for service, threshold in learned.items():
            value = float(threshold["current"])
            usual = this_hour[service] if name == "week" else normal[service][0]  # an hour may be quieter than most
            assert usual < value < worst[service], (name, service, value)
            assert value < 8 * normal[service][1], (name, service, value)
            assert threshold["simulation"]["current"]["episodesPerWeek"], (name, service)
            assert threshold["samples"] > 3000
        assert len(history_of(view, name)) == 4, "one interval, one change each"
    view.reaches("tpol", "learned", "Loaded", "RuleLoaded", seconds=60)
    for service in {incident.service for incident in incidents}:
        incident_learned = float(thresholds(view, "learned")[service]["current"])
        for name in WITNESSES:
            threshold = thresholds(view, name)[service]
            assert float(threshold["current"]) < 0.7 * incident_learned, (name, service)
            assert any(note.startswith("history.exclude took") for note in threshold["notes"]), (name, service)
    spent = sum(float(t["simulation"]["current"]["episodesPerWeek"]) for t in thresholds(view, "budget").values())
    told = len(incidents) * 7 / 13 * 3  # what was left out is simulated all the same
    assert spent <= 4 + told
    hour = cluster.prometheus.query(f'opssight:hour_of_week{{namespace="{view.namespace}"}}')
    assert len(hour) == 1
    recorded = cluster.prometheus.query(f'opssight:threshold{{namespace="{view.namespace}",policy="week"}}')
    assert len(recorded) == 4
    here = int(float(hour[0]["value"][1]))
    assert {r["metric"]["service"]: float(r["value"][1]) for r in recorded} == {
        service: at_hour(t["hours"], here) for service, t in thresholds(view, "week").items()
    }


RARE = {"type": "Percentile", "percentile": {"percentile": "99.9"}}  # rarer than the incidents, so that it learns them
STRETCHED = {"before": "10m", "after": "20m"}
WITNESSES: dict[str, Callable[[View], dict[str, Any]]] = {
    "alerts": lambda view: {
        "alerts": [{"name": "ManyErrors", "labels": {"namespace": view.namespace}}],
        **STRETCHED,
    },
    "detectors": lambda view: {"detectors": ["errors-seen"], **STRETCHED},
}


def witness(cluster: Cluster, view: View, incidents: Sequence[Incident]) -> None:
    """Let an alert and a detector have seen each incident."""
    alert = {"__name__": "ALERTS", "alertname": "ManyErrors", "alertstate": "firing"}
    score = {"__name__": "opssight_anomaly_score", "detector": "errors-seen", "query": "errors"}
    for service in {incident.service for incident in incidents}:
        times = [t for i in incidents if i.service == service for t in np.arange(i.start, i.end + 60, 60.0).tolist()]
        where = {"namespace": view.namespace, "service": service}
        cluster.remote_write(
            [
                ({**alert, **where}, [(t, 1.0) for t in times]),
                ({**score, **where}, [(t, 2.5) for t in times]),
            ]
        )


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def berlin(seconds: float) -> tuple[int, int]:
    """Day of the week and hour in Berlin."""
    local = datetime.fromtimestamp(seconds, ZoneInfo("Europe/Berlin"))
    return local.weekday(), local.hour


def at_hour(hours: str, hour: int) -> float:
    """What the table in the status says for an hour of the week."""
    runs = [part.split(":") for part in hours.split()]
    return next(float(value) for first, value in reversed(runs) if int(first) <= hour)


def fast(case: str, **more: Any) -> dict[str, Any]:
    return {
        "sourceRef": {"name": "loop"},
        "expr": f'lever{{case="{case}"}}',
        "history": {"window": "10m", "step": "2s", "minDuration": "1m", "minCoverage": "0.5"},
        "interval": "2s",
        "delivery": {"mode": "Record"},
        **more,
    }


def test_when_traffic_doubles_the_threshold_follows_within_its_guardrails_and_no_further(
    cluster: Cluster, operator: OperatorProcess, lever: Lever, view: View
) -> None:
    lever.give(cluster, "traffic", [10 + 0.1 * (i % 5) for i in range(300)])
    guardrails = {"max": "16", "maxStep": "0.25", "cooldown": "4s", "whileFiring": "Allow"}
    view.apply("ThresholdPolicy", "follows", fast("traffic", guardrails=guardrails))
    view.apply("ThresholdPolicy", "frozen", fast("traffic", guardrails={**guardrails, "whileFiring": "Freeze"}))
    for name in ("follows", "frozen"):
        view.reaches("tpol", name, "Loaded", "RuleLoaded")
    first = float(thresholds(view, "follows")[""]["current"])
    assert first == pytest.approx(10.4)
    lever.values["traffic"] = 20.8
    try:
        eventually("its limit", lambda: thresholds(view, "follows")[""]["current"] == "16", seconds=120, pause=1)
    except AssertionError as error:
        raise AssertionError(f"{error}: {view.get('tpol', 'follows')}") from None
    time.sleep(8)  # four intervals, two cooldowns
    assert thresholds(view, "follows")[""]["current"] == "16", "and no further"
    steps = history_of(view, "follows")
    values = [float(step["to"]) for step in steps]
    assert values[0] == first and values == sorted(values)
    assert all(b <= a * 1.251 for a, b in pairwise(values)), values
    times = [time.mktime(time.strptime(step["at"], "%Y-%m-%dT%H:%M:%SZ")) for step in steps]
    assert all(b - a >= 4 for a, b in pairwise(times)), times
    assert thresholds(view, "frozen")[""]["current"] == str(first), "the expression is beyond it all the time"
    assert thresholds(view, "frozen")[""]["reason"] in ("Firing", "WithinDeadBand")
    query = f'opssight:threshold{{namespace="{view.namespace}",policy="follows"}}'
    eventually("Prometheus records it", lambda: [r["value"][1] for r in cluster.prometheus.query(query)] == ["16"])


def test_with_default_guardrails_traffic_that_has_doubled_is_followed_after_a_day_and_by_one_step(
    cluster: Cluster, operator: OperatorProcess, view: View
) -> None:
    operator.stop()  # it takes the thresholds of its last run from the status that it finds
    now = time.time() // 60 * 60
    policies = {"new-level": 25, "incident": 23}  # hours since traffic has doubled
    specs = {}
    for name, hours in policies.items():
        past = [(now - 60 * i, (10 if i > 60 * hours else 20) + 0.1 * (i % 5)) for i in range(15 * 1440, -1, -1)]
        cluster.remote_write([({"__name__": "traffic", "policy": name, "namespace": view.namespace}, past)])
        expr = f'max(traffic{{policy="{name}",namespace="{view.namespace}"}})'
        specs[name] = {"sourceRef": {"name": "loop"}, "expr": expr, "interval": "3s", "delivery": {"mode": "Record"}}
        view.apply("ThresholdPolicy", name, specs[name])
        learned = {"labels": {}, "current": "10.4", "reason": "Changed", "message": "", "changedAt": stamp(now - 7200)}
        digest = learning_digest(ThresholdPolicySpec.model_validate(specs[name]))
        status = json.dumps({"status": {"count": 1, "digest": digest, "thresholds": [learned]}})
        cluster.kubectl(
            "patch", "tpol", name, "-n", view.namespace, "--subresource=status", "--type=merge", "-p", status
        )
    operator.start()
    eventually("a step", lambda: thresholds(view, "new-level")[""]["current"] != "10.4", seconds=60)
    step = thresholds(view, "new-level")[""]["current"]
    assert float(step) == pytest.approx(13, rel=0.001)
    eventually("frozen", lambda: "proposed" in thresholds(view, "incident")[""], seconds=60)
    assert float(thresholds(view, "incident")[""]["proposed"]) > 20
    time.sleep(6)  # two intervals
    assert thresholds(view, "new-level")[""]["current"] == step, "the next one is an hour away"
    assert "is the new level" in history_of(view, "new-level")[-1]["why"]
    assert thresholds(view, "incident")[""]["current"] == "10.4"
    assert thresholds(view, "incident")[""]["reason"] == "Firing"
    assert history_of(view, "incident") == []


WRONG = 'lever{case="wrong"}'
MODES = ("record", "render", "patch")


def delivering(mode: str, view: View) -> dict[str, Any]:
    """Alert and delivery of a policy whose threshold will prove wrong; the alert that uses it fires at once."""
    if mode == "record":
        labels = {"namespace": view.namespace}
        return {"alert": {"name": "WrongRecord", "labels": labels, "for": "0s"}, "delivery": {"mode": "Record"}}
    if mode == "render":  # with a term that the prediction has to ask Prometheus about
        render = {"expr": f'{WRONG} > $threshold unless on () up{{job="lever"}} == 0', "labels": {"severity": "page"}}
        return {"alert": {"name": "WrongRender", "for": "0s"}, "delivery": {"mode": "Render", "render": render}}
    return {"delivery": {"mode": "Patch", "patch": {"target": {"name": "theirs"}, "alert": "WrongPatch"}}}


def put_rule(view: View, name: str, rule: dict[str, Any], **labels: str) -> None:
    body = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "namespace": view.namespace, "labels": labels},
        "spec": {"groups": [{"name": f"{name}-{view.namespace}", "rules": [rule]}]},
    }
    view.cluster.api("POST", f"/apis/monitoring.coreos.com/v1/namespaces/{view.namespace}/prometheusrules", body)


def test_a_threshold_that_raises_more_alerts_than_predicted_is_rolled_back_in_every_mode(
    cluster: Cluster, operator: OperatorProcess, lever: Lever, view: View
) -> None:
    lever.give(cluster, "wrong", [8 + i / 150 for i in range(300)])  # from 8 to 10, once
    joined = f'opssight:threshold{{policy="record",namespace="{view.namespace}"}}'
    expr = f"{WRONG} > on() group_left() (max({joined}) or on() vector(99))"
    put_rule(view, "from-git", {"alert": "WrongRecord", "expr": expr, "labels": {"namespace": view.namespace}})
    patched = {"alert": "WrongPatch", "expr": f"{WRONG} > 11 # theirs", "labels": {"severity": "page"}}
    put_rule(view, "theirs", patched, **{"opssight.dev/patch": "allowed"})
    # steps of a quarter, and one change at a time
    slow, quick = ({"whileFiring": "Allow", "cooldown": cooldown} for cooldown in ("10m", "0s"))
    outcome = {"after": "1m", "until": "10m"}
    specs = {mode: fast("wrong", outcome=outcome, interval="5s", **delivering(mode, view)) for mode in MODES}

    def apply(**changes: Any) -> None:
        for mode, spec in specs.items():
            view.apply("ThresholdPolicy", mode, {**spec, **changes})

    apply(guardrails=slow)
    for mode in MODES:
        view.reaches("tpol", mode, "Loaded", "RuleLoaded", seconds=60)
    good = {mode: thresholds(view, mode)[""]["current"] for mode in MODES}
    lever.values["wrong"] = 8.0
    lowered = {"type": "Percentile", "percentile": {"percentile": "50"}}
    apply(estimator=lowered, guardrails=quick)
    for mode in MODES:
        eventually(f"a lower threshold of {mode}", lambda m=mode: len(history_of(view, m)) == 2, seconds=30)  # type: ignore[misc]
    apply(estimator=lowered, guardrails=slow)
    good["patch"] = "11"  # what stood there, since the first step had not yet proved good
    assert {mode: thresholds(view, mode)[""]["outcome"]["lastGood"] for mode in MODES} == good
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and any(len(history_of(view, mode)) == 2 for mode in MODES):
        lever.values["wrong"] = 12.0
        time.sleep(4)
        lever.values["wrong"] = 8.0
        time.sleep(9)
    for mode in MODES:
        _, changed, back = history_of(view, mode)
        assert (back["reason"], back["from"], back["to"]) == ("RolledBack", changed["to"], good[mode]), mode
        assert "predicted were" in back["why"]
        assert float(changed["observedEpisodesPerWeek"]) > float(changed["predictedEpisodesPerWeek"])
        eventually("the condition", lambda m=mode: view.condition("tpol", m, "AsPredicted")[1] == "RolledBack")  # type: ignore[misc]
        view.reaches("tpol", mode, "Loaded", "RuleLoaded", seconds=60)
    eventually("an Event of each", lambda: len(view.events("ThresholdRolledBack")) == len(MODES))
    assert [r["value"][1] for r in cluster.prometheus.query(joined)] == [good["record"]]
    evaluated = {r["name"]: r["query"] for group in cluster.prometheus.rule_groups() for r in group["rules"]}
    assert evaluated["WrongRender"] == f'{WRONG} > {good["render"]} unless on () up{{job="lever"}} == 0'
    path = f"/apis/monitoring.coreos.com/v1/namespaces/{view.namespace}/prometheusrules/theirs"
    (group,) = cluster.api("GET", path)["spec"]["groups"]
    assert group["rules"][0]["expr"] == f"{WRONG} > {good['patch']} # theirs"


BAD: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "a typo in the expression": ({"expr": "sum(lever"}, "InvalidQuery", ("expr",)),
    "an expression that Prometheus alone refuses": (
        {"expr": 'label_replace(lever, "a", "b", "c", "(")'},
        "InvalidQuery",
        ("expr",),
    ),
    "two series where one may match": ({"expr": "many_values * on() many_values"}, "InvalidQuery", ("expr",)),
    "a label that does not exist": ({"perLabels": ["team"]}, "InvalidSpec", ("perLabels", "'team'")),
    "a time zone that does not exist": (
        {"alert": {"timeZone": "Mars/North"}},
        "InvalidSpec",
        ("alert.timeZone", "Mars"),
    ),
    "hours of a time zone that does not exist": (
        {"seasonal": {"timeZone": "Mars/North"}},
        "InvalidSpec",
        ("seasonal", "Mars"),
    ),
    "a day that does not exist": (
        {
            "history": {
                **fast("bad")["history"],
                "exclude": {"ranges": [{"start": "2026-02-30T00:00:00Z", "end": "2026-03-01T00:00:00Z"}]},
            }
        },
        "InvalidSpec",
        ("history.exclude.ranges[0]", "day is out of range"),
    ),
    "less history than is asked for": (
        {"expr": 'lever{case="short"}', "history": {**fast("short")["history"], "minDuration": "9m"}},
        "InsufficientHistory",
        ("span", "history.minDuration asks for 9m"),
    ),
    "no such metric": ({"expr": "no_such_metric"}, "NoData", ("expr", "10m")),
    "five thousand label values": (
        {"expr": "many_values", "perLabels": ["n"]},
        "TooMuchData",
        ("5000 thresholds", "perLabels"),
    ),
}


def test_a_bad_policy_gets_a_condition_that_names_the_field(
    cluster: Cluster, operator: OperatorProcess, lever: Lever, view: View
) -> None:
    lever.give(cluster, "bad", [1.0 + i % 3 for i in range(300)])
    lever.give(cluster, "short", [1.0] * 30)
    now = time.time() // 2 * 2
    cluster.remote_write(
        [
            ({"__name__": "many_values", "n": f"{n:04}"}, [(now - 2 * i, float(n)) for i in range(60, -1, -1)])
            for n in range(5000)
        ]
    )
    for number, (spec, _, _) in enumerate(BAD.values()):
        view.apply("ThresholdPolicy", f"bad-{number}", {**fast("bad"), "interval": "20s", **spec})
    for number, (words, (_, reason, fragments)) in enumerate(BAD.items()):
        message = view.reaches("tpol", f"bad-{number}", reason, seconds=60)
        for fragment in fragments:
            assert fragment in message, (words, message)
