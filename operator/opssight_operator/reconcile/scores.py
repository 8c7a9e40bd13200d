"""Asking Prometheus for the scores of a detector that it should have scraped."""

from __future__ import annotations

from ..api.anomaly_detector import AnomalyDetector
from ..core.observation import ScoreArrival
from ..core.score_arrival import arrival_query, may_be_asked
from ..errors import OpsSightError
from .ports import MetricSource


async def observe_scores(detector: AnomalyDetector, source: MetricSource, now: float) -> ScoreArrival | None:
    """How the scores arrive; None when the source cannot tell, which is no word against them."""
    if not may_be_asked(source.matchers, detector.metadata.namespace):
        return None
    try:
        for arrival, renamed in ((ScoreArrival.ARRIVED, False), (ScoreArrival.RENAMED, True)):
            if (await source.range(arrival_query(detector, renamed=renamed), now, now, 1.0)).n_series:
                return arrival
    except OpsSightError:
        return None
    return ScoreArrival.MISSING
