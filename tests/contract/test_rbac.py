"""The role in deploy/ is exactly what the operator needs."""

from __future__ import annotations

from opssight_operator.adapters.kubernetes.manifests import TARGET, text
from opssight_operator.adapters.kubernetes.permissions import PERMISSIONS, rules


def test_the_manifest_is_generated_from_the_permissions() -> None:
    assert TARGET.read_text() == text(), "run make generate"


def test_no_right_is_a_wildcard_and_each_says_why() -> None:
    for permission in PERMISSIONS:
        assert "*" not in (permission.group, permission.resource, *permission.verbs)
        assert permission.why


def test_no_secret_is_read_outside_of_the_operators_namespace() -> None:
    assert not [rule for rule in rules("cluster") if "secrets" in rule["resources"]]
    assert [rule["verbs"] for rule in rules("operator") if "secrets" in rule["resources"]] == [["get"]]
