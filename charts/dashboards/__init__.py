"""The Grafana dashboards of the chart, written as Python."""

from __future__ import annotations

import json
from pathlib import Path

from .detectors import detectors
from .operator import operator
from .reports import reports
from .thresholds import thresholds

FOLDER = Path(__file__).resolve().parents[1] / "opssight-operator" / "files" / "dashboards"


def texts() -> dict[Path, str]:
    """Every dashboard as it must stand in the chart."""
    made = {"operator": operator(), "detectors": detectors(), "thresholds": thresholds(), "reports": reports()}
    return {FOLDER / f"{name}.json": json.dumps(one, indent=1) + "\n" for name, one in made.items()}
