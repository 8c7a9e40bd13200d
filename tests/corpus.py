"""Alert rules that people run, given to the tests by a setting.

``OPSSIGHT_CORPUS`` names a folder with the PrometheusRule manifests of kube-prometheus, and of whom else. Without it
the tests rest on rules of our own. A setting that names no such folder is an error and never a pass.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

SETTING = "OPSSIGHT_CORPUS"
LITERALS_OF_KUBE_PROMETHEUS = 323


def manifests() -> list[Path]:
    """The files of the corpus; none when there is no setting."""
    named = os.environ.get(SETTING)
    if named is None:
        return []
    found = sorted(Path(named).glob("**/*.yaml"))
    if not found:
        raise FileNotFoundError(f"{SETTING} is {named!r}, which has no manifest; unset it, or name a folder of rules")
    return found


def rules() -> list[dict[str, Any]]:
    """All rules in them."""
    documents = [document for path in manifests() for document in yaml.safe_load_all(path.read_text())]
    return [rule for body in documents if body for group in body["spec"]["groups"] for rule in group["rules"]]
