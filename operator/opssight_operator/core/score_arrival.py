"""Do the scores that an alert compares come back from Prometheus?

A rule may be loaded and never fire: nobody scrapes the operator, or Prometheus renames the label ``namespace`` of what
it scrapes. So it is asked for the scores themselves, seldom enough to cost nothing while all is well.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..api.anomaly_detector import AnomalyDetector
from ..api.conditions import Condition, ConditionType, Reason
from ..settings import Settings
from .conditions import Verdict, find
from .conventions import SCORE_GAUGE
from .observation import ScoreArrival
from .timing import beat_between

_LOOKS = 4  # at a rule; a scrape comes within a minute in most places
_SILENT = "Prometheus has loaded the alert, but it cannot fire: "


def arrival_query(detector: AnomalyDetector, *, renamed: bool = False) -> str:
    """How many scores of the detector there are; ``renamed`` under the label that Prometheus makes without
    honorLabels."""
    namespace = "exported_namespace" if renamed else "namespace"
    meta = detector.metadata
    return f'count({SCORE_GAUGE}{{{namespace}="{meta.namespace}",detector="{meta.name}"}})'


def may_be_asked(matchers: Mapping[str, str], namespace: str) -> bool:
    """Whether a confined query can see the scores: they have the label ``namespace``, and no label of a tenant."""
    return all(item == ("namespace", namespace) for item in matchers.items())


def arrival_due(
    conditions: list[Condition], exported_for: float, now: float, interval: float, settings: Settings, uid: str
) -> bool:
    """Whether to ask now, when scores have been exported for ``exported_for`` seconds without a break.

    Not before two intervals, so that there was a scrape. Then in a few runs, as one of them may be skipped; at each run
    while something is wrong; and with the heartbeat of the status, as a scrape may end one day.
    """
    patience = max(2 * interval, _LOOKS * settings.rule_check_seconds)
    if exported_for < patience:
        return False
    last = find(conditions, ConditionType.RULE_LOADED)
    well = last is not None and last.reason == Reason.LOADED
    at_first = exported_for < patience + max(3 * interval, patience)
    return not well or at_first or beat_between(now - interval, now, settings.status_heartbeat_seconds, uid)


def with_arrival(loaded: Verdict, scores: ScoreArrival | None, last: Verdict | None) -> Verdict:
    """What RuleLoaded says of a loaded rule once it is known whether its scores arrive; unknown changes nothing."""
    if loaded.reason is not Reason.LOADED or scores is ScoreArrival.ARRIVED:
        return loaded
    if scores is None:
        return last if last is not None and last.reason is Reason.SCORES_NOT_SCRAPED else loaded
    why = (
        "the scores arrive with the label exported_namespace in the place of namespace, as they are scraped without "
        "honorLabels, or Prometheus overrides it"
        if scores is ScoreArrival.RENAMED
        else "the scores are not scraped, or without honorLabels"
    )
    return Verdict("False", Reason.SCORES_NOT_SCRAPED, _SILENT + why)
