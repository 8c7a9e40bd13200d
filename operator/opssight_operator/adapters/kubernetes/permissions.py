"""Exactly what the operator may do: one table, from which the manifests and the check at start are made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

from opssight_operator.api import GROUP, PLURALS
from opssight_operator.settings import Settings

Feature = Literal["write_rules", "pattern_reports"]
"""What can be switched off, rights and all; the names are those of the settings."""
FEATURES: tuple[Feature, ...] = get_args(Feature)


@dataclass(frozen=True, slots=True)
class Permission:
    """One rule of a role. ``scope`` says whether it holds in the whole cluster or in the operator's namespace.

    ``feature`` is the one that needs it; without one it is always needed.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    scope: Literal["cluster", "operator"]
    why: str
    feature: Feature | None = None


PERMISSIONS: tuple[Permission, ...] = (
    *(Permission(GROUP, plural, ("list", "watch"), "cluster", "watch our kinds") for plural in PLURALS.values()),
    Permission(
        GROUP,
        PLURALS["ThresholdPolicy"],
        ("get",),
        "cluster",
        "see whether a policy with a part of a shared rule is gone",
    ),
    *(Permission(GROUP, f"{plural}/status", ("patch",), "cluster", "write status") for plural in PLURALS.values()),
    Permission(
        "monitoring.coreos.com",
        "prometheusrules",
        ("get", "create", "patch", "delete"),
        "cluster",
        "own rules by server-side apply",
        "write_rules",
    ),
    Permission("events.k8s.io", "events", ("create", "patch"), "cluster", "record Events"),
    Permission("events.k8s.io", "events", ("list",), "cluster", "report on Warnings", "pattern_reports"),
    Permission(
        "",
        "configmaps",
        ("get", "create", "patch", "delete"),
        "cluster",
        "keep reports by server-side apply",
        "pattern_reports",
    ),
    Permission("", "namespaces", ("list", "watch"), "cluster", "match allowedNamespaces by label"),
    Permission(
        "apiextensions.k8s.io", "customresourcedefinitions", ("list", "watch"), "cluster", "notice that our CRDs appear"
    ),
    Permission("coordination.k8s.io", "leases", ("get", "create", "update"), "operator", "elect a leader"),
    Permission("", "secrets", ("get",), "operator", "read the tokens that MetricsSources refer to"),
)


CLUSTER_SCOPED = ("metricssources", "metricssources/status")
"""Objects without a namespace: they need a ClusterRole however the operator is installed."""
CLUSTERWIDE_ONLY = ("namespaces", "customresourcedefinitions")
"""A namespaced install neither matches namespaces by label nor looks for CRDs."""

Place = Literal["cluster", "each", "operator"]


def place(permission: Permission, namespaced: bool) -> Place | None:
    """Where an install grants a permission: everywhere, in each watched namespace, in its own, or nowhere."""
    if permission.scope == "operator":
        return "operator"
    if not namespaced or permission.resource in CLUSTER_SCOPED:
        return "cluster"
    return None if permission.resource in CLUSTERWIDE_ONLY else "each"


def needed(features: Collection[Feature]) -> tuple[Permission, ...]:
    """The permissions of an install with these features: first those of every install."""
    order = (None, *(name for name in FEATURES if name in features))
    return tuple(permission for name in order for permission in PERMISSIONS if permission.feature == name)


def features_of(settings: Settings) -> tuple[Feature, ...]:
    """The features that are on."""
    return tuple(name for name in FEATURES if getattr(settings, name))


def rules(
    where: Place, *, namespaced: bool = False, features: Collection[Feature] = FEATURES, only: Feature | None = None
) -> list[dict[str, Any]]:
    """RBAC rules of a place, in the order of the table, neighbours with equal verbs and group merged.

    ``only`` leaves those of one feature.
    """
    merged: list[dict[str, Any]] = []
    for permission in needed(features):
        if place(permission, namespaced) != where or (only is not None and permission.feature != only):
            continue
        last = merged[-1] if merged else None
        if last and last["apiGroups"] == [permission.group] and last["verbs"] == list(permission.verbs):
            last["resources"].append(permission.resource)
        else:
            merged.append(
                {
                    "apiGroups": [permission.group],
                    "resources": [permission.resource],
                    "verbs": list(permission.verbs),
                }
            )
    return merged
