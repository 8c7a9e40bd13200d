"""The answer to a range query, read series by series while it arrives.

The text of each finished series is turned into samples and forgotten; what is left at the end is the answer without
its series, a small JSON text that says whether it went well and what to warn of. A series that does not look as
Prometheus writes them (native histograms, other spacing) makes the rest of the answer be read as ordinary JSON.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from opssight_operator.errors import PrometheusUnreachable

from .answers import Matrix, Series
from .decimals import decimal
from .frames import FrameBuilder
from .grid import Grid
from .samples import Samples, milliseconds, read_samples

_RESULT = b'"result":['
_METRIC = b'{"metric":'
_VALUES = b'},"values":[['
_END = b"]]}"
_HEAD_LIMIT = 65_536
_decode_labels = msgspec.json.Decoder(dict[str, str]).decode
_decode_matrix = msgspec.json.Decoder(Matrix).decode
_decode_series = msgspec.json.Decoder(Series).decode
_decode_samples = msgspec.json.Decoder(list[tuple[float, str]]).decode
_decode_texts = msgspec.json.Decoder(list[str] | None).decode
_SAMPLE_BYTES = 500  # of a sample as text, with whatever layout
_WARNINGS_LIMIT = 65_536


def read_matrix(pieces: Iterable[bytes], grid: Grid, builder: FrameBuilder) -> tuple[str, ...]:
    """Put all samples of an answer into ``builder`` and return what Prometheus warned of.

    ``grid`` is what was asked for, a part of the builder's. Raises ``TooManySeries`` and ``TooMuchData`` as soon as
    it is known, and ``PrometheusUnreachable``, ``msgspec.MsgspecError`` or ``ValueError`` for what is no such answer.
    """
    reader = _Reader(grid, builder)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


class _Reader:
    """``text`` is what has arrived and was not read yet, ``head`` the answer up to its first series."""

    def __init__(self, grid: Grid, builder: FrameBuilder) -> None:
        self._grid = grid
        self._builder = builder
        self._moments = grid.start + grid.step * np.arange(grid.rows, dtype=np.int64)
        self._first = builder.grid.row_of(grid.start)
        self._text = bytearray()
        self._head: bytes | None = None
        self._ordinary = False  # the rest is read as ordinary JSON
        self._searched = 0  # no end of a series before this position of the text
        self._seen: set[int] = set()

    def feed(self, piece: bytes) -> None:
        self._text += piece
        if self._head is None:
            start = self._text.find(_RESULT, 0, _HEAD_LIMIT)
            if start < 0:
                self._ordinary = self._ordinary or len(self._text) >= _HEAD_LIMIT
                return
            start += len(_RESULT)
            self._head = bytes(self._text[:start])
            del self._text[:start]
        if not self._ordinary:
            self._read_series()

    def finish(self) -> tuple[str, ...]:
        answer = _decode_matrix((self._head or b"") + self._text.removeprefix(b"," if self._seen else b""))
        if answer.status != "success" or answer.data.result_type != "matrix":
            raise PrometheusUnreachable(
                f"the answer has status {answer.status[:40]!r} and type {answer.data.result_type[:40]!r} where a "
                "matrix was asked for; is the url that of Prometheus?"
            )
        warnings = [*_texts(answer.warnings), *_texts(answer.infos)]
        if answer.is_partial:
            warnings.append("the answer is partial")
        left_out = 0
        for text in answer.data.result:
            series = _decode_series(text)
            left_out += bytes(series.histograms).strip(b"[] \t\r\n") != b""
            if len(memoryview(series.values)) > _SAMPLE_BYTES * (1 + self._grid.rows):
                raise _not_asked_for()
            if samples := _decode_samples(series.values):
                moments = np.array([milliseconds(seconds) for seconds, _ in samples], dtype=np.int64)
                values = np.array([decimal(text.encode()) for _, text in samples])
                self._put([series.metric], Samples([len(values)], moments, values))
        if left_out:
            warnings.append(
                f"{left_out} series have native histograms, which are left out; "
                "turn them into numbers with histogram_quantile(), histogram_avg() or the like"
            )
        return tuple(warnings)

    def _read_series(self) -> None:
        """Read all series that are there as a whole, and cut them out of the text."""
        with memoryview(self._text) as view:
            labels, values, position = self._split(view)
            try:
                samples = read_samples(values) if values else None
            except (msgspec.MsgspecError, ValueError):
                self._ordinary = True
                return
            finally:
                for part in values:
                    part.release()
        if samples is not None:
            self._put(labels, samples)
            del self._text[:position]

    def _split(self, view: memoryview) -> tuple[list[dict[str, str]], list[memoryview], int]:
        """The labels and the samples' text of each whole series, and where the text goes on."""
        labels: list[dict[str, str]] = []
        values: list[memoryview] = []
        text, position = self._text, 0
        while True:
            start = position + text.startswith(b",", position)
            if not text.startswith(_METRIC, start):
                break
            middle = text.find(_VALUES, start)
            if middle < 0:
                self._ordinary = len(text) - start > _HEAD_LIMIT
                break
            end = text.find(b"}", max(middle + len(_VALUES), self._searched))  # samples hold no brace
            if end < 0:
                break
            try:
                series = _decode_labels(view[start + len(_METRIC) : middle + 1])
            except msgspec.MsgspecError:
                series = None
            if series is None or not text.endswith(_END, middle, end + 1):
                self._ordinary = True  # native histograms perhaps; whoever reads the rest will say
                break
            labels.append(series)
            values.append(view[middle + len(_VALUES) : end + 1 - len(_END)])
            position = end + 1
        self._searched = len(text) - position
        return labels, values, position

    def _put(self, labels: list[dict[str, str]], samples: Samples) -> None:
        columns = [self._builder.column(series) for series in labels]
        if len(self._seen.union(columns)) != len(self._seen) + len(columns):
            raise PrometheusUnreachable("the answer names a series twice; is the url that of Prometheus?")
        self._seen.update(columns)
        if all(count == self._grid.rows for count in samples.counts):
            moments = samples.moments.reshape(len(columns), -1)
            if (moments == self._moments).all():
                self._builder.put_block(columns, self._first, samples.values.reshape(len(columns), -1))
                return
        rows, rest = np.divmod(samples.moments - self._grid.start, self._grid.step)
        outside = rest.any() or rows.min(initial=0) < 0 or rows.max(initial=0) >= self._grid.rows
        rising = np.diff(rows) > 0
        rising[np.cumsum(samples.counts)[:-1] - 1] = True
        if outside or not rising.all():
            raise _not_asked_for()
        rows += self._first
        start = 0
        for column, count in zip(columns, samples.counts, strict=True):
            self._builder.put(column, rows[start : start + count], samples.values[start : start + count])
            start += count


def _not_asked_for() -> PrometheusUnreachable:
    return PrometheusUnreachable(
        "the answer has samples at times that were not asked for; is the url that of Prometheus?"
    )


def _texts(written: msgspec.Raw) -> list[str]:
    """What is warned of; long lists of it are not read."""
    if len(memoryview(written)) > _WARNINGS_LIMIT:
        return ["the answer has more warnings than are read"]
    return _decode_texts(written) or []
