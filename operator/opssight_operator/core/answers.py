"""The engine's answers as plain JSON, word for word the same on the command line and over HTTP."""

from __future__ import annotations

import math
from typing import Any

from opssight_detectors.engine import Detection
from opssight_detectors.thresholds.base import Estimate


def plain_number(value: float) -> float | int | None:
    """A number for machines: None for unknown, whole numbers without a point."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def state_of(detection: Detection) -> str:
    """``Scored``, ``WarmingUp`` or ``NoData``."""
    if detection.warming_up:
        return "WarmingUp"
    return "Scored" if detection.samples else "NoData"


def plain_detection(detection: Detection) -> dict[str, Any]:
    """What was found in one list."""
    return {
        "method": detection.method,
        "samples": detection.samples,
        "state": state_of(detection),
        "anomalies": [
            {
                "index": point.index,
                "value": plain_number(point.value),
                "score": round(point.score, 4),
                "severity": point.severity.label,
                "expected": plain_number(point.expected),
                "lower": plain_number(point.lower),
                "upper": plain_number(point.upper),
                "explanation": point.explanation,
            }
            for point in detection.anomalies
        ],
    }


def plain_estimate(estimate: Estimate) -> dict[str, Any]:
    """One threshold with its 95 % interval; an end that the samples cannot bound is None."""
    return {
        "threshold": plain_number(_readable(estimate.value)),
        "lower": plain_number(_readable(estimate.lower)),
        "upper": plain_number(_readable(estimate.upper)),
        "samples": estimate.samples,
        "notes": list(estimate.notes),
    }


def _readable(value: float) -> float:
    """Without the noise of float arithmetic."""
    return float(f"{value:.12g}")
