"""Plots as inline SVG. Colours are CSS classes of the page, so that one drawing fits light, dark and paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo

from markupsafe import Markup, escape

from opssight_detectors.patterns.findings import BarPlot, GridPlot, Plot, TimelinePlot, TrendPlot

WIDTH = 720.0
_LABEL_WIDTH = 210.0
_LABEL_CHARS = 29
_SEVERITIES = ("none", "info", "warning", "error", "critical")


def draw(plot: Plot, zone: tzinfo) -> Markup:
    """The plot as one ``<svg>`` element; times are told in ``zone``."""
    if isinstance(plot, BarPlot):
        short = all(len(label) <= 3 for label in plot.labels)
        return _columns(plot) if short else _bars(plot)
    if isinstance(plot, TrendPlot):
        return _trend(plot, zone)
    if isinstance(plot, TimelinePlot):
        return _timeline(plot, zone)
    return _grid(plot)


def nice_ticks(largest: float, most: int = 5) -> list[float]:
    """Round numbers from 0 to at least ``largest``, at most about ``most`` steps."""
    if not largest > 0.0:
        return [0.0, 1.0]
    rough = largest / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= rough * (1 - 1e-9))
    step = max(step, 1.0) if largest >= 1.0 else step
    return [step * i for i in range(math.ceil(largest / step - 1e-9) + 1)]


def svg(height: float, title: str, parts: Sequence[Markup]) -> Markup:
    """One drawing from its parts."""
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        number_text(WIDTH), number_text(height), title, Markup("").join(parts)
    )


def number_text(value: float) -> str:
    """A coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def rect(x: float, y: float, width: float, height: float, kind: str, hint: str, opacity: float = 1.0) -> Markup:
    """A bar with a hint."""
    faint = Markup(' fill-opacity="{}"').format(f"{opacity:.2f}") if opacity < 1.0 else ""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"{}><title>{}</title></rect>').format(
        kind, number_text(x), number_text(y), number_text(max(width, 0.0)), number_text(max(height, 0.0)), faint, hint
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A line."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        kind, number_text(x1), number_text(y1), number_text(x2), number_text(y2)
    )


def _dot(x: float, y: float, hint: str) -> Markup:
    return Markup('<circle class="dot" cx="{}" cy="{}" r="4"><title>{}</title></circle>').format(
        number_text(x), number_text(y), hint
    )


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "label") -> Markup:
    """A text."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, number_text(x), number_text(y), anchor, text
    )


def _short(text: str) -> str:
    return text if len(text) <= _LABEL_CHARS else text[: _LABEL_CHARS - 1] + "…"


def _row_label(words: str, y: float) -> Markup:
    return Markup("<g><title>{}</title>{}</g>").format(words, text(_LABEL_WIDTH - 8, y, _short(words), "end"))


def _bars(plot: BarPlot) -> Markup:
    """Horizontal bars, for long labels."""
    pitch, thick, right = 26.0, 16.0, WIDTH - 56.0
    largest = max([*plot.values, *plot.expected, 1e-12])
    scale = (right - _LABEL_WIDTH) / largest
    parts = []
    for i, (label, value) in enumerate(zip(plot.labels, plot.values, strict=True)):
        y = 6.0 + i * pitch
        kind = "bar news" if i in plot.highlighted else "bar"
        parts.append(_row_label(label, y + 12.5))
        parts.append(rect(_LABEL_WIDTH, y, value * scale, thick, kind, f"{label}: {value:,.6g} {plot.unit}"))
        parts.append(text(_LABEL_WIDTH + value * scale + 6, y + 12.5, f"{value:,.6g}", kind="value"))
        if plot.expected:
            x = _LABEL_WIDTH + plot.expected[i] * scale
            parts.append(line(x, y - 3, x, y + thick + 3, "expected"))
    return svg(10.0 + pitch * len(plot.labels), plot.title, parts)


def _columns(plot: BarPlot) -> Markup:
    """Upright bars, for hours and weekdays."""
    left, right, top, bottom = 40.0, WIDTH - 8.0, 10.0, 190.0
    ticks = nice_ticks(max([*plot.values, *plot.expected, 0.0]))
    scale = (bottom - top) / ticks[-1]
    pitch = (right - left) / len(plot.labels)
    parts = []
    for tick in ticks:
        y = bottom - tick * scale
        parts += [line(left, y, right, y, "gridline"), text(left - 6, y + 4, f"{tick:,.6g}", "end")]
    every = 3 if len(plot.labels) > 12 else 1
    for i, (label, value) in enumerate(zip(plot.labels, plot.values, strict=True)):
        x = left + (i + 0.14) * pitch
        kind = "bar news" if i in plot.highlighted else "bar"
        hint = f"{label}: {value:,.6g} {plot.unit}"
        if plot.expected:
            hint += f", expected {plot.expected[i]:.1f}"
        parts.append(rect(x, bottom - value * scale, 0.72 * pitch, value * scale, kind, hint))
        if plot.expected:
            y = bottom - plot.expected[i] * scale
            parts.append(line(x - 0.08 * pitch, y, x + 0.8 * pitch, y, "expected"))
        if i % every == 0:
            parts.append(text(left + (i + 0.5) * pitch, bottom + 18, label, "middle"))
    return svg(bottom + 26.0, plot.title, parts)


def time_axis(start: float, end: float, left: float, right: float, y: float, zone: tzinfo) -> list[Markup]:
    """Five moments and their lines."""
    long = end - start > 2 * 86_400.0
    parts = []
    for i in range(5):
        time = start + (end - start) * i / 4.0
        at = datetime.fromtimestamp(time, zone)
        label = f"{at.day} {at:%b}" if long else f"{at:%H:%M}"
        x = left + (right - left) * i / 4.0
        anchor = "start" if i == 0 else "end" if i == 4 else "middle"
        parts += [line(x, 0.0, x, y, "gridline"), text(x, y + 16, label, anchor)]
    return parts


def _trend(plot: TrendPlot, zone: tzinfo) -> Markup:
    left, right, top, bottom = 64.0, WIDTH - 12.0, 10.0, 180.0
    across = (right - left) / (plot.end - plot.start)
    x = [left + (time - plot.start) * across for time in plot.times]
    scale = (bottom - top) / 4.0
    parts = time_axis(plot.start, plot.end, left, right, bottom, zone)
    for rank, word in enumerate(_SEVERITIES):
        y = bottom - rank * scale
        parts += [line(left, y, right, y, "gridline"), text(left - 6, y + 4, word, "end")]
    for at, time, value in zip(x, plot.times, plot.values, strict=True):
        hint = f"{datetime.fromtimestamp(time, zone):%d %b %H:%M}: {value:.2f}"
        parts.append(_dot(at, bottom - value * scale, hint))
    ends = [bottom - min(max(value, 0.0), 4.0) * scale for value in (plot.line_from, plot.line_to)]
    parts.append(line(x[0], ends[0], x[-1], ends[1], "trend"))
    return svg(bottom + 24.0, plot.title, parts)


def _timeline(plot: TimelinePlot, zone: tzinfo) -> Markup:
    pitch, right = 26.0, WIDTH - 12.0
    scale = (right - _LABEL_WIDTH) / (plot.end - plot.start)
    bottom = 8.0 + pitch * len(plot.rows)
    parts = time_axis(plot.start, plot.end, _LABEL_WIDTH, right, bottom, zone)
    for i, row in enumerate(plot.rows):
        y = 6.0 + i * pitch
        parts.append(_row_label(row.label, y + 12.5))
        for start, end in zip(row.starts, row.ends, strict=True):
            hint = f"{row.label}: {datetime.fromtimestamp(start, zone):%d %b %H:%M:%S}"
            width = max((end - start) * scale, 2.5)
            x = min(_LABEL_WIDTH + (start - plot.start) * scale, right - width)
            parts.append(rect(x, y, width, 16.0, "bar", hint))
    return svg(bottom + 24.0, plot.title, parts)


def _grid(plot: GridPlot) -> Markup:
    left, cell, high = 44.0, (WIDTH - 52.0) / len(plot.column_labels), 22.0
    largest = max((value for row in plot.values for value in row), default=0.0) or 1.0
    parts = []
    for i, (label, row) in enumerate(zip(plot.row_labels, plot.values, strict=True)):
        y = 4.0 + i * high
        parts.append(text(left - 8, y + 15, label, "end"))
        for j, value in enumerate(row):
            hint = f"{label} {plot.column_labels[j]}: {value:,.6g} {plot.unit}"
            kind = "bar" if value else "empty"
            strength = 0.25 + 0.75 * value / largest if value else 1.0
            parts.append(rect(left + j * cell + 1, y + 1, cell - 2, high - 2, kind, hint, strength))
    below = 20.0 + high * len(plot.row_labels)
    shown = list(enumerate(plot.column_labels))[::3]
    parts += [text(left + (j + 0.5) * cell, below, label, "middle") for j, label in shown]
    return svg(26.0 + high * len(plot.row_labels), plot.title, parts)


def caption(plot: Plot) -> Markup:
    """What the plot shows, and what its marks mean."""
    words = [plot.title]
    if isinstance(plot, BarPlot) and plot.expected:
        words.append("the marks are what was to be expected")
    if isinstance(plot, GridPlot):
        words.append("the darker, the more")
    return escape("; ".join(words))
