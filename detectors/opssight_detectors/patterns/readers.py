"""Bytes of CSV, JSON lines or a JSON array, to columns and records for ``tables``.

All complaints are ``ValueError`` with a sentence that names the line and what is wrong with it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from .tables import MAX_ROWS

MAX_BYTES = 256 * 1024 * 1024


def read_csv(data: bytes, *, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> dict[str, list[object]]:
    """The columns of a CSV with a header line."""
    reader = csv.reader(io.StringIO(_decoded(data, "the CSV", max_bytes), newline=""), strict=True)
    try:
        header = next(reader, [])
        columns: list[list[object]] = [[] for _ in header]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(f"line {reader.line_num} has {len(row)} values and the header has {len(header)}")
            if columns and len(columns[0]) >= max_rows:
                raise ValueError(f"the CSV has more than {max_rows:,} rows, which is the most allowed")
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} is not CSV: {error}") from None
    if not header:
        raise ValueError("the CSV is empty: it needs a header line and at least one row")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise ValueError(f"the header names column {repeated[0]!r} twice")
    return dict(zip(header, columns, strict=True))


def read_json(data: bytes, *, max_bytes: int = MAX_BYTES) -> list[Mapping[str, object]]:
    """The records of JSON lines, or of one JSON array of objects."""
    text = _decoded(data, "the JSON", max_bytes).strip()
    if not text:
        raise ValueError("the JSON is empty: it needs an array of objects, or one object a line")
    try:
        if text.startswith("["):
            records = json.loads(text)
        else:
            records = []
            for number, line in enumerate(text.splitlines(), start=1):
                if line.strip():
                    records.append(_json_line(line, number))
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is not JSON: {error.msg}") from None
    return list(records)


def _json_line(line: str, number: int) -> Mapping[str, object]:
    try:
        value: Mapping[str, object] = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON: {error.msg}") from None
    return value


def _decoded(data: bytes, what: str, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise ValueError(f"{what} has {len(data):,} bytes, allowed are {max_bytes:,}")
    if b"\0" in data[:4096]:
        raise ValueError(f"{what} is binary, not text (a zero byte at offset {data.index(0)})")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{what} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}") from None
