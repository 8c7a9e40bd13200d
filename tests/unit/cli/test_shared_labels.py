"""Policies in files that share a rule object have to agree on its labels."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from command_line import Opssight
from opssight_operator.cli.shared_labels import SharedLabels


def sharing(name: str, namespace: str = "shop", shared: str = "thresholds", **labels: str) -> dict[str, Any]:
    record = {"sharedObject": shared, "ruleLabels": labels}
    return {
        "apiVersion": "opssight.dev/v1alpha1",
        "kind": "ThresholdPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"expr": "up", "delivery": {"mode": "Record", "record": record}},
    }


AGREEING = {
    "the same value": sharing("b", release="x"),
    "another label": sharing("b", team="y"),
    "no label": sharing("b"),
    "another object": sharing("b", shared="others", release="y"),
    "another namespace": sharing("b", namespace="bank", release="y"),
    "the same policy, from another file": sharing("a", release="y"),
    "another kind": {"kind": "AnomalyDetector", "metadata": {"name": "b"}, "spec": {}},
    "a spec that is refused anyway": {"kind": "ThresholdPolicy", "metadata": {"name": "b"}, "spec": {}},
}


@pytest.mark.parametrize("other", AGREEING.values(), ids=AGREEING)
def test_who_agrees_or_shares_nothing_is_not_mentioned(other: dict[str, Any]) -> None:
    sharing_so_far = SharedLabels()
    assert sharing_so_far.disagreements(sharing("a", release="x")) == []
    assert sharing_so_far.disagreements(other) == []


def test_a_disagreement_names_the_label_both_values_and_the_other_policy(opssight: Opssight) -> None:
    bodies = [sharing("a", release="x"), sharing("b", release="y")]
    answer = opssight("validate", "-", stdin=yaml.safe_dump_all(bodies))
    assert answer.code == 1
    first, second = answer.out.splitlines()[:2]
    assert first == "-: ThresholdPolicy/a: ok"
    assert second.startswith(
        "-: ThresholdPolicy/b: spec.delivery.record.ruleLabels: release is y, and x in ThresholdPolicy/a, which shares "
        "the PrometheusRule thresholds"
    )
