"""What the API server must take and refuse, as a table: a sentence, a manifest, and what the refusal must say.

Both the offline check (contract) and the real API server (component) read this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contract import report_manifests
from opssight_operator.api import API_VERSION

Manifest = dict[str, Any]
LONG = "x" * 5000


@dataclass(frozen=True)
class Refused:
    """A manifest, and fragments that the message of its refusal must have: field, value, what is allowed."""

    manifest: Manifest
    says: tuple[str, ...]


def detector(*, name: str = "latency", query: Manifest | None = None, **spec: Any) -> Manifest:
    """A detector of one query; ``query`` changes that query, everything else is a field of the spec."""
    queries = [{"name": "p99", "expr": "latency_p99", **(query or {})}]
    return _manifest("AnomalyDetector", name, "default", {"queries": queries, **spec})


def policy(*, name: str = "errors", **spec: Any) -> Manifest:
    """A policy with all defaults; everything else is a field of the spec."""
    return _manifest("ThresholdPolicy", name, "default", {"expr": "error_ratio", **spec})


def source(*, name: str = "main", **spec: Any) -> Manifest:
    """A source; everything else is a field of the spec."""
    return _manifest("MetricsSource", name, None, {"url": "http://prometheus:9090", **spec})


def without(manifest: Manifest, *path: str) -> Manifest:
    """``manifest`` without the field at ``path`` of its spec."""
    spec = dict(manifest["spec"])
    manifest = {**manifest, "spec": spec}
    for key in path[:-1]:
        spec[key] = dict(spec[key])
        spec = spec[key]
    del spec[path[-1]]
    return manifest


def _manifest(kind: str, name: str, namespace: str | None, spec: Manifest) -> Manifest:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


TWO_QUERIES = [{"name": "p99", "expr": "latency_p99"}, {"name": "errors", "expr": "error_ratio"}]
TOKEN = {"name": "prom-token", "key": "token"}

ACCEPTED: dict[str, Manifest] = {
    "a detector of one query": detector(),
    "a detector that is evaluated once a day": detector(interval="1d"),
    "an interval of weeks and days": detector(interval="1w2d", trainingWindow="4w"),
    "an interval of exactly a second": detector(interval="1000ms"),
    "a detector with every policy of a metric": detector(
        query={
            "direction": "Above",
            "minDeviation": {"absolute": "0.05", "relative": "0.2"},
            "range": {"min": "0"},
            "volume": {"expr": "sum(rate(requests_total[5m]))", "min": "0.5"},
        }
    ),
    "a negative range": detector(query={"range": {"min": "-273.15", "max": "-1"}}),
    "a method with its own block": detector(method={"type": "RobustZScore", "robustZScore": {"sensitivity": "3.5"}}),
    "a block alone, of the default method": detector(method={"adaptive": {"sensitivity": "High"}}),
    "every method with its block": detector(
        method={
            "type": "Shewhart",
            "shewhart": {"rules": ["NineOnASide", "SixTrending"], "sensitivity": "2.5"},
        },
        acceptAfter="2h",
    ),
    "a network that learns windows": detector(
        method={"type": "Autoencoder", "autoencoder": {"kind": "Network", "window": 32, "code": 6, "epochs": 50}},
    ),
    "peers by density": detector(
        method={"type": "PeerOutlier", "peerOutlier": {"measure": "Density", "minPeers": 4}},
    ),
    "an alert with labels, annotations and a rule selector": detector(
        alert={
            "for": "0s",
            "keepFiringFor": "10m",
            "labels": {"severity": "critical", "_team": "shop"},
            "annotations": {
                "runbook_url": "https://runbooks/{{ $labels.service }}",
                "summary": "{{$labels.query}}: {{- $value | humanizePercentage | toUpper -}} {of} {",
            },
            "ruleLabels": {"release": "kube-prometheus-stack", "example.com/team": ""},
        }
    ),
    "queries that are judged together": detector(
        queries=TWO_QUERIES,
        together={
            "name": "both",
            "by": ["service"],
            "needed": 1,
            "weights": [{"query": "errors", "weight": "2.5"}],
        },
    ),
    "queries that are judged together by all their labels": detector(queries=TWO_QUERIES, together={}),
    "ten queries": detector(queries=[{"name": f"q{i}", "expr": "up"} for i in range(10)]),
    "the shortest training window that holds the samples": detector(trainingWindow="30m", step="1m"),
    "a suspended detector of another source": detector(suspend=True, sourceRef={"name": "prometheus.west"}),
    "a name of 200 characters": detector(name="x" * 200),
    "a policy with all defaults": policy(),
    "a policy with everything": policy(
        bound="Lower",
        perLabels=["service", "namespace"],
        history={"window": "30d", "step": "5m", "minCoverage": "0.5", "minDuration": "7d"},
        interval="1d",
        estimator={"type": "Percentile", "percentile": {"percentile": "99.9", "margin": "0.1"}},
        guardrails={
            "min": "-0.5",
            "max": "0.2",
            "maxStep": "1",
            "deadBand": "0",
            "cooldown": "0s",
            "whileFiring": "Allow",
            "freezeAtMost": "6h",
        },
        alert={
            "name": "ManyErrors",
            "labels": {"team": "shop"},
            "for": "15m",
            "keepFiringFor": "1h",
            "timeZone": "America/Argentina/Buenos_Aires",
        },
        outcome={"action": "Report", "after": "12h", "until": "2w", "hold": "0s"},
        delivery={
            "mode": "Record",
            "record": {"ruleLabels": {"release": "prometheus"}, "sharedObject": "thresholds.shop"},
        },
    ),
    "a policy that renders its alert, with everything": policy(
        perLabels=["service"],
        alert={"name": "ManyErrors", "labels": {"severity": "critical"}},
        delivery={
            "mode": "Render",
            "render": {
                "expr": "error_ratio > $threshold",
                "default": "0.05",
                "labels": {"team": "{{ $labels.team }}"},
                "annotations": {"runbook_url": "https://runbooks.example.com/errors"},
                "ruleLabels": {"release": "prometheus"},
                "interval": "30s",
                "volumeGuard": {"expr": "sum by (service) (rate(requests_total[5m]))", "min": "0.5"},
                "recover": {"margin": "0.2"},
            },
        },
    ),
    "a policy that patches one number, with everything": policy(
        delivery={
            "mode": "Patch",
            "patch": {
                "target": {"name": "kube-prometheus-rules"},
                "group": "node-exporter",
                "alert": "NodeFilesystemAlmostOutOfSpace",
                "labels": {"severity": "warning"},
                "literal": {"occurrence": 2, "metric": "node_filesystem_avail_bytes", "value": "5"},
            },
        }
    ),
    **{
        f"a policy with every parameter of {kind}": policy(
            estimator={"type": kind, kind[0].lower() + kind[1:]: parameters}
        )
        for kind, parameters in {
            "DecayingHistogram": {"percentile": "99", "halfLife": "12h", "margin": "0.1"},
            "PeaksOverThreshold": {"rate": "0.0001", "level": "0.5", "margin": "1"},
            "AlertBudget": {"episodesPerWeek": "0.25", "mostTimeFiring": "1"},
            "ExceedanceRate": {"rate": "0.1", "recent": "1d", "hold": "24h"},
        }.items()
    },
    "a history without its incidents": policy(
        history={
            "exclude": {
                "alerts": [{"name": "ManyErrors", "labels": {"service": "checkout"}}, {"name": "Slow"}],
                "detectors": ["checkout-latency"],
                "ranges": [{"start": "2026-03-29T12:00:00Z", "end": "2026-03-30T00:00:00Z"}],
                "before": "15m",
                "after": "0s",
            }
        }
    ),
    "a threshold for each hour of the week": policy(
        seasonal={"timeZone": "Europe/Berlin", "minSamples": 50, "minWeeks": 1},
        estimator={"type": "DecayingHistogram"},
        delivery={"mode": "Record"},
    ),
    "a history of one day": policy(history={"window": "24h"}),
    "a source with a path": source(url="https://mimir.example.com:8443/prometheus"),
    "a source with a numeric address": source(url="http://[fd00::1]:9090/"),
    "a source of a tenant of Mimir": source(
        url="https://mimir.example.com/prometheus",
        headers={"X-Scope-OrgID": "shop|bank"},
        auth={"basic": {"username": "12345", "passwordSecretRef": TOKEN}},
    ),
    "a source that asks who we are": source(
        url="https://prometheus:9090", tls={"clientCertificate": {"certSecretRef": TOKEN, "keySecretRef": TOKEN}}
    ),
    "a source with everything": source(
        url="https://prometheus.monitoring.svc:9090",
        auth={"bearerToken": {"secretRef": TOKEN}},
        tls={"caSecretRef": {"name": "prom-ca", "key": "ca.crt"}},
        tenancy={
            "enforcedMatchers": [{"label": "namespace", "value": "$(namespace)"}, {"label": "cluster", "value": "eu"}],
            "allowedNamespaces": {"names": ["shop", "bank"], "matchLabels": {"example.com/tenant": "yes"}},
        },
        limits={
            "timeout": "1m30s",
            "maxSeries": 50000,
            "maxPointsPerQuery": 11000,
            "maxBytes": 1073741824,
            "concurrency": 64,
        },
    ),
}

A_DURATION = "must be a duration such as 30s, 5m, 1h30m or 7d"
A_NUMBER = "must be a decimal number such as 0.05, 3 or -1.5"

REFUSED: dict[str, Refused] = {
    # AnomalyDetector
    "a detector without queries": Refused(without(detector(), "queries"), ("spec.queries", "Required value")),
    "an empty list of queries": Refused(detector(queries=[]), ("spec.queries", "at least 1 items")),
    "eleven queries": Refused(
        detector(queries=[{"name": f"q{i}", "expr": "up"} for i in range(11)]), ("spec.queries", "11", "10")
    ),
    "two queries of one name": Refused(
        detector(queries=[{"name": "p99", "expr": "a"}, {"name": "p99", "expr": "b"}]),
        ("spec.queries[1]", "Duplicate value", "p99"),
    ),
    "a query without a name": Refused(detector(queries=[{"expr": "up"}]), ("spec.queries[0].name", "Required value")),
    "a query whose name has capitals": Refused(
        detector(query={"name": "P99"}), ("spec.queries[0].name", '"P99"', "lower-case letters, digits and hyphens")
    ),
    "a query whose name ends in a line break": Refused(
        detector(query={"name": "p99\n"}), ("spec.queries[0].name", "lower-case letters, digits and hyphens")
    ),
    "an empty expression": Refused(detector(query={"expr": ""}), ("spec.queries[0].expr", "at least 1 chars long")),
    "an expression without an end": Refused(detector(query={"expr": LONG}), ("spec.queries[0].expr", "4096")),
    "a direction that is none": Refused(
        detector(query={"direction": "Up"}), ("spec.queries[0].direction", '"Up"', '"Above", "Below", "Both"')
    ),
    "a number that is not a string": Refused(
        detector(query={"minDeviation": {"absolute": 0.05}}),
        ("spec.queries[0].minDeviation.absolute", "must be of type string"),
    ),
    "a number in words": Refused(
        detector(query={"minDeviation": {"absolute": "a lot"}}),
        ("spec.queries[0].minDeviation.absolute", '"a lot"', A_NUMBER),
    ),
    "a number that is none": Refused(
        detector(query={"range": {"max": "NaN"}}), ("spec.queries[0].range.max", '"NaN"', A_NUMBER)
    ),
    "a negative deviation": Refused(
        detector(query={"minDeviation": {"relative": "-0.2"}}),
        ("spec.queries[0].minDeviation.relative", '"-0.2"', "at least 0"),
    ),
    "an empty minDeviation": Refused(
        detector(query={"minDeviation": {}}), ("spec.queries[0].minDeviation", "empty", "absolute, relative or both")
    ),
    "an empty range": Refused(detector(query={"range": {}}), ("spec.queries[0].range", "empty", "min, max or both")),
    "a range upside down": Refused(
        detector(query={"range": {"min": "10", "max": "9.5"}}),
        ("spec.queries[0].range", "min is 10", "max is 9.5", "min must be less than max"),
    ),
    "a range of one point": Refused(
        detector(query={"range": {"min": "1", "max": "1.0"}}), ("range.min is 1 and range.max is 1.0",)
    ),
    "a volume of nothing": Refused(
        detector(query={"volume": {"expr": "up", "min": "0"}}), ("spec.queries[0].volume.min", '"0"', "above 0")
    ),
    "a volume without its limit": Refused(
        detector(query={"volume": {"expr": "up"}}), ("spec.queries[0].volume.min", "Required value")
    ),
    "a step in words": Refused(detector(step="5 minutes"), ("spec.step", '"5 minutes"', A_DURATION)),
    "a step without a unit": Refused(detector(step="5"), ("spec.step", '"5"', A_DURATION)),
    "a step with a fraction": Refused(detector(step="1.5m"), ("spec.step", '"1.5m"', A_DURATION)),
    "a step that is too small": Refused(detector(step="999ms"), ("spec.step", '"999ms"', "at least 1s")),
    "units in the wrong order": Refused(detector(interval="30m1h"), ("spec.interval", '"30m1h"', A_DURATION)),
    "an interval of no days": Refused(detector(interval="0d"), ("spec.interval", '"0d"', "at least 1s")),
    "a duration beyond all numbers": Refused(
        detector(trainingWindow="99999999999w"), ("spec.trainingWindow", '"99999999999w"', A_DURATION)
    ),
    "a training window that is too short": Refused(
        detector(trainingWindow="29m", step="1m"),
        ("spec.trainingWindow", "trainingWindow is 29m", "step is 1m", "minTrainingSamples"),
    ),
    "a training window that days and weeks do not save": Refused(
        detector(trainingWindow="1w", step="1d"), ("trainingWindow is 1w and step is 1d",)
    ),
    "fewer training samples than a spread needs": Refused(
        detector(minTrainingSamples=2), ("spec.minTrainingSamples", "2", "greater than or equal to 3")
    ),
    "a method that is none": Refused(
        detector(method={"type": "Magic"}), ("spec.method.type", '"Magic"', '"ZScore", "RobustZScore"')
    ),
    "the block of another method": Refused(
        detector(method={"type": "ZScore", "robustZScore": {}}),
        ("spec.method", "method.robustZScore is set and method.type is ZScore", "only when type is RobustZScore"),
    ),
    "the block of the default method with another": Refused(
        detector(method={"type": "RobustZScore", "zScore": {}}),
        ("spec.method", "method.zScore is set and method.type is RobustZScore", "only when type is ZScore"),
    ),
    "a sensitivity of zero": Refused(
        detector(method={"type": "ZScore", "zScore": {"sensitivity": "0"}}),
        ("spec.method.zScore.sensitivity", '"0"', "at least 0.000001 and at most 100"),
    ),
    "a word that is no sensitivity": Refused(
        detector(method={"adaptive": {"sensitivity": "Extreme"}}),
        ("spec.method.adaptive.sensitivity", "Extreme", "Low", "Medium", "High"),
    ),
    "a block of another method than the default": Refused(
        detector(method={"seasonal": {"timeZone": "Europe/Berlin"}}),
        (
            "spec.method",
            "method.seasonal is set and method.type is Adaptive",
        ),
    ),
    "a rule that no chart knows": Refused(
        detector(method={"type": "Shewhart", "shewhart": {"rules": ["TwelveInARow"]}}),
        ("spec.method.shewhart.rules", "TwelveInARow", "NineOnASide"),
    ),
    "a code wider than it may be": Refused(
        detector(method={"type": "Autoencoder", "autoencoder": {"code": 65}}),
        ("spec.method.autoencoder.code", "64"),
    ),
    "one query together with nothing": Refused(
        detector(together={}), ("spec.together", "together needs two queries at least")
    ),
    "a joint score with the name of a query": Refused(
        detector(queries=TWO_QUERIES, together={"name": "errors"}),
        ("spec.together.name", "together.name is errors, which is the name of a query"),
    ),
    "a weight of no query": Refused(
        detector(queries=TWO_QUERIES, together={"weights": [{"query": "cpu", "weight": "2"}]}),
        ("spec.together.weights", "must name queries of this detector"),
    ),
    "a weight of nothing": Refused(
        detector(queries=TWO_QUERIES, together={"weights": [{"query": "errors", "weight": "0"}]}),
        ("spec.together.weights[0].weight", '"0"', "above 0"),
    ),
    "no time at all until a level is accepted": Refused(
        detector(acceptAfter="0s"),
        ("spec.acceptAfter", "0s", "at least 1s"),
    ),
    "a sensitivity out of reach": Refused(
        detector(method={"type": "RobustZScore", "robustZScore": {"sensitivity": "100.1"}}),
        ("spec.method.robustZScore.sensitivity", '"100.1"', "at most 100"),
    ),
    "an alert whose for is no duration": Refused(
        detector(alert={"for": "soon"}), ("spec.alert.for", '"soon"', A_DURATION)
    ),
    "an alert label with a hyphen": Refused(
        detector(alert={"labels": {"my-team": "shop", "severity": "page"}}),
        ("spec.alert.labels", '"my-team"', "label name", "letters, digits and underscores"),
    ),
    "an annotation that is Prometheus' own": Refused(
        detector(alert={"annotations": {"__name__": "x"}}),
        ("spec.alert.annotations", '"__name__"', "no two underscores in front"),
    ),
    "an annotation that asks Prometheus": Refused(
        detector(alert={"annotations": {"summary": '{{ query "secrets" }}'}}),
        ("spec.alert.annotations[summary]", '"{{ query "secrets" }}"', "could read the series of everybody"),
    ),
    "a label that asks Prometheus": Refused(
        detector(alert={"labels": {"team": '{{ with query "up" }}{{ . | first | value }}{{ end }}'}}),
        ("spec.alert.labels[team]", "could read the series of everybody"),
    ),
    "an alert in the name of another namespace": Refused(
        detector(alert={"labels": {"namespace": "kube-system"}}),
        ("spec.alert.labels", "must not set namespace", "in the name of others"),
    ),
    "a label of the rule that Kubernetes would refuse": Refused(
        detector(alert={"ruleLabels": {"release": "kube prometheus"}}),
        ("spec.alert.ruleLabels[release]", '"kube prometheus"', "label value of Kubernetes"),
    ),
    "a label key of the rule that Kubernetes would refuse": Refused(
        detector(alert={"ruleLabels": {"a/b/c": "x"}}),
        ("spec.alert.ruleLabels", '"a/b/c"', "label key of Kubernetes"),
    ),
    "a reference to a name that cannot be": Refused(
        detector(sourceRef={"name": "Main_Prometheus"}),
        ("spec.sourceRef.name", '"Main_Prometheus"', "lower-case letters, digits, hyphens and dots"),
    ),
    "suspend as a word": Refused(detector(suspend="yes"), ("spec.suspend", "must be of type boolean")),
    "a name of 201 characters": Refused(detector(name="x" * 201), ("at most 200 characters",)),
    "an object without a spec": Refused(
        {key: value for key, value in detector().items() if key != "spec"}, ("spec", "Required value")
    ),
    # ThresholdPolicy
    "a policy without an expression": Refused(without(policy(), "expr"), ("spec.expr", "Required value")),
    "a bound that is none": Refused(policy(bound="upper"), ("spec.bound", '"upper"', '"Upper", "Lower"')),
    "perLabels of the recorded threshold": Refused(
        policy(perLabels=["service", "policy"]),
        ("spec.perLabels", "perLabels is service, policy", "must not contain policy or bound"),
    ),
    "a label twice": Refused(policy(perLabels=["a", "a"]), ("spec.perLabels[1]", "Duplicate value", '"a"')),
    "a label that is no label name": Refused(
        policy(perLabels=["2xx"]), ("spec.perLabels[0]", '"2xx"', "label name", "no digit")
    ),
    "nine labels": Refused(policy(perLabels=[f"l{i}" for i in range(9)]), ("spec.perLabels", "9", "8")),
    "a percentile of a hundred": Refused(
        policy(estimator={"percentile": {"percentile": "100"}}),
        ("spec.estimator.percentile.percentile", '"100"', "above 0 and below 100"),
    ),
    "a margin below the percentile": Refused(
        policy(estimator={"percentile": {"margin": "-0.1"}}),
        ("spec.estimator.percentile.margin", '"-0.1"', "at least 0 and at most 10"),
    ),
    "a percentile of 101": Refused(
        policy(estimator={"percentile": {"percentile": "101"}}),
        ("spec.estimator.percentile.percentile", '"101"', "above 0 and below 100"),
    ),
    **{
        f"the block {block} of another estimator": Refused(
            policy(estimator={"type": kind, block: {}}),
            (
                "spec.estimator",
                f"estimator.{block} is set and estimator.type is {kind}",
                "may be set only when type is",
            ),
        )
        for block, kind in {
            "percentile": "AlertBudget",
            "decayingHistogram": "Percentile",
            "peaksOverThreshold": "ExceedanceRate",
            "alertBudget": "DecayingHistogram",
            "exceedanceRate": "PeaksOverThreshold",
        }.items()
    },
    "a rate of nothing": Refused(
        policy(estimator={"type": "PeaksOverThreshold", "peaksOverThreshold": {"rate": "0"}}),
        ("spec.estimator.peaksOverThreshold.rate", '"0"', "above 0 and below 1"),
    ),
    "a tail that is half of all": Refused(
        policy(estimator={"type": "PeaksOverThreshold", "peaksOverThreshold": {"level": "0.4"}}),
        ("spec.estimator.peaksOverThreshold.level", '"0.4"', "at least 0.5 and below 1"),
    ),
    "a half-life of nothing": Refused(
        policy(estimator={"type": "DecayingHistogram", "decayingHistogram": {"halfLife": "0s"}}),
        ("spec.estimator.decayingHistogram.halfLife", '"0s"', "at least 1s"),
    ),
    "a budget of nothing": Refused(
        policy(estimator={"type": "AlertBudget", "alertBudget": {"episodesPerWeek": "0"}}),
        ("spec.estimator.alertBudget.episodesPerWeek", '"0"', "above 0"),
    ),
    "more than all the time firing": Refused(
        policy(estimator={"type": "AlertBudget", "alertBudget": {"mostTimeFiring": "1.5"}}),
        ("spec.estimator.alertBudget.mostTimeFiring", '"1.5"', "at most 1"),
    ),
    "a recent time longer than the hold": Refused(
        policy(estimator={"type": "ExceedanceRate", "exceedanceRate": {"recent": "2d"}}),
        ("spec.estimator.exceedanceRate.recent", "recent is 2d and exceedanceRate.hold is 1d", "must not be longer"),
    ),
    "an estimator that is none": Refused(
        policy(estimator={"type": "Guess"}), ("spec.estimator.type", '"Guess"', '"Percentile"')
    ),
    "a coverage in per cent": Refused(
        policy(history={"minCoverage": "80"}), ("spec.history.minCoverage", '"80"', "at least 0 and at most 1")
    ),
    "more history asked for than there is": Refused(
        policy(history={"window": "6h"}),
        ("spec.history.minDuration", "minDuration is 1d and history.window is 6h", "must not be longer than window"),
    ),
    "a step longer than the history": Refused(
        policy(history={"window": "1d", "step": "2d"}), ("spec.history.step", "step is 2d and history.window is 1d")
    ),
    "a range that ends before it starts": Refused(
        policy(history={"exclude": {"ranges": [{"start": "2026-03-30T00:00:00Z", "end": "2026-03-29T00:00:00Z"}]}}),
        ("spec.history.exclude.ranges[0]", "start is 2026-03-30T00:00:00Z", "start must be before end"),
    ),
    "a range in another time zone": Refused(
        policy(
            history={"exclude": {"ranges": [{"start": "2026-03-29T00:00:00+02:00", "end": "2026-03-30T00:00:00Z"}]}}
        ),
        ("spec.history.exclude.ranges[0].start", "a UTC time such as 2026-03-29T12:00:00Z"),
    ),
    "one alert left out twice": Refused(
        policy(history={"exclude": {"alerts": [{"name": "Slow"}, {"name": "Slow", "labels": {"a": "b"}}]}}),
        ("spec.history.exclude.alerts[1]", "Duplicate value", "Slow"),
    ),
    "an alert left out by a label that is none": Refused(
        policy(history={"exclude": {"alerts": [{"name": "Slow", "labels": {"my-team": "a"}}]}}),
        ("spec.history.exclude.alerts[0].labels", '"my-team"', "label name"),
    ),
    "a stretch before incidents that is no duration": Refused(
        policy(history={"exclude": {"before": "-5m"}}), ("spec.history.exclude.before", '"-5m"', A_DURATION)
    ),
    "limits upside down": Refused(
        policy(guardrails={"min": "0.5", "max": "0.1"}),
        ("spec.guardrails", "min is 0.5", "max is 0.1", "min must be less than max"),
    ),
    "a dead band that no step can leave": Refused(
        policy(guardrails={"deadBand": "0.5"}),
        ("spec.guardrails", "deadBand is 0.5", "maxStep is 0.25", "deadBand must be less than maxStep"),
    ),
    "a step of nothing": Refused(
        policy(guardrails={"maxStep": "0", "deadBand": "0"}), ("spec.guardrails.maxStep", '"0"', "above 0")
    ),
    "a step in per cent": Refused(
        policy(guardrails={"maxStep": "25"}), ("spec.guardrails.maxStep", '"25"', "at most 10")
    ),
    "a cooldown that is no duration": Refused(
        policy(guardrails={"cooldown": "1 hour"}), ("spec.guardrails.cooldown", '"1 hour"', A_DURATION)
    ),
    "a freeze that is no duration": Refused(
        policy(guardrails={"freezeAtMost": "forever"}), ("spec.guardrails.freezeAtMost", '"forever"', A_DURATION)
    ),
    "a word for whileFiring that is none": Refused(
        policy(guardrails={"whileFiring": "Wait"}),
        ("spec.guardrails.whileFiring", '"Wait"', '"Freeze", "Allow"'),
    ),
    "an alert without a name": Refused(policy(alert={"name": ""}), ("spec.alert.name", "at least 1 chars long")),
    "an outcome that is never judged": Refused(
        policy(outcome={"after": "8d"}),
        ("spec.outcome.after", "outcome.after is 8d and outcome.until is 7d", "after must not be longer than until"),
    ),
    "an action that is none": Refused(
        policy(outcome={"action": "Undo"}), ("spec.outcome.action", '"Undo"', '"RollBack", "Report"')
    ),
    "a time zone with a blank": Refused(
        policy(alert={"timeZone": "New York"}), ("spec.alert.timeZone", '"New York"', "such as UTC or Europe/Berlin")
    ),
    "hours of the week with a budget": Refused(
        policy(seasonal={}, estimator={"type": "AlertBudget"}),
        ("spec.seasonal", "estimator.type is AlertBudget", "Percentile, DecayingHistogram, PeaksOverThreshold"),
    ),
    "hours of the week without weeks": Refused(
        policy(seasonal={"minWeeks": 0}), ("spec.seasonal.minWeeks", "0", "greater than or equal to 1")
    ),
    "a mode that is none": Refused(
        policy(delivery={"mode": "Overwrite"}), ("spec.delivery.mode", '"Overwrite"', '"Recommend", "Record"')
    ),
    "a patch of nothing": Refused(policy(delivery={"mode": "Patch"}), ("spec.delivery", "delivery.patch must be set")),
    "a patch for several thresholds": Refused(
        policy(perLabels=["a"], delivery={"mode": "Patch", "patch": {"target": {"name": "a"}, "alert": "A"}}),
        ("spec.perLabels", "must be empty when delivery.mode is Patch"),
    ),
    "a patch in the block of another mode": Refused(
        policy(delivery={"mode": "Record", "patch": {"target": {"name": "a"}, "alert": "A"}}),
        ("spec.delivery", "delivery.mode is Record", "only when mode is Patch"),
    ),
    "a rendered alert without a name": Refused(
        policy(delivery={"mode": "Render"}), ("spec.alert", "alert.name must be set when delivery.mode is Render")
    ),
    "an alert that speaks for another namespace": Refused(
        policy(
            alert={"name": "A", "labels": {"namespace": "bank"}},
            delivery={"mode": "Render", "render": {"labels": {}}},
        ),
        ("spec.alert", "must not set namespace"),
    ),
    "an alert whose other labels speak for another namespace": Refused(
        policy(alert={"name": "A"}, delivery={"mode": "Render", "render": {"labels": {"namespace": "bank"}}}),
        ("spec.delivery.render.labels", "must not set namespace"),
    ),
    "thresholds by label without a default": Refused(
        policy(alert={"name": "A"}, perLabels=["a"], delivery={"mode": "Render"}),
        ("spec.delivery", "render.default must be set"),
    ),
    "a template without a threshold": Refused(
        policy(alert={"name": "A"}, delivery={"mode": "Render", "render": {"expr": "up == 0"}}),
        ("spec.delivery.render.expr", "must hold $threshold"),
    ),
    "a level of recovery at the threshold": Refused(
        policy(alert={"name": "A"}, delivery={"mode": "Render", "render": {"recover": {"margin": "0"}}}),
        ("spec.delivery.render.recover.margin", '"0"', "above 0"),
    ),
    "a shared object with the name of an object of one resource": Refused(
        policy(delivery={"mode": "Record", "record": {"sharedObject": "opssight-tpol-a"}}),
        ("spec.delivery.record.sharedObject", "opssight-tpol-a", "belong to one resource alone"),
    ),
    "a shared object whose name is none": Refused(
        policy(delivery={"mode": "Record", "record": {"sharedObject": "The Thresholds"}}),
        ("spec.delivery.record.sharedObject", '"The Thresholds"', "must be the name of an object"),
    ),
    "a shared object in another mode": Refused(
        policy(delivery={"record": {"sharedObject": "thresholds"}}),
        ("spec.delivery", "delivery.mode is Recommend", "only when mode is Record"),
    ),
    "the block of another mode": Refused(
        policy(delivery={"record": {"ruleLabels": {"a": "b"}}}),
        ("spec.delivery", "delivery.mode is Recommend", "only when mode is Record"),
    ),
    # MetricsSource
    "a source without an address": Refused(without(source(), "url"), ("spec.url", "Required value")),
    "an address without a scheme": Refused(
        source(url="prometheus:9090"), ("spec.url", '"prometheus:9090"', "must be an http or https address")
    ),
    "an address of another protocol": Refused(
        source(url="file:///etc/passwd"), ("spec.url", '"file:///etc/passwd"', "must be an http or https address")
    ),
    "an address with a query": Refused(
        source(url="http://prometheus:9090/?a=b"), ("spec.url", "without query and fragment")
    ),
    "a numeric address that is none": Refused(
        source(url="http://[zz]"), ("spec.url", "must be an http or https address")
    ),
    "a port in words": Refused(source(url="http://prometheus:web"), ("spec.url", "must be an http or https address")),
    "an address with the path that we add": Refused(
        source(url="http://prometheus:9090/api/v1/"), ("spec.url", "must be without /api/v1")
    ),
    "an address with credentials": Refused(
        source(url="https://me:secret@prometheus:9090"), ("spec.url", "credentials", "Secret", "auth")
    ),
    "trust without encryption": Refused(
        source(tls={"caSecretRef": TOKEN}),
        ("spec.tls", 'url is "http://prometheus:9090"', "only when url begins with https://"),
    ),
    "an empty tls": Refused(
        source(url="https://prometheus:9090", tls={}), ("spec.tls", "must have caSecretRef or clientCertificate")
    ),
    "a client certificate without its key": Refused(
        source(url="https://prometheus:9090", tls={"clientCertificate": {"certSecretRef": TOKEN}}),
        ("spec.tls.clientCertificate.keySecretRef", "Required value"),
    ),
    "an empty auth": Refused(source(auth={}), ("spec.auth", "either bearerToken or basic")),
    "a token and a password": Refused(
        source(auth={"bearerToken": {"secretRef": TOKEN}, "basic": {"username": "u", "passwordSecretRef": TOKEN}}),
        ("spec.auth", "either bearerToken or basic"),
    ),
    "a name with a colon": Refused(
        source(auth={"basic": {"username": "a:b", "passwordSecretRef": TOKEN}}),
        ("spec.auth.basic.username", '"a:b"', "without a colon"),
    ),
    "credentials in a header": Refused(
        source(headers={"authoriZation": "Bearer x"}), ("spec.headers", '"authoriZation"', "belongs into auth")
    ),
    "a header of the connection": Refused(
        source(headers={"Transfer-Encoding": "chunked"}), ("spec.headers", '"Transfer-Encoding"')
    ),
    "a header with two lines": Refused(
        source(headers={"X-Scope-OrgID": "a\r\nHost: b"}), ("spec.headers", "printable ASCII")
    ),
    "a header without a name": Refused(
        source(headers={"X Scope": "a"}), ("spec.headers", '"X Scope"', "name of a header")
    ),
    "a Secret without a key": Refused(
        source(auth={"bearerToken": {"secretRef": {"name": "prom-token"}}}),
        ("spec.auth.bearerToken.secretRef.key", "Required value"),
    ),
    "a key that no Secret has": Refused(
        source(auth={"bearerToken": {"secretRef": {"name": "a", "key": "my token"}}}),
        ("spec.auth.bearerToken.secretRef.key", '"my token"', "key of a Secret"),
    ),
    "a matcher of a label that is none": Refused(
        source(tenancy={"enforcedMatchers": [{"label": "name-space", "value": "x"}]}),
        ("spec.tenancy.enforcedMatchers[0].label", '"name-space"', "label name"),
    ),
    "two matchers of one label": Refused(
        source(tenancy={"enforcedMatchers": [{"label": "a", "value": "x"}, {"label": "a", "value": "y"}]}),
        ("spec.tenancy.enforcedMatchers[1]", "Duplicate value"),
    ),
    "nobody allowed": Refused(
        source(tenancy={"allowedNamespaces": {}}),
        ("spec.tenancy.allowedNamespaces", "empty", "must have names or matchLabels"),
    ),
    "a namespace that cannot be": Refused(
        source(tenancy={"allowedNamespaces": {"names": ["Shop"]}}),
        ("spec.tenancy.allowedNamespaces.names[0]", '"Shop"', "lower-case"),
    ),
    "a time-out of a day": Refused(
        source(limits={"timeout": "1d"}), ("spec.limits.timeout", '"1d"', "at least 1s and at most 5m")
    ),
    "a time-out of nothing": Refused(source(limits={"timeout": "0s"}), ("spec.limits.timeout", '"0s"', "at least 1s")),
    "no series allowed": Refused(
        source(limits={"maxSeries": 0}), ("spec.limits.maxSeries", "greater than or equal to 1")
    ),
    "more points than Prometheus gives": Refused(
        source(limits={"maxPointsPerQuery": 11001}), ("spec.limits.maxPointsPerQuery", "less than or equal to 11000")
    ),
}

ACCEPTED |= report_manifests.ACCEPTED
REFUSED |= {sentence: Refused(*case) for sentence, case in report_manifests.REFUSED.items()}
