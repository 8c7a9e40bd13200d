"""Policies in files that name one shared rule object and do not agree on its labels: only the cluster would say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from opssight_operator.api.threshold_policy import ThresholdPolicySpec

_Key = tuple[str, str, str]
"""Namespace, shared object and label."""


class SharedLabels:
    """What the policies that were seen so far want of each label of a shared object."""

    def __init__(self) -> None:
        self._wanted: dict[_Key, tuple[str, str]] = {}

    def disagreements(self, body: Mapping[str, Any]) -> list[str]:
        """A sentence for each label to which an earlier policy has given another value."""
        if body.get("kind") != "ThresholdPolicy":
            return []
        try:
            record = ThresholdPolicySpec.model_validate(body.get("spec") or {}).delivery.record
        except ValidationError:
            return []  # which is said by whoever checks one manifest alone
        if record is None or record.shared_object is None:
            return []
        metadata = body.get("metadata") or {}
        name, shared = str(metadata.get("name", "")), record.shared_object
        found = []
        for label, value in sorted(record.rule_labels.items()):
            key = (str(metadata.get("namespace", "")), shared, label)
            first, other = self._wanted.setdefault(key, (value, name))
            if first != value and other != name:
                found.append(
                    f"spec.delivery.record.ruleLabels: {label} is {value}, and {first} in ThresholdPolicy/{other}, "
                    f"which shares the PrometheusRule {shared}; give both the same value or another sharedObject"
                )
        return found
