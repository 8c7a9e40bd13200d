"""What is shipped for Argo CD: the health script in argocd-cm, and the Applications that the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from opssight_operator.api import GROUP, PLURALS

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "argocd"


def test_every_kind_has_the_one_script() -> None:
    script = (FOLDER / "health.lua").read_text()
    data = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text())["data"]
    assert set(data) >= {f"resource.customizations.health.{GROUP}_{kind}" for kind in PLURALS}
    assert set(data.values()) == {script}


@pytest.mark.parametrize("name", ["application-chart.yaml", "application-resources.yaml"])
def test_the_page_shows_the_applications_as_they_are_shipped(name: str) -> None:
    page = (FOLDER.parents[1] / "docs" / "gitops.md").read_text()
    assert f"```yaml\n{(FOLDER / name).read_text()}```\n" in page
