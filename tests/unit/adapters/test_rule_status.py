"""The status that prometheus-operator writes on a PrometheusRule, read as sentences."""

from typing import Any

import pytest

from opssight_operator.adapters.kubernetes.rule_status import refusals


def found(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A rule of generation 3, bound to one Prometheus."""
    server = {"group": "monitoring.coreos.com", "resource": "prometheuses", "name": "k8s", "namespace": "monitoring"}
    return {
        "metadata": {"generation": 3},
        "status": {"bindings": [{**server, "conditions": list(conditions)}]},
    }


def accepted(status: str, **more: Any) -> dict[str, Any]:
    return {"type": "Accepted", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z", **more}


BAD = {"reason": "InvalidConfiguration", "message": 'group "a": bad rule', "observedGeneration": 3}
CASES = {
    "dropped": (
        found(accepted("False", **BAD)),
        ('for prometheuses monitoring/k8s: InvalidConfiguration: group "a": bad rule',),
    ),
    "taken": (found(accepted("True", observedGeneration=3)), ()),
    "an older generation was dropped": (found(accepted("False", **{**BAD, "observedGeneration": 2})), ()),
    "dropped without a word": (found(accepted("False")), ("for prometheuses monitoring/k8s: no reason given",)),
    "a version that writes no status": ({"metadata": {"generation": 3}}, ()),
    "an empty status": ({"metadata": {}, "status": {"bindings": None}}, ()),
}


@pytest.mark.parametrize(("rule", "sentences"), CASES.values(), ids=CASES)
def test_a_refusal_is_a_sentence(rule: dict[str, Any], sentences: tuple[str, ...]) -> None:
    assert refusals(rule) == sentences
