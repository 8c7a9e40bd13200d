"""Prometheus 3.16 and 2.42 alone, with data that a test decides."""

from __future__ import annotations

import struct
import time
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from localcluster import Cluster, Options, Prometheus
from localcluster.http import get_json

STEP = 60
STALE_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
Column = Sequence[float | None]


def start_of(rows: int) -> int:
    """The first of ``rows`` whole minutes, the last of which is some minutes ago, so that nothing is late any more."""
    return int(time.time()) // STEP * STEP - (rows + 10) * STEP


def write(server: Prometheus, start: int, columns: Iterable[tuple[Mapping[str, str], Column]], step: int = STEP) -> int:
    """One sample a ``step`` from ``start`` on for each series; None for no sample."""
    return server.remote_write(
        (labels, [(start + step * row, value) for row, value in enumerate(column) if value is not None])
        for labels, column in columns
    )


def naive(server: Prometheus, expr: str, start: float, end: float, step: float) -> dict[tuple[Any, ...], np.ndarray]:
    """The obvious way: ask once, a list of floats a series."""
    rows = round((end - start) / step) + 1
    columns = {}
    for series in server.query_range(expr, start, end, step):
        column = np.full(rows, np.nan)
        for seconds, text in series.get("values", []):
            column[round((seconds - start) / step)] = float(text)
        columns[tuple(sorted(series["metric"].items()))] = column
    return columns


def assert_equal(frame: Any, expected: Mapping[tuple[Any, ...], np.ndarray]) -> None:
    """To the last bit; NaN is NaN."""
    assert [tuple(sorted(labels.items())) for labels in frame.labels] == sorted(expected)
    for column, key in enumerate(sorted(expected)):
        got, wanted = np.ascontiguousarray(frame.values[:, column]), expected[key]
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
        present = ~np.isnan(wanted)
        np.testing.assert_array_equal(got[present].view(np.int64), wanted[present].view(np.int64))


def alone(*flags: str) -> Cluster:
    """Prometheus without Kubernetes, ready in half a second."""
    return Cluster(options=Options(control_plane=False, prometheus_flags=flags))


def syntax_tree(server: Prometheus, expr: str) -> Any:
    """As Prometheus itself parses it (3.x)."""
    return get_json(f"{server.url}/api/v1/parse_query?{urllib.parse.urlencode({'query': expr})}")["data"]


def selectors_of(tree: Any) -> list[list[dict[str, str]]]:
    """The matchers of every selector in such a tree."""
    if isinstance(tree, list):
        return [found for part in tree for found in selectors_of(part)]
    if not isinstance(tree, dict):
        return []
    own = [tree["matchers"]] if tree.get("type") in ("vectorSelector", "matrixSelector") else []
    return own + [found for part in tree.values() for found in selectors_of(part)]


def write_histogram(server: Prometheus, labels: Mapping[str, str], seconds: float) -> None:
    """One sample of a native histogram, by remote write 1.0."""
    import cramjam
    from localcluster.http import request
    from localcluster.remote_write import _field, _label, _varint

    def number(field: int, value: int) -> bytes:
        return _varint(field << 3) + _varint(value)

    def real(field: int, value: float) -> bytes:
        return _varint(field << 3 | 1) + struct.pack("<d", value)

    span = _field(11, number(1, 0) + number(2, 2))
    histogram = number(1, 3) + real(3, 6.0) + number(4, 0) + real(5, 0.001) + number(6, 0) + span
    histogram += _field(12, _varint(2) + _varint(2)) + number(
        15, round(seconds * 1000)
    )  # deltas +1 and +1: buckets of 1 and 2
    series = b"".join(_label(name, value) for name, value in sorted(labels.items())) + _field(4, histogram)
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    request("POST", f"{server.url}/api/v1/write", bytes(cramjam.snappy.compress_raw(_field(1, series))), headers)
