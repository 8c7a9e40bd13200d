"""The published JSON schema of a report: ``python -m opssight_detectors.patterns.schema > FILE`` writes it."""

from __future__ import annotations

import json
import sys
from typing import Any

from .plain import json_schema
from .report import SCHEMA_VERSION, Report

IDENTIFIER = f"https://opssight.dev/schemas/pattern-report-{SCHEMA_VERSION}.json"


def report_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) that the JSON of every ``Report`` follows."""
    return json_schema(Report, title="OpsSight pattern report", identifier=IDENTIFIER)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n")
