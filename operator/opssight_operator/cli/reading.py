"""Lists of numbers from arguments, stdin, CSV and JSON. What is wrong is said with its value and its place."""

from __future__ import annotations

import csv as csv_module
import io
import json as json_module
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import BadInput

Series = dict[str, list[float]]
"""Lists of numbers by name; the name of a single unnamed list is empty. NaN is a missing sample."""

MAX_BYTES = 512 * 1024 * 1024  # of one file
_MISSING = ("", "nan", "null", "none", "na", "n/a", "-")
_ALLOWED = "a number, or nan for a missing sample"


def series(values: Sequence[str], *, csv: Path | None, column: str | None, json: Path | None) -> Series:
    """The lists that the command line asks for; ``BadInput`` when there is none or a value is no number."""
    given = [name for name, there in (("values", values), ("--csv", csv), ("--json", json)) if there]
    if len(given) > 1:
        raise BadInput(f"{' and '.join(given)} were given together; give one of them")
    if column is not None and csv is None:
        raise BadInput(f"--column {column} needs --csv FILE")
    if csv is not None:
        found = from_csv(text_of(csv), column, str(csv))
    elif json is not None:
        found = from_json(text_of(json), str(json))
    elif values and list(values) != ["-"]:
        found = {"": [_number(value, f"value {place}") for place, value in enumerate(values, start=1)]}
    else:
        found = from_text(_stdin())
    if not found or not any(found.values()):
        raise BadInput("there are no values; give numbers as arguments, on stdin, or with --csv or --json")
    return found


def from_text(text: str) -> Series:
    """Numbers between spaces, commas or line ends; or JSON."""
    if text.lstrip()[:1] in ("[", "{"):
        return from_json(text, "stdin")
    parts = text.replace(",", " ").split()
    return {"": [_number(part, f"value {place} of stdin") for place, part in enumerate(parts, start=1)]}


def csv_columns(text: str, source: str) -> dict[str, list[Any]]:
    """The columns of a table with a header; a row that is too short has empty cells."""
    header, body = _csv_rows(text, source)
    return {name: [row[i] if i < len(row) else "" for _, row in body] for i, name in enumerate(header)}


def column_of(columns: dict[str, list[Any]], column: str | None, source: str) -> list[float]:
    """One column as numbers; without ``column`` the only one that holds them."""
    cells = {name: ["" if cell is None else str(cell) for cell in found] for name, found in columns.items()}
    column = _the_column(column, [name for name, found in cells.items() if _is_numeric(found)], list(cells), source)
    return [
        _number(cell, f"row {row} of column {column} in {source}") for row, cell in enumerate(cells[column], start=1)
    ]


def _csv_rows(text: str, source: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    reader = csv_module.reader(io.StringIO(text))
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv_module.Error as error:
        raise BadInput(f"line {reader.line_num} of {source} is not CSV: {error}") from None
    if len(rows) < 2:
        raise BadInput(f"{source} has {len(rows)} lines; it must have a header and values below it")
    return [name.strip() for name in rows[0][1]], rows[1:]


def _the_column(column: str | None, numeric: Sequence[str], known: Sequence[str], source: str) -> str:
    if column is None:
        if len(numeric) != 1:
            raise BadInput(f"{source} has {_listed(numeric)} with numbers; choose one with --column")
        return numeric[0]
    if column not in known:
        raise BadInput(f"{source} has no column {column!r}; it has {', '.join(known)}")
    return column


def from_csv(text: str, column: str | None, source: str) -> Series:
    """One column of a table with a header; without ``column`` the only one that holds numbers."""
    header, body = _csv_rows(text, source)
    numeric = [name for i, name in enumerate(header) if _is_numeric(row[i] for _, row in body if i < len(row))]
    column = _the_column(column, numeric, header, source)
    index = header.index(column)
    numbers = [
        _number(row[index] if index < len(row) else "", f"line {line} of column {column} in {source}")
        for line, row in body
    ]
    return {column: numbers}


def from_json(text: str, source: str) -> Series:
    """A list, an object of lists by name, or the answer of Prometheus to a range query."""
    try:
        data = json_module.loads(text)
    except ValueError as error:
        raise BadInput(f"{source} is not JSON: {error}") from None
    if isinstance(data, list):
        return {"": _numbers(data, "", source)}
    if isinstance(data, dict) and isinstance(data.get("data"), dict):
        return _from_prometheus(data["data"], source)
    if isinstance(data, dict):
        return {str(name): _numbers(values, str(name), source) for name, values in data.items()}
    raise BadInput(f"{source} holds {type(data).__name__}; it must be a list of numbers or an object of lists by name")


def _from_prometheus(data: dict[str, Any], source: str) -> Series:
    if data.get("resultType") != "matrix":
        raise BadInput(
            f"{source} holds a result of type {data.get('resultType')}; it must be the matrix of a range query"
        )
    found: Series = {}
    for entry in data.get("result", []):
        labels = ",".join(f'{k}="{v}"' for k, v in sorted(entry.get("metric", {}).items()) if k != "__name__")
        name = f"{entry.get('metric', {}).get('__name__', '')}{{{labels}}}"
        found[name] = [
            _number(str(sample[1]), f"value {place} of {name} in {source}", infinite_is_missing=True)
            for place, sample in enumerate(entry.get("values", []), start=1)
        ]
    return found


def _numbers(values: Any, name: str, source: str) -> list[float]:
    where = f"of {name} in {source}" if name else f"of {source}"
    if not isinstance(values, list):
        raise BadInput(f"{name or 'it'} in {source} is {values!r}; it must be a list of numbers")
    return [_of_json(value, f"value {place} {where}") for place, value in enumerate(values, start=1)]


def _of_json(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadInput(f"{where} is {json_module.dumps(value)}; it must be {_ALLOWED}")
    return _number(str(value), where)


def _number(text: str, where: str, *, infinite_is_missing: bool = False) -> float:
    if text.strip().lower() in _MISSING:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        if text.startswith("--"):
            raise BadInput(f"there is no option {text}; see --help") from None
        raise BadInput(f"{where} is {text!r}; it must be {_ALLOWED}") from None
    if math.isinf(number):
        if infinite_is_missing:
            return math.nan
        raise BadInput(f"{where} is {text!r}; it must be {_ALLOWED}")
    return number


def _is_numeric(cells: Iterable[str]) -> bool:
    numbers = 0
    for cell in cells:
        if cell.strip().lower() in _MISSING:
            continue
        try:
            float(cell)
        except ValueError:
            return False
        numbers += 1
    return numbers > 0


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "no column"
    return f"the columns {', '.join(names)}"


def text_of(path: Path) -> str:
    """The text of a file, or of stdin for ``-``; ``BadInput`` when it cannot be read."""
    if str(path) == "-":
        return _stdin()
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadInput(f"{path} has {size:,} bytes; at most {MAX_BYTES:,} are read")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None


def _stdin() -> str:
    return "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
