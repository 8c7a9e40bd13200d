"""A series with its alerts and labelled incidents, as one ``<svg>``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from .svg import WIDTH, line, number_text, rect, svg, text, time_axis

FloatArray = NDArray[np.float64]
MAX_COLUMNS = 700  # of pixels: each shows the lowest and the highest sample in it
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, WIDTH - 12.0, 10.0, 170.0
Span = tuple[float, float]


def series_plot(
    title: str,
    times: FloatArray,
    values: FloatArray,
    alerts: Sequence[Span],
    incidents: Sequence[Span],
) -> Markup:
    """``values [time]`` over ``times [time]`` (seconds); spans are shaded."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    height = (high - low) or 1.0
    span = float(times[-1] - times[0]) or 1.0

    def across(at: float) -> float:
        inside = min(max(at, float(times[0])), float(times[-1]))
        return _LEFT + (inside - float(times[0])) / span * (_RIGHT - _LEFT)

    parts = time_axis(float(times[0]), float(times[-1]), _LEFT, _RIGHT, _BOTTOM, UTC)
    for level in (low, high):
        y = _BOTTOM - (level - low) / height * (_BOTTOM - _TOP)
        parts += [line(_LEFT, y, _RIGHT, y, "gridline"), text(_LEFT - 6, y + 4, f"{level:.3g}", "end")]
    for kind, spans in (("incident", incidents), ("alert", alerts)):
        for start, end in spans:
            if end < times[0] or start > times[-1]:
                continue
            x = across(start)
            parts.append(rect(x, _TOP, max(across(end) - x, 1.5), _BOTTOM - _TOP, kind, kind))
    parts += [_polyline(*run, across, low, height) for run in _runs(*_thinned(times, values))]
    return svg(_BOTTOM + 24.0, title, parts)


def _thinned(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """At most two samples a column of pixels, the lowest and the highest, in their order."""
    if len(values) <= 2 * MAX_COLUMNS:
        return times, values
    kept: list[int] = []
    for rows in np.array_split(np.arange(len(values)), MAX_COLUMNS):
        inside = values[rows]
        if np.isnan(inside).all():
            kept.append(int(rows[0]))
        else:
            kept += sorted({int(rows[np.nanargmin(inside)]), int(rows[np.nanargmax(inside)])})
    return times[kept], values[kept]


def _runs(times: FloatArray, values: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Stretches without a gap."""
    known = np.isfinite(values)
    edges = np.flatnonzero(np.diff(known.astype(np.int8))) + 1
    return [
        (t, v)
        for t, v in zip(np.split(times, edges), np.split(values, edges), strict=True)
        if len(v) and np.isfinite(v[0])
    ]


def _polyline(
    times: FloatArray, values: FloatArray, across: Callable[[float], float], low: float, height: float
) -> Markup:
    points = " ".join(
        f"{number_text(across(float(at)))},{number_text(_BOTTOM - (float(v) - low) / height * (_BOTTOM - _TOP))}"
        for at, v in zip(times, values, strict=True)
    )
    return Markup('<polyline class="series" points="{}"/>').format(points)
