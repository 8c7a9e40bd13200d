"""Somebody's PrometheusRule as the mode Patch sees it, and whether it may be touched at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..api.delivery import Patch
from .conventions import MANAGED_BY_LABEL, PATCH_CONSENT, PATCH_CONSENT_LABEL
from .observation import Labels, LoadedRule
from .written_rules import duration_of

_MANAGERS = re.compile(r"(argocd|helm|flux|kustomize-controller|source-controller|rancher-fleet|fleet|sveltos|kapp)")
_MARKS = {  # a label or annotation, and who puts it there
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
    "objectset.rio.cattle.io/id": "Rancher Fleet",
}


@dataclass(frozen=True, slots=True)
class Rival:
    """Another policy of the namespace in mode Patch. ``created`` is its RFC 3339 time of creation."""

    name: str
    created: str
    patch: Patch
    bound: str


@dataclass(frozen=True, slots=True)
class Target:
    """A PrometheusRule that is not ours, as it was read.

    ``managers`` are the names of managedFields; ``owner`` is the kind and name of its controller, if it has one;
    ``created`` is when the policy that looks at it was made; ``loaded`` are the rules of its groups that Prometheus
    lists, None when it did not say. ``refusals`` are what prometheus-operator says against the object, ``unreadable``
    what Prometheus says against an expression in it, asked for while it has not loaded the group.
    """

    name: str
    resource_version: str
    groups: tuple[Mapping[str, Any], ...]
    labels: Labels
    annotations: Labels
    managers: tuple[str, ...] = ()
    owner: str = ""
    created: str = ""
    rivals: tuple[Rival, ...] = ()
    loaded: tuple[LoadedRule, ...] | None = None
    refusals: tuple[str, ...] = ()
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """One alert inside an object: the positions of its group and of itself, and the rule.

    ``for_seconds`` and ``keep_firing_for_seconds`` are None where its owner wrote them in a way that only Prometheus
    reads.
    """

    group_index: int
    rule_index: int
    group: str
    alert: str
    labels: Labels
    expr: str
    for_seconds: float | None = 0.0
    keep_firing_for_seconds: float | None = 0.0

    @property
    def described(self) -> str:
        """The alert as a person can tell it from others."""
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"group {self.group}: {self.alert}{{{labels}}}"


def consents(target: Target) -> bool:
    """Whether whoever owns the object has allowed patches."""
    return target.labels.get(PATCH_CONSENT_LABEL) == PATCH_CONSENT


def managed_by(target: Target) -> str:
    """Who would undo a patch, and by what that is known; empty when nobody is."""
    if target.owner:
        return f"{target.owner} owns it (metadata.ownerReferences)"
    for mark, who in _MARKS.items():
        if mark in target.labels or mark in target.annotations:
            return f"{who} manages it ({mark})"
    by = target.labels.get(MANAGED_BY_LABEL, "")
    if _MANAGERS.match(by.lower()):
        return f"{by} manages it ({MANAGED_BY_LABEL})"
    for manager in target.managers:
        if _MANAGERS.match(manager.lower()):
            return f"{manager} writes it (metadata.managedFields)"
    return ""


def places(groups: Sequence[Mapping[str, Any]], patch: Patch) -> list[Place]:
    """The alerts that a patch could mean."""
    found = []
    for i, group in enumerate(groups):
        if patch.group is not None and group.get("name") != patch.group:
            continue
        for j, rule in enumerate(group.get("rules") or ()):
            labels = {str(k): str(v) for k, v in (rule.get("labels") or {}).items()}
            if rule.get("alert") == patch.alert and patch.labels.items() <= labels.items():
                durations = duration_of(rule, "for"), duration_of(rule, "keep_firing_for")
                group_name, expr = str(group.get("name", "")), str(rule.get("expr", ""))
                found.append(Place(i, j, group_name, patch.alert, labels, expr, *durations))
    return found


def alerts_in(groups: Sequence[Mapping[str, Any]], limit: int = 8) -> str:
    """The names of the alerts of an object, for a message."""
    names = list(dict.fromkeys(str(r["alert"]) for g in groups for r in g.get("rules") or () if "alert" in r))
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "none"
