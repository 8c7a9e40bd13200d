"""The engine's answers as plain JSON, word for word the same on the command line and over HTTP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from opssight_detectors.engine import Detection
from opssight_detectors.thresholds.base import Estimate

from .backtest import Backtest


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


def plain_backtest(result: Backtest, names: Sequence[str]) -> dict[str, Any]:
    """What would have been alerted on; ``names`` are those of the series."""
    agreement = result.agreement
    return {
        "judged_from": plain_number(result.judged_from),
        "judged_to": plain_number(result.judged_to),
        "episodes": len(result.alerts),
        "episodes_per_week": _rounded(result.episodes_per_week),
        "share_of_time": _rounded(result.share_of_time),
        "share_judged": _rounded(result.share_judged),
        "alerts": [
            {
                "series": names[alert.series],
                "start": plain_number(alert.start),
                "end": plain_number(alert.end),
                "open": alert.is_open,
                "explanation": alert.explanation,
            }
            for alert in result.alerts
        ],
        "labels": None
        if agreement is None
        else {
            "incidents": agreement.incidents,
            "detected": agreement.detected,
            "true_alerts": agreement.true_alerts,
            "precision": _rounded(agreement.precision),
            "recall": _rounded(agreement.recall),
            "median_delay_seconds": _rounded(agreement.median_delay),
        },
    }


def _rounded(value: float) -> float | int | None:
    return plain_number(float(f"{value:.6g}")) if math.isfinite(value) else None


def _readable(value: float) -> float:
    """Without the noise of float arithmetic."""
    return float(f"{value:.12g}")
