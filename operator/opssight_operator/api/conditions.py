"""Condition types and reasons: the one list, each with a sentence that says when it is true.

The docs page on troubleshooting is generated from this file. A transition time moves only when the
status flips; every condition is set from the first reconcile on, but for Stalled, which kstatus wants to be
absent while all is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from .base import KubeModel, Time


class ConditionType(StrEnum):
    """What a condition speaks about; each value's sentence is in ``TYPE_MEANING``."""

    READY = "Ready"
    STALLED = "Stalled"
    DATA_AVAILABLE = "DataAvailable"
    MODEL_TRAINED = "ModelTrained"
    RULE_LOADED = "RuleLoaded"
    RECOMMENDED = "Recommended"
    APPLIED = "Applied"
    AS_PREDICTED = "AsPredicted"
    REACHABLE = "Reachable"
    COMPLETE = "Complete"


TYPE_MEANING: dict[ConditionType, str] = {
    ConditionType.READY: "The resource does what its spec asks for; an anomaly or a held threshold is no lack of it.",
    ConditionType.STALLED: "The spec cannot be done until a person changes it or its source; absent otherwise.",
    ConditionType.DATA_AVAILABLE: "The queries return enough samples to work with.",
    ConditionType.MODEL_TRAINED: "Every series with data has a model that can judge it.",
    ConditionType.RULE_LOADED: "Prometheus itself lists the rules that this resource owns, and has their scores.",
    ConditionType.RECOMMENDED: "A threshold has been learned from history.",
    ConditionType.APPLIED: "The threshold has been delivered in the mode that the spec asks for.",
    ConditionType.AS_PREDICTED: "The delivered thresholds raise as many alert episodes as was predicted.",
    ConditionType.REACHABLE: "The Prometheus behind the source answers.",
    ConditionType.COMPLETE: "The last report rests on everything that its inputs had.",
}


class Reason(StrEnum):
    """Why a condition has its status; each value's sentence is in ``REASON_MEANING``."""

    RECONCILED = "Reconciled"
    PENDING = "Pending"
    SUSPENDED = "Suspended"
    INVALID_SPEC = "InvalidSpec"
    INVALID_QUERY = "InvalidQuery"
    NOT_ALLOWED = "NotAllowed"
    NO_DATA = "NoData"
    INSUFFICIENT_HISTORY = "InsufficientHistory"
    TOO_MANY_SERIES = "TooManySeries"
    TOO_MUCH_DATA = "TooMuchData"
    TARGET_NOT_FOUND = "TargetNotFound"
    PROMETHEUS_UNREACHABLE = "PrometheusUnreachable"
    PROMETHEUS_OVERLOADED = "PrometheusOverloaded"
    THROTTLED = "Throttled"
    SOURCE_MISSING = "SourceMissing"
    KUBERNETES_UNAVAILABLE = "KubernetesUnavailable"
    FIELD_CONFLICT = "FieldConflict"
    NAME_CONFLICT = "NameConflict"
    INTERNAL_ERROR = "InternalError"
    SAMPLES_FOUND = "SamplesFound"
    PARTIAL_DATA = "PartialData"
    TRAINED = "Trained"
    WARMING_UP = "WarmingUp"
    LOADED = "Loaded"
    NOT_LOADED = "NotLoaded"
    RULE_REJECTED = "RuleRejected"
    RULE_UNHEALTHY = "RuleUnhealthy"
    SCORES_NOT_SCRAPED = "ScoresNotScraped"
    NO_RULE = "NoRule"
    LEARNED = "Learned"
    RECOMMEND_ONLY = "RecommendOnly"
    RECORDED = "Recorded"
    RENDERED = "Rendered"
    PATCHED = "Patched"
    PATCH_DISABLED = "PatchDisabled"
    CONSENT_MISSING = "ConsentMissing"
    MANAGED_ELSEWHERE = "ManagedElsewhere"
    AMBIGUOUS_TARGET = "AmbiguousTarget"
    TARGET_TAKEN = "TargetTaken"
    TARGET_REVERTED = "TargetReverted"
    HELD = "Held"
    NOT_JUDGED = "NotJudged"
    AS_PREDICTED = "AsPredicted"
    TOO_MANY_EPISODES = "TooManyEpisodes"
    TOO_FEW_EPISODES = "TooFewEpisodes"
    ROLLED_BACK = "RolledBack"
    ANSWERING = "Answering"
    SCHEDULED = "Scheduled"
    EVERYTHING_READ = "EverythingRead"
    INPUT_CUT = "InputCut"


REASON_MEANING: dict[Reason, str] = {
    Reason.RECONCILED: "The last reconcile did everything the spec asks for.",
    Reason.PENDING: "The resource has been seen but not reconciled yet.",
    Reason.SUSPENDED: "spec.suspend is true: nothing is queried, and rules and thresholds stay as they are.",
    Reason.INVALID_SPEC: "A field, or two fields together, asks for something impossible; the message names it.",
    Reason.INVALID_QUERY: "A PromQL expression does not parse, or Prometheus refuses it as bad input.",
    Reason.NOT_ALLOWED: (
        "The source does not serve this namespace, a query reaches for another one, or the operator runs without the "
        "right that this needs."
    ),
    Reason.NO_DATA: "The query returned no samples in the window.",
    Reason.INSUFFICIENT_HISTORY: "There are samples, but fewer or over a shorter time than asked for.",
    Reason.TOO_MANY_SERIES: "The query returned more series than the source's limits.maxSeries.",
    Reason.TOO_MUCH_DATA: "The answer is larger than is allowed, or the rule object would be.",
    Reason.TARGET_NOT_FOUND: "An object or rule that the spec refers to does not exist.",
    Reason.PROMETHEUS_UNREACHABLE: "Prometheus did not answer; thresholds and rules are held as they were.",
    Reason.PROMETHEUS_OVERLOADED: "Prometheus refused the query as too heavy just now; it is tried again later.",
    Reason.THROTTLED: "Prometheus or the API server gets too many requests and asks us to come back later.",
    Reason.SOURCE_MISSING: "There is no MetricsSource of the name that the spec refers to.",
    Reason.KUBERNETES_UNAVAILABLE: "The Kubernetes API did not take a write; it is tried again.",
    Reason.FIELD_CONFLICT: "Another manager, or a policy that shares our object, has a field of it; we do not fight.",
    Reason.NAME_CONFLICT: "An object of the name we need exists and belongs to somebody else.",
    Reason.INTERNAL_ERROR: "A defect of OpsSight; the log has the traceback.",
    Reason.SAMPLES_FOUND: "Every query returned samples.",
    Reason.PARTIAL_DATA: "Some queries or series have no recent samples; the others are judged.",
    Reason.TRAINED: "Every series with data has a trained model.",
    Reason.WARMING_UP: "Some series have fewer training samples than spec.minTrainingSamples and are not judged yet.",
    Reason.LOADED: "Prometheus lists every rule of ours, and all evaluate without error.",
    Reason.NOT_LOADED: "The rule object exists, but Prometheus does not list its rules (yet).",
    Reason.RULE_REJECTED: "The rule is dropped by prometheus-operator or refused by Prometheus; the message says why.",
    Reason.RULE_UNHEALTHY: "Prometheus lists the rule but cannot evaluate it.",
    Reason.SCORES_NOT_SCRAPED: "The alert is loaded, but the scores that it compares do not come back from Prometheus.",
    Reason.NO_RULE: "The spec asks for no rule.",
    Reason.LEARNED: "A threshold was learned from the history window.",
    Reason.RECOMMEND_ONLY: "The mode is Recommend: the threshold is in status and metrics, and nothing is written.",
    Reason.RECORDED: "The threshold is recorded by the owned or shared PrometheusRule.",
    Reason.RENDERED: "The alert with the threshold stands in the owned PrometheusRule.",
    Reason.PATCHED: "The number in the alert that the policy names is the threshold.",
    Reason.PATCH_DISABLED: "The mode is Patch, and the operator runs without OPSSIGHT_ALLOW_PATCH.",
    Reason.CONSENT_MISSING: "The PrometheusRule to patch does not have the label opssight.dev/patch=allowed.",
    Reason.MANAGED_ELSEWHERE: "Argo CD, Flux, Helm or a controller writes the PrometheusRule and would undo a patch.",
    Reason.AMBIGUOUS_TARGET: "Several alerts or several numbers fit the patch; the message lists them.",
    Reason.TARGET_TAKEN: "An older policy patches the same number; the message names it.",
    Reason.TARGET_REVERTED: "Somebody set the patched number back again and again; it is left to them.",
    Reason.HELD: "A guardrail holds the current threshold; status.thresholds says which one and why.",
    Reason.NOT_JUDGED: (
        "No delivered change is old enough (outcome.after) to compare its alerts with the prediction, or there is no "
        "prediction: nothing is delivered, or the limit moves with its metric."
    ),
    Reason.AS_PREDICTED: "The alert episodes since the last change are within the predicted range.",
    Reason.TOO_MANY_EPISODES: "There were more alert episodes since the last change than the prediction allows.",
    Reason.TOO_FEW_EPISODES: "There were fewer alert episodes since the last change than the prediction allows.",
    Reason.ROLLED_BACK: "A threshold went back to its last good value, and stays there for outcome.hold.",
    Reason.ANSWERING: "Prometheus answered the last request.",
    Reason.SCHEDULED: "No report has been due yet; status.nextRunAt says when the first one is.",
    Reason.EVERYTHING_READ: "Every input of the last report was read to its end.",
    Reason.INPUT_CUT: "An input of the last report had more than is read, or was not there; the message says which.",
}

STALLING = frozenset({Reason.INVALID_SPEC, Reason.INVALID_QUERY, Reason.NOT_ALLOWED})
"""Reasons of a Ready that is False and stays so by itself: the ``SpecError`` family."""

Status = Literal["True", "False", "Unknown"]


class Condition(KubeModel):
    """A standard condition (``metav1.Condition``)."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["type", "status", "lastTransitionTime", "reason", "message"]}
    )

    type: Annotated[str, StringConstraints(max_length=316)]
    """type of the condition in CamelCase."""
    status: Status
    """status is True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """observedGeneration is the generation of the spec that this condition speaks about."""
    last_transition_time: Time = "1970-01-01T00:00:00Z"
    """lastTransitionTime is when the status last flipped."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    """reason is one word from the list of reasons."""
    message: Annotated[str, StringConstraints(max_length=32768)] = ""
    """message is a sentence for the person who reads it."""


def set_condition(
    conditions: Sequence[Condition],
    kind: ConditionType,
    status: Status,
    reason: Reason,
    message: str,
    *,
    generation: int,
    now: str,
) -> list[Condition]:
    """``conditions`` with one of them set; its transition time moves only when the status flips.

    ``now`` is an RFC 3339 time in UTC. The order of the others is kept.
    """
    old = next((c for c in conditions if c.type == kind), None)
    since = old.last_transition_time if old is not None and old.status == status else now
    new = Condition(
        type=str(kind),
        status=status,
        observed_generation=generation,
        last_transition_time=since,
        reason=str(reason),
        message=message,
    )
    if old is None:
        return [*conditions, new]
    return [new if c.type == kind else c for c in conditions]
