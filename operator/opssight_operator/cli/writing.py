"""Answers as a table, JSON or YAML."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


def written(output: str, plain: Any, table: str) -> str:
    """The answer in the format asked for."""
    if output == "json":
        return json.dumps(plain, indent=2, ensure_ascii=False)
    if output == "yaml":
        import yaml

        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).rstrip("\n")
    return table


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = ()) -> str:
    """Columns two spaces apart, those named in ``left`` to the left and numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if name in left else cell.rjust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def moment(seconds: float) -> str:
    """Seconds since the epoch as UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: float, digits: int = 6) -> str:
    """A number for people."""
    return "" if math.isnan(value) else f"{value:.{digits}g}"
