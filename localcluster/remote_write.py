"""Prometheus remote write 1.0 in a page: a hand-written protobuf message, compressed with snappy.

``WriteRequest{timeseries=1: TimeSeries{labels=1: Label{name=1, value=2}, samples=2: Sample{value=1: double,
timestamp=2: int64 milliseconds}}}``
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from . import http

Series = tuple[Mapping[str, str], Sequence[tuple[float, float]]]
"""Labels (``__name__`` among them) and samples ``(seconds, value)``, oldest first."""

MAX_SAMPLES = 50_000
"""Samples in one request; the server reads a request into memory."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _sample(seconds: float, value: float) -> bytes:
    milliseconds = round(seconds * 1000) & 0xFFFF_FFFF_FFFF_FFFF
    return _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(milliseconds))


def encode(series: Iterable[Series]) -> bytes:
    """The protobuf message, not yet compressed. Labels are sorted, as the protocol asks for."""
    return b"".join(
        _field(
            1,
            b"".join(_label(name, value) for name, value in sorted(labels.items()))
            + b"".join(_sample(seconds, value) for seconds, value in samples),
        )
        for labels, samples in series
    )


def send(url: str, series: Iterable[Series]) -> int:
    """Write to ``url`` (``/api/v1/write``) and return the number of samples."""
    import cramjam

    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    sent = 0
    for batch in _batches(series):
        http.request("POST", url, bytes(cramjam.snappy.compress_raw(encode(batch))), headers, timeout=120.0)
        sent += sum(len(samples) for _, samples in batch)
    return sent


def _batches(series: Iterable[Series]) -> Iterable[list[Series]]:
    batch: list[Series] = []
    held = 0
    for labels, samples in series:
        for start in range(0, len(samples), MAX_SAMPLES):
            part = samples[start : start + MAX_SAMPLES]
            if batch and held + len(part) > MAX_SAMPLES:
                yield batch
                batch, held = [], 0
            batch.append((labels, part))
            held += len(part)
    if batch:
        yield batch
