"""Does a status mean something else than the one that stands there?

A status is written when its meaning changes and never per evaluation: every write goes through etcd to
every watcher. Values, scores and expectations move at each step without a change of meaning; they come
along with the next one, and with a heartbeat.
"""

from __future__ import annotations

import re
from typing import Any

from ..api.base import KubeModel
from ..api.conditions import Condition, Reason
from ..api.detector_status import AnomalyDetectorStatus
from ..api.threshold_reasons import ThresholdReason
from ..api.threshold_status import ThresholdPolicyStatus, ThresholdStatus
from .timing import beat_between

_WANT_OF_DATA = (ThresholdReason.NO_DATA, ThresholdReason.INSUFFICIENT_HISTORY)


def status_changed(
    old: KubeModel, new: KubeModel, *, now: float, interval: float, heartbeat: float, uid: str = ""
) -> bool:
    """Whether ``new`` has to be written over ``old``.

    All times are seconds. Besides a change of meaning that is any change at the first evaluation after each
    ``heartbeat``; its phase comes from ``uid``, so that resources do not write in one moment.
    """
    if meaning(old) != meaning(new):
        return True
    return old != new and beat_between(now - interval, now, heartbeat, uid)


def meaning(status: KubeModel) -> object:
    """What the status says, without the numbers that move at each evaluation; equal meanings compare equal."""
    if isinstance(status, AnomalyDetectorStatus):
        return _detector(status)
    if isinstance(status, ThresholdPolicyStatus):
        return _policy(status)
    plain = status.dump()
    plain["conditions"] = _conditions(getattr(status, "conditions", []))
    return plain


def _detector(status: AnomalyDetectorStatus) -> object:
    return (
        status.observed_generation,
        _conditions(status.conditions),
        status.summary,
        # Which normal series are listed, and in what order, follows from their scores and means nothing; how bad an
        # anomalous one is follows from the peak of its episode.
        sorted((s.query, sorted(s.labels.items())) for s in status.series if s.state == "Anomalous"),
        [(a.query, a.labels, a.start, a.end, a.severity, a.moved_at) for a in status.anomalies],
        status.model and (status.model.method, status.model.digest),
    )


def _policy(status: ThresholdPolicyStatus) -> object:
    return (
        status.observed_generation,
        _conditions(status.conditions),
        status.count,
        # Dead band, cooldown and firing come and go around a threshold that stays; want of data does not.
        [
            (
                t.labels,
                t.hours or t.current,
                t.changed_at,
                t.reason in _WANT_OF_DATA and t.reason,
                t.outcome and t.outcome.state,
            )
            for t in status.thresholds
        ],
        [(c.at, c.labels, c.from_, c.to) for c in status.history],
        status.digest,
        status.rule_objects,
        # What is counted and compared at the next look has to be there then.
        status.patch and (status.patch.value, status.patch.reverts, status.patch.original, status.patch.occurrence),
    )


def _state(threshold: ThresholdStatus) -> str | None:
    return threshold.outcome.state if threshold.outcome else None


def _conditions(conditions: list[Condition]) -> list[tuple[Any, ...]]:
    return [(c.type, c.status, c.observed_generation, *_said(c)) for c in conditions]


def _said(condition: Condition) -> tuple[str, str]:
    """Messages count where something is wrong, but not the numbers in them (ports, counts, durations)."""
    if condition.status != "True":
        return condition.reason, re.sub(r"\d+", "#", condition.message)
    # Whether a threshold is held back just now is no news about its delivery.
    return (Reason.RECORDED if condition.reason in (Reason.HELD, Reason.RENDERED) else condition.reason), ""
