"""The use cases against plain values in the place of Prometheus and Kubernetes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pytest

from builders import NOW, a_detector, a_loaded_rule, a_policy, a_source, labels_of
from opssight_operator.adapters.kubernetes.no_rules import NoRules
from opssight_operator.api.anomaly_detector import AnomalyDetector
from opssight_operator.api.metrics_source import MetricsSource
from opssight_operator.core.observation import (
    Frame,
    LoadedRule,
    RuleObjectState,
    RuleObservation,
    ServerInfo,
)
from opssight_operator.core.plan import ApplyRule, KeepRule, PatchTarget
from opssight_operator.core.rules import detector_rule
from opssight_operator.core.targets import Target
from opssight_operator.errors import (
    InvalidQuery,
    KubernetesUnavailable,
    NotAllowed,
    OpsSightError,
    PrometheusOverloaded,
    PrometheusUnreachable,
    SourceMissing,
    TargetNotFound,
    TooManySeries,
)
from opssight_operator.reconcile import anomaly_detector, metrics_source, threshold_policy
from opssight_operator.reconcile.owned_rules import with_its_alerts_tried
from opssight_operator.reconcile.ports import MetricSource, Owner, Ports
from opssight_operator.settings import Settings

T = TypeVar("T")
SETTINGS = Settings()


@dataclass
class Prometheus:
    """Series as functions of time; what was asked is kept."""

    series: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    loaded: tuple[LoadedRule, ...] = ()
    too_heavy_from: float = float("inf")  # seconds of one query
    error: OpsSightError | None = None
    rules_error: OpsSightError | None = None
    asked: list[tuple[str, float, float, float]] = field(default_factory=list)

    async def range(self, expr: str, start: float, end: float, step: float) -> Frame:
        self.asked.append((expr, start, end, step))
        if self.error is not None:
            raise self.error
        if end - start >= self.too_heavy_from:
            raise PrometheusOverloaded("query timed out")
        times = np.arange(start, end + step / 2, step)
        names = [name for name in self.series if name.startswith(expr + "{")]
        values = np.stack([self.series[name](times) for name in names], axis=1) if names else np.empty((len(times), 0))
        return Frame(times, values, tuple(labels_of(name.split("{")[1].rstrip("}")) for name in names))

    @property
    def matchers(self) -> dict[str, str]:
        return {}

    async def rules(self, group: str) -> tuple[LoadedRule, ...]:
        if self.rules_error is not None:
            raise self.rules_error
        return tuple(rule for rule in self.loaded if rule.group == group)


@dataclass
class Sources:
    prometheus: Prometheus
    error: OpsSightError | None = None
    bound: list[tuple[str, str]] = field(default_factory=list)

    def bind(self, source_name: str, namespace: str) -> MetricSource:
        self.bound.append((source_name, namespace))
        if self.error is not None:
            raise self.error
        return self.prometheus

    def get(self, source_name: str) -> MetricsSource | None:
        return None

    async def probe(self, source_name: str) -> ServerInfo:
        if self.error is not None:
            raise self.error
        return ServerInfo("Prometheus", "3.16.0")


@dataclass
class Rules:
    observation: RuleObservation = field(default_factory=RuleObservation)
    error: OpsSightError | None = None
    asked: list[str] = field(default_factory=list)

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        return self.observation


class Inline:
    async def run(self, function: Callable[[], T]) -> T:
        return function()


@dataclass
class Targets:
    """Somebody's PrometheusRule, or none."""

    target: Target | None = None

    async def observe(self, owner: Owner, name: str) -> Target | None:
        return self.target

    async def patch(self, owner: Owner, patch: PatchTarget) -> None:
        raise AssertionError("a use case writes nothing")


@dataclass
class Telemetry:
    """How long scores have been exported."""

    exported_for: float = 0.0

    def scores_exported_for(self, owner: Owner) -> float:
        return self.exported_for


def ports(
    prometheus: Prometheus,
    *,
    exported_for: float = 0.0,
    rules: Rules | None = None,
    error: OpsSightError | None = None,
    targets: Targets | None = None,
) -> Ports:
    unused: Any = None
    return Ports(
        sources=Sources(prometheus, error),
        rules=rules or Rules(),  # type: ignore[arg-type]
        status=unused,
        recorder=unused,
        telemetry=Telemetry(exported_for),  # type: ignore[arg-type]
        compute=Inline(),
        targets=targets or Targets(),
        documents=unused,
        lookout=unused,
        shared_rules=unused,
    )


def wave(times: Any) -> Any:
    return 10 + np.sin(times / 60)


def spike(times: Any) -> Any:
    return np.where(times >= NOW, 50.0, wave(times))


def said(plan: Any) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in plan.status.conditions}


async def test_a_detector_asks_once_for_training_and_judging_together() -> None:
    prometheus = Prometheus({"latency_p99{service=a}": spike})
    plan = await anomaly_detector.reconcile(a_detector(), NOW + 20, ports(prometheus), SETTINGS)
    week = 7 * 86400.0
    assert prometheus.asked == [("latency_p99", NOW - 240 - week, NOW, 60.0)]
    assert [a.labels for a in plan.status.anomalies] == [{"service": "a"}]
    assert plan.status.model is not None
    assert plan.status.model.samples == 7 * 1440


async def test_the_volume_is_asked_for_the_judged_window_only() -> None:
    prometheus = Prometheus({"latency_p99{service=a}": spike, "rate{service=a}": lambda t: t * 0 + 0.1})
    detector = a_detector(query={"volume": {"expr": "rate", "min": "1"}})
    plan = await anomaly_detector.reconcile(detector, NOW, ports(prometheus), SETTINGS)
    assert prometheus.asked[1] == ("rate", NOW - 240, NOW, 60.0)
    assert plan.status.anomalies == []


async def test_a_policy_asks_for_its_history() -> None:
    prometheus = Prometheus({"error_ratio{service=a}": wave})
    plan = await threshold_policy.reconcile(a_policy(), NOW + 1, ports(prometheus), SETTINGS)
    assert prometheus.asked == [("error_ratio", NOW - 3600, NOW, 60.0)]
    assert said(plan)["Ready"] == ("True", "Reconciled")


ERRORS = {
    "Prometheus is down": (PrometheusUnreachable("connection refused"), "Unknown"),
    "a typo in PromQL": (InvalidQuery("unexpected )"), "False"),
    "a source for others": (NotAllowed("namespace shop is not allowed"), "False"),
    "no source": (SourceMissing("there is no MetricsSource default"), "Unknown"),
    "too many series": (TooManySeries("10000 series, at most 500"), "False"),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("where", ["bind", "range"])
async def test_an_error_becomes_a_held_plan(case: tuple[OpsSightError, str], where: str) -> None:
    error, ready = case
    prometheus = Prometheus(error=error if where == "range" else None)
    given = ports(prometheus, error=error if where == "bind" else None)
    for plan in (
        await anomaly_detector.reconcile(a_detector(), NOW, given, SETTINGS),
        await threshold_policy.reconcile(a_policy(), NOW, given, SETTINGS),
    ):
        assert said(plan)["Ready"] == (ready, type(error).__name__)
        assert str(error) in plan.status.conditions[0].message
        assert plan.rule == KeepRule()


async def test_the_query_that_failed_is_named() -> None:
    given = ports(Prometheus(error=InvalidQuery("unexpected )")))
    plan = await anomaly_detector.reconcile(a_detector(), NOW, given, SETTINGS)
    assert plan.status.conditions[0].message == "query p99: unexpected )"


async def test_a_defect_is_not_swallowed() -> None:
    broken = Prometheus({"latency_p99{service=a}": lambda times: 1 / 0})
    with pytest.raises(ZeroDivisionError):
        await anomaly_detector.reconcile(a_detector(), NOW, ports(broken), SETTINGS)


async def test_an_impossible_spec_asks_prometheus_nothing() -> None:
    prometheus = Prometheus()
    plan = await anomaly_detector.reconcile(a_detector(trainingWindow="5m"), NOW, ports(prometheus), SETTINGS)
    assert said(plan)["Ready"] == ("False", "InvalidSpec")
    zone = await threshold_policy.reconcile(a_policy(alert={"timeZone": "Mars/Base"}), NOW, ports(prometheus), SETTINGS)
    assert said(zone)["Ready"] == ("False", "InvalidSpec")
    assert "Mars/Base" in zone.status.conditions[0].message
    assert prometheus.asked == []


async def test_a_busy_prometheus_is_asked_for_half_and_the_status_says_so() -> None:
    prometheus = Prometheus({"latency_p99{service=a}": wave}, too_heavy_from=4 * 86400.0)
    plan = await anomaly_detector.reconcile(a_detector(), NOW, ports(prometheus), SETTINGS)
    assert said(plan)["Ready"] == ("True", "Reconciled")
    assert said(plan)["DataAvailable"] == ("True", "PartialData")
    assert "too busy for 7d, learned from 3d12h" in plan.status.conditions[1].message
    always = Prometheus({"latency_p99{service=a}": wave}, too_heavy_from=0.0)
    held = await anomaly_detector.reconcile(a_detector(), NOW, ports(always), SETTINGS)
    assert said(held)["Ready"] == ("Unknown", "PrometheusOverloaded")
    assert len(always.asked) == 3


@pytest.mark.parametrize("kind", ["detector", "policy"])
async def test_a_suspended_resource_touches_nothing(kind: str) -> None:
    prometheus, rules = Prometheus(), Rules()
    given = ports(prometheus, rules=rules)
    if kind == "detector":
        plan: Any = await anomaly_detector.reconcile(a_detector(suspend=True), NOW, given, SETTINGS)
    else:
        plan = await threshold_policy.reconcile(a_policy(suspend=True), NOW, given, SETTINGS)
    assert said(plan)["Ready"] == ("True", "Suspended")
    assert (prometheus.asked, rules.asked, given.sources.bound) == ([], [], [])  # type: ignore[attr-defined]


async def test_what_prometheus_has_loaded_is_read_back() -> None:
    detector = a_detector(alert={})
    rule = detector_rule(detector)
    assert rule is not None
    seen = a_loaded_rule(rule)
    prometheus = Prometheus({"latency_p99{service=a}": wave}, loaded=seen.loaded or ())
    given = ports(prometheus, rules=Rules(RuleObservation(RuleObjectState.OURS, rule.digest, rule.groups)))
    plan = await anomaly_detector.reconcile(detector, NOW, given, SETTINGS)
    assert said(plan)["RuleLoaded"] == ("True", "Loaded")
    assert plan.rule == KeepRule()


async def test_a_rule_that_is_loaded_is_read_every_five_minutes_and_not_at_each_run() -> None:
    rule = detector_rule(a_detector(alert={}))
    assert rule is not None
    prometheus = Prometheus({"latency_p99{service=a}": wave}, loaded=a_loaded_rule(rule).loaded or ())
    given = ports(prometheus, rules=Rules(RuleObservation(RuleObjectState.OURS, rule.digest, rule.groups)))
    looks, detector = [], a_detector(alert={})
    for run in range(60):
        now, before = NOW + 30 * run, len(given.rules.asked)  # type: ignore[attr-defined]
        plan = await anomaly_detector.reconcile(detector, now, given, SETTINGS)
        assert said(plan)["RuleLoaded"] == ("True", "Loaded")
        assert plan.rule == KeepRule()
        detector = detector.model_copy(update={"status": plan.status})
        looks += [now] * (len(given.rules.asked) - before)  # type: ignore[attr-defined]
    assert 6 <= len(looks) <= 8
    assert max(later - earlier for earlier, later in itertools.pairwise(looks)) <= 330


def changed_spec(detector: Any, given: Ports, rules: Rules) -> Any:
    """Another severity, so that the rule is another one."""
    changed = a_detector(alert={"labels": {"severity": "critical"}}).model_copy(update={"status": detector.status})
    return changed.model_copy(update={"metadata": changed.metadata.model_copy(update={"generation": 9})})


def a_restart(detector: Any, given: Ports, rules: Rules) -> Any:
    given.looks._looks.clear()
    rules.observation = RuleObservation()
    return detector


def five_minutes_and_a_deletion(detector: Any, given: Ports, rules: Rules) -> Any:
    rules.observation = RuleObservation()
    return detector


LOOKS_AGAIN = {
    "another spec": (changed_spec, 30.0),
    "a restart, with the rule deleted meanwhile": (a_restart, 30.0),
    "somebody's deletion, after five minutes": (five_minutes_and_a_deletion, 301.0),
}


@pytest.mark.parametrize(("change", "seconds"), LOOKS_AGAIN.values(), ids=LOOKS_AGAIN)
async def test_a_rule_that_has_to_be_another_is_written(change: Any, seconds: float) -> None:
    detector = a_detector(alert={})
    rule = detector_rule(detector)
    assert rule is not None
    prometheus = Prometheus({"latency_p99{service=a}": wave}, loaded=a_loaded_rule(rule).loaded or ())
    rules = Rules(RuleObservation(RuleObjectState.OURS, rule.digest, rule.groups))
    given = ports(prometheus, rules=rules)
    plan = await anomaly_detector.reconcile(detector, NOW, given, SETTINGS)
    detector = change(detector.model_copy(update={"status": plan.status}), given, rules)
    plan = await anomaly_detector.reconcile(detector, NOW + seconds, given, SETTINGS)
    assert isinstance(plan.rule, ApplyRule)
    detector = detector.model_copy(update={"status": plan.status})
    before = len(rules.asked)
    await anomaly_detector.reconcile(detector, NOW + seconds + 30, given, SETTINGS)
    assert len(rules.asked) == before + 1, "what was written is looked at until it is loaded"


async def test_a_rule_that_is_not_loaded_is_looked_at_in_each_run() -> None:
    rule = detector_rule(a_detector(alert={}))
    assert rule is not None
    rules, detector = Rules(RuleObservation(RuleObjectState.OURS, rule.digest, rule.groups)), a_detector(alert={})
    given = ports(Prometheus({"latency_p99{service=a}": wave}), rules=rules)
    for run in range(5):
        plan = await anomaly_detector.reconcile(detector, NOW + 30 * run, given, SETTINGS)
        detector = detector.model_copy(update={"status": plan.status})
    assert len(rules.asked) == 5


HOUR = 3600.0
AS_THEY_ARE = 'count(opssight_anomaly_score{namespace="shop",detector="checkout-latency"})'
RENAMED = AS_THEY_ARE.replace("namespace=", "exported_namespace=")
# exported for, what Prometheus has of the scores, questions, what RuleLoaded says
SCORES: dict[str, tuple[float, str | None, list[str], str, str]] = {
    "scores that are too young to have been scraped": (60.0, None, [], "Loaded", ""),
    "scores that come back": (HOUR, AS_THEY_ARE, [AS_THEY_ARE], "Loaded", "has loaded the group"),
    "scores without honorLabels": (HOUR, RENAMED, [AS_THEY_ARE, RENAMED], "ScoresNotScraped", "exported_namespace in"),
    "scores that nobody scrapes": (HOUR, None, [AS_THEY_ARE, RENAMED], "ScoresNotScraped", "not scraped, or without"),
}


@pytest.mark.parametrize("sentence", SCORES)
async def test_an_alert_that_is_loaded_is_asked_for_its_scores(sentence: str) -> None:
    exported_for, there, questions, reason, words = SCORES[sentence]
    detector = a_detector(alert={})
    rule = detector_rule(detector)
    assert rule is not None
    series: dict[str, Callable[[Any], Any]] = {"latency_p99{service=a}": wave}
    if there is not None:
        series[there + "{}"] = wave
    prometheus = Prometheus(series, loaded=a_loaded_rule(rule).loaded or ())
    given = ports(
        prometheus,
        rules=Rules(RuleObservation(RuleObjectState.OURS, rule.digest, rule.groups)),
        exported_for=exported_for,
    )
    plan = await anomaly_detector.reconcile(detector, NOW, given, SETTINGS)
    assert [expr for expr, *_ in prometheus.asked[1:]] == questions
    assert said(plan)["RuleLoaded"] == ("True" if reason == "Loaded" else "False", reason)
    assert words in plan.status.conditions[3].message
    assert said(plan)["Ready"] == ("True", "Reconciled")


REFUSED = {
    "an expression that the server refuses": ({}, InvalidQuery("parse error: not enabled"), "of Many: parse error"),
    "a server that is away": ({}, PrometheusUnreachable("gone"), ""),
    "an expression that the server takes": ({}, None, ""),
    "a rule that is loaded": ({"loaded": (LoadedRule("g", "Many", "alerting", "ok"),)}, InvalidQuery("no"), ""),
    "rules that nobody could list": ({"loaded": None}, InvalidQuery("no"), ""),
    "an object of somebody else": ({"state": RuleObjectState.FOREIGN}, InvalidQuery("no"), ""),
}


@pytest.mark.parametrize("sentence", REFUSED)
async def test_only_an_alert_that_is_not_loaded_is_tried(sentence: str) -> None:
    changes, error, says = REFUSED[sentence]
    groups = ({"name": "g", "rules": [{"record": "a", "expr": "1"}, {"alert": "Many", "expr": "errors > 1"}]},)
    observed = replace(RuleObservation(RuleObjectState.OURS, "", groups, loaded=()), **changes)
    prometheus = Prometheus(error=error)
    tried = await with_its_alerts_tried(observed, prometheus, NOW)
    assert says in tried.unreadable and bool(says) == bool(tried.unreadable)
    assert [expr for expr, *_ in prometheus.asked] == ([] if changes else ["errors > 1"])


async def test_a_source_that_lists_no_rules_does_not_stop_the_rest() -> None:
    detector = a_detector(alert={})
    prometheus = Prometheus({"latency_p99{service=a}": wave}, rules_error=PrometheusUnreachable("404"))
    given = ports(prometheus, rules=Rules(RuleObservation(RuleObjectState.OURS, "old")))
    plan = await anomaly_detector.reconcile(detector, NOW, given, SETTINGS)
    assert said(plan)["Ready"] == ("True", "Reconciled")
    assert said(plan)["RuleLoaded"][0] == "Unknown"
    assert isinstance(plan.rule, ApplyRule)


async def test_a_cluster_without_prometheus_operator_needs_none_until_a_rule_is_asked_for() -> None:
    prometheus = Prometheus({"latency_p99{service=a}": wave, "error_ratio{service=a}": wave})
    rules = Rules(error=TargetNotFound("the cluster has no PrometheusRule kind"))
    plan = await anomaly_detector.reconcile(a_detector(), NOW, ports(prometheus, rules=rules), SETTINGS)
    assert said(plan)["Ready"] == ("True", "Reconciled")
    known = a_detector(status=plan.status)
    rules.asked.clear()
    await anomaly_detector.reconcile(known, NOW, ports(prometheus, rules=rules), SETTINGS)
    assert rules.asked == []
    wanted = await threshold_policy.reconcile(a_policy(mode="Record"), NOW, ports(prometheus, rules=rules), SETTINGS)
    assert said(wanted)["Ready"] == ("False", "TargetNotFound")


async def test_an_api_server_that_is_down_holds_everything() -> None:
    given = ports(Prometheus({"error_ratio{service=a}": wave}), rules=Rules(error=KubernetesUnavailable("503")))
    plan = await threshold_policy.reconcile(a_policy(mode="Record"), NOW, given, SETTINGS)
    assert said(plan)["Ready"] == ("Unknown", "KubernetesUnavailable")
    assert plan.retry_after == SETTINGS.backoff_seconds


WITHOUT_RULES = {
    "a detector with an alert": (a_detector(alert={}), "NotAllowed"),
    "a detector that only scores": (a_detector(), "Reconciled"),
    "a policy that records": (a_policy(mode="Record"), "NotAllowed"),
    "a policy that recommends": (a_policy(), "Reconciled"),
}


@pytest.mark.parametrize(("resource", "reason"), WITHOUT_RULES.values(), ids=WITHOUT_RULES)
async def test_without_the_right_to_rules_it_is_said_who_wants_one(resource: Any, reason: str) -> None:
    prometheus = Prometheus({"latency_p99{service=a}": wave, "error_ratio{service=a}": wave})
    given = replace(ports(prometheus), rules=NoRules(), shared_rules=NoRules())
    use_case: Any = anomaly_detector if isinstance(resource, AnomalyDetector) else threshold_policy
    plan = await use_case.reconcile(resource, NOW, given, Settings(write_rules=False))
    assert said(plan)["Ready"][1] == reason
    assert ("delivery.writeRules" in plan.status.conditions[0].message) == (reason == "NotAllowed")


async def test_too_many_points_are_refused_with_a_way_out() -> None:
    small = Settings(max_training_points=15_000)
    prometheus = Prometheus({f"latency_p99{{service={i}}}": wave for i in range(2)})
    plan = await anomaly_detector.reconcile(a_detector(), NOW, ports(prometheus), small)
    assert said(plan)["DataAvailable"] == ("False", "TooMuchData")
    assert "use a shorter trainingWindow or a longer step" in plan.status.conditions[0].message


async def test_a_source_that_answers_is_ready_and_says_who_it_is() -> None:
    given = ports(Prometheus())
    plan = await metrics_source.reconcile(a_source(), NOW, given, SETTINGS)
    assert said(plan) == {"Ready": ("True", "Reconciled"), "Reachable": ("True", "Answering")}
    assert (plan.status.flavour, plan.status.version) == ("Prometheus", "3.16.0")
    again = await metrics_source.reconcile(a_source(status=plan.status), NOW + 60, given, SETTINGS)
    assert plan.status_changed
    assert not again.status_changed
    assert again.events == ()


async def test_a_source_that_is_gone_was_the_server_it_was() -> None:
    good = await metrics_source.reconcile(a_source(), NOW, ports(Prometheus()), SETTINGS)
    down = ports(Prometheus(), error=PrometheusUnreachable("connection refused"))
    plan = await metrics_source.reconcile(a_source(status=good.status), NOW + 60, down, SETTINGS)
    assert said(plan)["Reachable"] == ("False", "PrometheusUnreachable")
    assert plan.status.version == "3.16.0"
    assert [e.type for e in plan.events] == ["Warning"]


GUARDED = {"mode": "Render", "render": {"volumeGuard": {"expr": "requests", "min": "5"}}}
COMPARED = "((error_ratio) > (-Inf)) unless on () (sum(requests) < 5)"


async def test_what_a_guarded_alert_compares_is_asked_for_over_the_same_window() -> None:
    prometheus = Prometheus({"error_ratio{service=a}": wave, f"{COMPARED}{{service=a}}": lambda times: times * np.nan})
    policy = a_policy(alert={"name": "A", "for": "0s"}, delivery=GUARDED, guardrails={"whileFiring": "Allow"})
    plan = await threshold_policy.reconcile(policy, NOW, ports(prometheus), SETTINGS)
    assert (COMPARED, NOW - 3600, NOW, 60.0) in prometheus.asked
    (threshold,) = plan.status.thresholds
    assert threshold.samples == 61
    assert threshold.outcome is not None
    assert threshold.outcome.predicted_episodes_per_week == "0"


class Refusing(Prometheus):
    """Takes the history and nothing else."""

    async def range(self, expr: str, start: float, end: float, step: float) -> Frame:
        if "requests" in expr:
            raise InvalidQuery('function "mad_over_time" is not enabled')
        return await super().range(expr, start, end, step)


async def test_a_threshold_is_learned_although_what_its_alert_compares_cannot_be_asked_for() -> None:
    prometheus = Refusing({"error_ratio{service=a}": wave})
    policy = a_policy(alert={"name": "A"}, delivery=GUARDED, outcome={"after": "1m", "until": "1h"})
    first = await threshold_policy.reconcile(policy, NOW, ports(prometheus), SETTINGS)
    assert isinstance(first.rule, ApplyRule)
    loaded = Rules(a_loaded_rule(first.rule.rule))
    prometheus.loaded = loaded.observation.loaded or ()
    later = policy.model_copy(update={"status": first.status})
    plan = await threshold_policy.reconcile(later, NOW + 120, ports(prometheus, rules=loaded), SETTINGS)
    assert said(plan)["Ready"] == ("True", "Reconciled")
    outcome = plan.status.thresholds[0].outcome
    assert outcome is not None
    assert (outcome.state, outcome.message) == (
        "Unknown",
        'what the alert compares with its threshold cannot be asked for: function "mad_over_time" is not enabled',
    )


async def test_a_patched_alert_is_watched_as_it_stands_in_its_object() -> None:
    rule = {"alert": "Errors", "expr": "error_ratio > 0.5", "for": "10m", "keep_firing_for": "2m"}
    rule["labels"] = {"severity": "page", "of": "{{ $labels.of }}"}
    target = Target("theirs", "1", ({"name": "g", "rules": [rule]},), {"opssight.dev/patch": "allowed"}, {})
    delivery = {"mode": "Patch", "patch": {"target": {"name": "theirs"}, "alert": "Errors"}}
    spells = lambda times: np.where(times % 1200 < 480, 1.0, 0.0)  # noqa: E731 - eight minutes of twenty
    guards = {"whileFiring": "Allow", "max": "0.6", "min": "0.5"}

    async def foretold(**changes: Any) -> Any:
        found = replace(target, groups=({"name": "g", "rules": [{**rule, **changes}]},))
        prometheus = Prometheus({"error_ratio{service=a}": spells})
        policy = a_policy(delivery=delivery, guardrails=guards)
        allowed = replace(SETTINGS, allow_patch=True)
        plan = await threshold_policy.reconcile(policy, NOW, ports(prometheus, targets=Targets(found)), allowed)
        query = 'max_over_time(ALERTS{alertname="Errors",alertstate="firing",severity="page"}[1m])'
        assert query in [asked[0] for asked in prometheus.asked]
        (threshold,) = plan.status.thresholds
        return float(threshold.simulation.current.episodes_per_week)

    assert await foretold() == 0
    assert await foretold(**{"for": "5m"}) > 0


async def test_of_an_object_that_prometheus_has_not_loaded_each_rule_is_tried() -> None:
    rules = [{"alert": "Errors", "expr": "error_ratio > 0.5"}, {"record": "r", "expr": "requests > > 1"}]
    target = Target("theirs", "1", ({"name": "g", "rules": rules},), {"opssight.dev/patch": "allowed"}, {})
    delivery = {"mode": "Patch", "patch": {"target": {"name": "theirs"}, "alert": "Errors"}}
    policy = a_policy(
        delivery=delivery, guardrails={"max": "0.6", "maxStep": "10", "deadBand": "9"}
    )  # the number may stay
    given = ports(Refusing({"error_ratio{service=a}": wave}), targets=Targets(target))
    plan = await threshold_policy.reconcile(policy, NOW, given, replace(SETTINGS, allow_patch=True))
    (loaded,) = (c for c in plan.status.conditions if c.type == "RuleLoaded")
    assert loaded.reason == "RuleRejected"
    assert loaded.message == 'theirs is not loaded: the expression of r: function "mad_over_time" is not enabled'


async def test_excluded_incidents_are_asked_for_over_the_same_window() -> None:
    query = 'max (max_over_time(ALERTS{alertname="A",alertstate="firing"}[1m]))'
    prometheus = Prometheus({"error_ratio{service=a}": wave})
    exclude = {"window": "1h", "step": "1m", "minDuration": "10m", "exclude": {"alerts": [{"name": "A"}]}}
    plan = await threshold_policy.reconcile(a_policy(history=exclude), NOW, ports(prometheus), SETTINGS)
    assert prometheus.asked == [(expr, NOW - 3600, NOW, 60.0) for expr in ("error_ratio", query)]
    assert said(plan)["Ready"] == ("True", "Reconciled")
