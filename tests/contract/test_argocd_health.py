"""The patch of argocd-cm carries the health script for every kind."""

from __future__ import annotations

from pathlib import Path

import yaml

from opssight_operator.api import GROUP, PLURALS

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "argocd"


def test_every_kind_has_the_one_script() -> None:
    script = (FOLDER / "health.lua").read_text()
    data = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text())["data"]
    assert set(data) >= {f"resource.customizations.health.{GROUP}_{kind}" for kind in PLURALS}
    assert set(data.values()) == {script}
