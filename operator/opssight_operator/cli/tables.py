"""Tables of incidents: CSV, JSON, JSON lines or Parquet, from a file or from stdin."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opssight_detectors.patterns.readers import MAX_BYTES, read_csv, read_json
from opssight_detectors.patterns.timestamps import parse_times

from .errors import BadInput
from .samples import parquet_columns


def records_or_columns(path: Path) -> Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]:
    """The table as columns or as records; ``BadInput`` for what is none."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return parquet_columns(path)
    data = bytes_of(path)
    try:
        looks_like_json = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
        return read_json(data) if looks_like_json else read_csv(data)
    except ValueError as error:
        raise BadInput(f"{named(path)}: {error}") from None


def incident_spans(path: Path | None) -> list[tuple[float, float]] | None:
    """Start and end (seconds) of labelled incidents; one without an end lasts for a moment."""
    if path is None:
        return None
    table = records_or_columns(path)
    columns = (
        table
        if isinstance(table, Mapping)
        else {name: [row.get(name) for row in table] for name in ("start", "end") if any(name in row for row in table)}
    )
    if "start" not in columns:
        raise BadInput(f"{named(path)} has no column start; it must have start and end")
    try:
        start = parse_times(columns["start"], "start", None)
        end = parse_times(columns["end"], "end", None) if "end" in columns else start
    except ValueError as error:
        raise BadInput(f"{named(path)}: {error}") from None
    end = np.where(np.isfinite(end), end, start)
    if not np.isfinite(start).all():
        raise BadInput(f"row {int(np.flatnonzero(~np.isfinite(start))[0]) + 1} of {named(path)} has no start")
    wrong = np.flatnonzero(end < start)
    if len(wrong):
        raise BadInput(f"row {int(wrong[0]) + 1} of {named(path)} ends before it starts")
    return list(zip(start.tolist(), end.tolist(), strict=True))


def bytes_of(path: Path) -> bytes:
    """A file, or stdin for ``-``; ``BadInput`` when it cannot be read or is too large."""
    if str(path) == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise BadInput("stdin is empty: it needs a table of incidents")
        stream = getattr(sys.stdin, "buffer", None)
        return stream.read(MAX_BYTES + 1) if stream is not None else sys.stdin.read().encode()
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadInput(f"{path} has {size:,} bytes, allowed are {MAX_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None


def named(path: Path) -> str:
    """The file as a sentence names it."""
    return "stdin" if str(path) == "-" else str(path)
