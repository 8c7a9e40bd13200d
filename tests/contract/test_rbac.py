"""The role in deploy/ is exactly what the operator needs."""

from __future__ import annotations

import pytest

from opssight_operator.adapters.kubernetes.manifests import texts
from opssight_operator.adapters.kubernetes.permissions import (
    FEATURES,
    PERMISSIONS,
    Feature,
    features_of,
    needed,
    place,
    rules,
)
from opssight_operator.settings import Settings


def test_the_manifests_are_generated_from_the_permissions() -> None:
    for path, text in texts().items():
        assert path.read_text() == text, f"{path.name} is out of date: run make generate"


def test_no_right_is_a_wildcard_and_each_says_why() -> None:
    for permission in PERMISSIONS:
        assert "*" not in (permission.group, permission.resource, *permission.verbs)
        assert permission.why


def test_no_secret_is_read_outside_of_the_operators_namespace() -> None:
    assert not [rule for rule in rules("cluster") if "secrets" in rule["resources"]]
    assert not [rule for rule in rules("each", namespaced=True) if "secrets" in rule["resources"]]
    assert [rule["verbs"] for rule in rules("operator") if "secrets" in rule["resources"]] == [["get"]]


def test_a_namespaced_install_may_nothing_that_a_clusterwide_one_may_not() -> None:
    """Each permission lands in one place of a namespaced install, or is one that only a clusterwide one uses."""
    spread = [place(permission, namespaced=True) for permission in PERMISSIONS]
    assert set(spread) == {"cluster", "each", "operator", None}
    left_out = [p.resource for p, where in zip(PERMISSIONS, spread, strict=True) if where is None]
    assert sorted(left_out) == ["customresourcedefinitions", "namespaces"]
    wide = [p.resource for p, where in zip(PERMISSIONS, spread, strict=True) if where == "cluster"]
    assert sorted(wide) == ["metricssources", "metricssources/status"]


def test_config_maps_are_read_by_name_alone():
    """Reports are kept in them; whoever could list or watch them would see those of everybody."""
    for rule in rules("cluster") + rules("each", namespaced=True):
        if "configmaps" in rule["resources"]:
            assert rule["verbs"] == ["get", "create", "patch", "delete"]
    assert [rule["verbs"] for rule in rules("cluster") if "events" in rule["resources"]] == [
        ["create", "patch"],
        ["list"],
    ]


WITHOUT = {
    "no reports: nothing in ConfigMaps": ("pattern_reports", {"configmaps"}),
    "no rules: nothing in PrometheusRules": ("write_rules", {"prometheusrules"}),
}


@pytest.mark.parametrize(("feature", "gone"), WITHOUT.values(), ids=WITHOUT)
def test_what_is_switched_off_needs_no_right(feature: str, gone: set[str]) -> None:
    def resources(features: tuple[Feature, ...]) -> set[str]:
        return {permission.resource for permission in needed(features)}

    left = features_of(Settings.from_environment({f"OPSSIGHT_{feature.upper()}": "false"}))
    assert resources(FEATURES) - resources(left) == gone
    assert features_of(Settings()) == FEATURES
