"""The table of doors against the use cases: admitted by the schema, and each ends as it is said there.

``tests/component/test_loop.py`` goes through the same table on real servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest

from builders import NOW
from contract.tenant_doors import DOORS, filled, manifests
from opssight_operator.api.anomaly_detector import AnomalyDetector
from opssight_operator.api.kinds import KINDS
from opssight_operator.api.pattern_report import PatternReport
from opssight_operator.api.schema import root_schema
from opssight_operator.api.threshold_policy import ThresholdPolicy
from opssight_operator.cli.admission import complaints
from opssight_operator.core.literals import parse
from opssight_operator.core.observation import Frame, LoadedRule, RuleObservation
from opssight_operator.core.plan import ApplyRule, Plan
from opssight_operator.core.promql import selectors
from opssight_operator.core.tenancy import enforce, refuse_forged
from opssight_operator.reconcile import anomaly_detector, pattern_report, threshold_policy
from opssight_operator.reconcile.ports import MetricSource, Owner, Ports
from opssight_operator.settings import Settings

OWN, BANK = "shop-1", "bank-shop-1"
T = TypeVar("T")
SCHEMAS = {kind.name: root_schema(kind) for kind in KINDS}
USE_CASES: dict[str, tuple[Any, Any]] = {
    "AnomalyDetector": (AnomalyDetector, anomaly_detector),
    "ThresholdPolicy": (ThresholdPolicy, threshold_policy),
    "PatternReport": (PatternReport, pattern_report),
}
MANIFESTS = dict(zip(DOORS, manifests(OWN, BANK, "tenants"), strict=True))


class Confined:
    """A Prometheus in which this tenant has a till, asked as an adapter asks it."""

    matchers: ClassVar[dict[str, str]] = {"namespace": OWN}

    async def range(self, expr: str, start: float, end: float, step: float) -> Frame:
        confined = enforce(expr, self.matchers)
        speaks_for = BANK if "label_replace" in confined or "count_values" in confined else OWN
        series = ({"namespace": speaks_for},) if "till" in confined or "absent" in confined else ()
        times = np.arange(start, end + step / 2, step)
        refuse_forged(series, self.matchers)
        return Frame(times, np.repeat(10 + np.sin(times)[:, None], len(series), axis=1), series)

    async def rules(self, group: str) -> tuple[LoadedRule, ...]:
        return ()


class Sources:
    def bind(self, source_name: str, namespace: str) -> MetricSource:
        return Confined()


class Rules:
    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        return RuleObservation()


class Inline:
    async def run(self, function: Callable[[], T]) -> T:
        return function()


async def came_of(name: str) -> Plan[Any]:
    """The plan for a door."""
    kind, use_case = USE_CASES[DOORS[name].kind]
    manifest = {**MANIFESTS[name], "status": {}}
    manifest["metadata"] = {**manifest["metadata"], "uid": "u", "generation": 1, "creationTimestamp": "2026-01-01"}
    unused: Any = None
    ports = Ports(
        sources=Sources(),  # type: ignore[arg-type]
        rules=Rules(),  # type: ignore[arg-type]
        status=unused,
        recorder=unused,
        telemetry=unused,
        compute=Inline(),
        targets=unused,
        documents=unused,
        lookout=unused,
        shared_rules=unused,
    )
    plan: Plan[Any] = await use_case.reconcile(kind.model_validate(manifest), NOW, ports, Settings())
    return plan


@pytest.mark.parametrize("door", DOORS)
async def test_a_door_is_admitted_and_shut_with_its_field_named(door: str) -> None:
    manifest = MANIFESTS[door]
    assert complaints(manifest, SCHEMAS[manifest["kind"]]) == []
    plan = await came_of(door)
    (ready,) = [c for c in plan.status.conditions if c.type == "Ready"]
    assert ready.reason == DOORS[door].reason, ready.message
    assert filled(DOORS[door].says, OWN, BANK) in ready.message
    if DOORS[door].refused:
        assert not isinstance(plan.rule, ApplyRule)
        return
    rules = [r for g in plan.rule.rule.groups for r in g["rules"]] if isinstance(plan.rule, ApplyRule) else []
    for rule in rules:
        assert rule["labels"].get("namespace", OWN) == OWN
        assert "alert" not in rule or DOORS[door].kind != "ThresholdPolicy" or rule["labels"]["namespace"] == OWN
        if DOORS[door].kind == "ThresholdPolicy":
            assert all(f'namespace="{OWN}"' in str(found) for found in selectors(parse(rule["expr"])))


def test_every_field_with_a_query_or_a_matcher_is_in_the_table() -> None:
    specs = json.dumps([door.spec for door in DOORS.values()])
    for field in ("expr", "volume", "render", "volumeGuard", "exclude", "matchers"):
        assert f'"{field}"' in specs
