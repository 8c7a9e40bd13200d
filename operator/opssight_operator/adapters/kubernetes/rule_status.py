"""What prometheus-operator says of a PrometheusRule in its status: who dropped it, and why.

``status.bindings`` has an entry for each Prometheus or ThanosRuler that selects the object, with the condition
``Accepted``. Versions before 0.87, and those without the feature gate StatusForConfigurationResources, write none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def refusals(found: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for each server that the object in its present generation was dropped for."""
    generation = found.get("metadata", {}).get("generation")
    said = []
    for binding in (found.get("status") or {}).get("bindings") or []:
        for condition in binding.get("conditions") or []:
            refused = condition.get("type") == "Accepted" and condition.get("status") == "False"
            if refused and condition.get("observedGeneration", generation) == generation:
                where = f"{binding.get('resource', 'workload')} {binding.get('namespace')}/{binding.get('name')}"
                why = ": ".join(part for key in ("reason", "message") if (part := condition.get(key)))
                said.append(f"for {where}: {why or 'no reason given'}")
    return tuple(said)
