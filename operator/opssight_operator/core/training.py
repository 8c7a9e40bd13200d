"""What of the training window is learned from: incidents are left out, and a level that was accepted starts anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from opssight_detectors.base import Detector, Model

from ..api.detector_status import Anomaly
from .digests import digest
from .models import Learned
from .observation import FloatArray, Frame, Labels
from .rules import LabelItems, label_items
from .timing import seconds_of
from .windows import DetectorWindows

Spans = dict[LabelItems, list[tuple[float, float]]]
"""Stretches of time to leave out, from and to (both included), by the labels of the series."""


def left_out(query: str, anomalies: Sequence[Anomaly], windows: DetectorWindows, *, moved_only: bool) -> Spans:
    """What the known episodes of a query take from its training.

    A closed episode is left out; of one whose level was accepted, everything before it. A method that weighs its own
    past (``moved_only``) needs the second alone.
    """
    spans: Spans = defaultdict(list)
    for anomaly in anomalies:
        if anomaly.query != query:
            continue
        start = seconds_of(anomaly.start)
        if anomaly.moved_at is not None:
            spans[label_items(anomaly.labels)].append((-np.inf, start - windows.step / 2))
        elif anomaly.end is not None and not moved_only:
            spans[label_items(anomaly.labels)].append((start, seconds_of(anomaly.end)))
    return spans


def for_all_of(labels: Sequence[Labels], things: Spans) -> Spans:
    """``things`` are known by some labels only; the same stretches by the labels of each series that belongs to one."""
    return {
        label_items(series): [
            span for thing, found in things.items() if set(thing) <= set(label_items(series)) for span in found
        ]
        for series in labels
    }


def training_values(frame: Frame, labels: Sequence[Labels], spans: Spans, least: int) -> FloatArray:
    """``[time, series]`` with NaN where ``spans`` say so; a series that would keep fewer than ``least`` keeps all."""
    values = np.where(np.isfinite(frame.values), frame.values, np.nan)
    for column, series in enumerate(labels):
        found = spans.get(label_items(series))
        if not found:
            continue
        kept = values[:, column].copy()
        for start, end in found:
            kept[(frame.times >= start) & (frame.times <= end)] = np.nan
        if np.isfinite(kept).sum() >= least:
            values[:, column] = kept
    return values


def learned_key(parameters: object, labels: Sequence[Labels], spans: Spans, windows: DetectorWindows) -> str:
    """What tells models apart that were fitted on something else."""
    series = [label_items(one) for one in labels]
    out = sorted((key, [(str(a), str(b)) for a, b in value]) for key, value in spans.items())
    return digest([parameters, windows.start, windows.training, windows.step, series, out])


def brought_up_to_date(
    detector: Detector,
    kept: Learned | None,
    key: str,
    times: FloatArray,
    blocks: Sequence[FloatArray],
    windows: DetectorWindows,
) -> Learned:
    """Models that know everything in ``blocks [time, series]``; ``kept`` ones only learn what is new to them."""
    resumes = kept is not None and kept.key == key and kept.until <= windows.judged_from
    fit_until = windows.start + windows.training
    models: list[Model] = []
    for number, values in enumerate(blocks):
        if resumes and kept is not None:
            model, known = kept.models[number], kept.until
        else:
            rows = times < fit_until
            model, known = detector.fit(times[rows], np.ascontiguousarray(values[rows])), fit_until
        new = times >= known
        models.append(model.update(times[new], np.ascontiguousarray(values[new])) if new.any() else model)
    return Learned(key, windows.judged_from, tuple(models), sum(block.shape[1] for block in blocks))
