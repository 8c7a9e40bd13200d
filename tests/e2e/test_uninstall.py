"""The end of a release: what stays when it should, and that nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from charts.rendering import RELEASE
from demo.sights import all_ready, recorded_thresholds, wait_for

from e2e.conftest import VALUES
from e2e.place import Place


def test_an_uninstall_keeps_the_resources_when_asked_to_and_else_leaves_nothing(
    place: Place, before: set[str], resources: int
) -> None:
    place.helm("uninstall", RELEASE, "--wait", "--timeout", "120s")
    kept = {item["metadata"]["name"] for item in place.objects("anomalydetectors", "-n", "shop")}
    assert "latency" in kept, "crds.keep is true"
    assert recorded_thresholds(place)(), "a threshold in force stays in force"  # type: ignore[arg-type]
    values: dict[str, Any] = VALUES | {"crds": {"keep": False}, "replicas": 1}
    place.release("install", values)
    wait_for("every resource Ready", all_ready(place), 120)  # type: ignore[arg-type]
    place.kubectl("delete", "prometheusrules", "shop-traffic", "shop-alerts", "-n", "shop")  # the user's own
    place.helm("uninstall", RELEASE, "--wait", "--timeout", "120s")

    def left() -> set[str]:
        return {name for name in place.everything() - before if not name.startswith(("Pod/monitoring", "Pod/shop"))}

    try:
        wait_for("nothing left", lambda: True if not left() else None, 90)
    except Exception:
        pytest.fail(f"left behind: {sorted(left())}")
