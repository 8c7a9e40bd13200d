"""An AnomalyDetector's decision: observation and previous status in, plan out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..api.anomaly_detector import AnomalyDetector, AnomalyDetectorSpec
from ..api.base import duration, seconds
from ..api.conditions import ConditionType, Reason
from ..api.detector_status import Anomaly, AnomalyDetectorStatus, ModelStatus, Summary
from ..api.event_reasons import EventReason
from ..settings import Settings
from .conditions import Verdict, verdict_of, with_verdicts
from .digests import digest
from .episodes import Episodes, merged, newest
from .events import capped, ready_events
from .gauges import score_gauges
from .judgement import QueryJudgement, SeriesJudgement, SeriesKey, judge
from .loaded import overdue, rule_verdict
from .meaning import status_changed
from .observation import DetectorObservation, RuleObjectState
from .plan import Event, Plan
from .rules import detector_rule, rule_intent
from .science import method_parameters
from .score_arrival import with_arrival
from .series import described, listed_series, within_bytes
from .timing import rfc3339, seconds_of
from .together import judged_together
from .verify import next_look, patience
from .windows import DetectorWindows

MAX_ANOMALY_BYTES = 6500


def evaluate(
    detector: AnomalyDetector,
    observation: DetectorObservation,
    windows: DetectorWindows,
    now: float,
    settings: Settings,
) -> Plan[AnomalyDetectorStatus]:
    """Judge every series and say what follows; raises ``InvalidSpec`` for what the methods refuse."""
    queries = judge(detector.spec, observation, windows, detector.status.anomalies)
    judged = [series for query in queries for series in query.series]
    joint = judged_together(detector.spec, queries, windows)
    told = judged if joint is None else joint
    episodes = merged(detector.status.anomalies, told, windows)
    states = {series.key: _state(series, episodes) for series in judged}
    told_states = {series.key: _state(series, episodes) for series in told}
    desired = detector_rule(detector)
    intent = rule_intent("AnomalyDetector", detector.metadata.name, desired, observation.rule)
    loaded = rule_verdict(desired, observation.rule)
    loaded = overdue(loaded, detector.status.conditions, now, patience(settings))
    last = verdict_of(detector.status.conditions, ConditionType.RULE_LOADED)
    loaded = with_arrival(loaded, observation.scores, last)
    data = _data_available(detector.spec, queries, states, windows)
    trained = _model_trained(detector.spec, judged, states)
    verdicts = {
        ConditionType.READY: _ready(data, trained, observation, desired is not None, states, settings),
        ConditionType.DATA_AVAILABLE: data,
        ConditionType.MODEL_TRAINED: trained,
        ConditionType.RULE_LOADED: loaded,
    }
    previous, generation = detector.status, detector.metadata.generation
    conditions = with_verdicts(previous.conditions, verdicts, generation=generation, now=now)
    counts = Counter(told_states.values())
    status = AnomalyDetectorStatus(
        conditions=conditions,
        observed_generation=generation,
        summary=Summary(
            series=len(told_states),
            anomalous=counts["Anomalous"],
            warming_up=counts["WarmingUp"],
            no_data=counts["NoData"],
        ),
        series=listed_series(told, told_states, episodes.open_since, previous.series, rfc3339(windows.now)),
        anomalies=within_bytes(newest(episodes.all), MAX_ANOMALY_BYTES),
        model=_model(detector.spec, queries, windows),
    )
    anomalous = {key for key, state in told_states.items() if state == "Anomalous"}
    return Plan(
        status=status,
        status_changed=status_changed(
            previous,
            status,
            now=now,
            interval=windows.interval,
            heartbeat=settings.status_heartbeat_seconds,
            uid=detector.metadata.uid,
        ),
        rule=intent,
        events=(*ready_events(previous.conditions, conditions), *_episode_events(episodes)),
        gauges=score_gauges(detector, [*(joint or ()), *judged], anomalous, settings.max_series_exported),
        outcome=str(verdicts[ConditionType.READY].reason),
        retry_after=next_look(intent, conditions, now, windows.interval, settings),
        learned={query.name: query.learned for query in queries if query.learned is not None},
    )


def _state(series: SeriesJudgement, episodes: Episodes) -> str:
    return "Anomalous" if series.state == "Normal" and series.key in episodes.open_since else series.state


def _data_available(
    spec: AnomalyDetectorSpec,
    queries: Sequence[QueryJudgement],
    states: Mapping[SeriesKey, str],
    windows: DetectorWindows,
) -> Verdict:
    warnings = "".join(f"; Prometheus warned: {text}" for query in queries for text in query.warnings[:1])
    silent = [q.name for q in queries if all(states[s.key] == "NoData" for s in q.series)]
    if silent:
        everything = len(silent) == len(queries)
        what = "no query has" if everything else f"the query {', '.join(silent)} has"
        none = "any recent sample" if everything else "no recent sample, the others are judged"
        return Verdict("False", Reason.NO_DATA if everything else Reason.PARTIAL_DATA, f"{what} {none}{warnings}")
    gone = sum(state == "NoData" for state in states.values())
    unguarded = sum(query.no_volume for query in queries)
    learned = windows.judged_from - windows.start
    shorter = learned < seconds(spec.training_window) - windows.step
    if gone or unguarded or shorter:
        parts = [f"{gone} of {len(states)} series have no recent sample"] if gone else []
        parts += [f"the volume of {unguarded} series is unknown, so that they are always judged"] if unguarded else []
        if shorter:
            parts.append(f"Prometheus is too busy for {spec.training_window}, learned from {duration(learned)}")
        return Verdict("True", Reason.PARTIAL_DATA, ", ".join(parts) + warnings)
    return Verdict("True", Reason.SAMPLES_FOUND, f"all {len(states)} series have recent samples{warnings}")


def _model_trained(
    spec: AnomalyDetectorSpec, judged: Sequence[SeriesJudgement], states: Mapping[SeriesKey, str]
) -> Verdict:
    alive = sum(state != "NoData" for state in states.values())
    warming_up = sum(state == "WarmingUp" for state in states.values())
    if not alive:
        return Verdict("Unknown", Reason.NO_DATA, "there is nothing to judge")
    if warming_up:
        return Verdict(
            "False",
            Reason.WARMING_UP,
            f"{warming_up} of {alive} series have fewer than {method_parameters(spec)['min_samples']} training samples",
        )
    return Verdict("True", Reason.TRAINED, f"{spec.method.type} is trained for all {alive} series")


def _ready(
    data: Verdict,
    trained: Verdict,
    observation: DetectorObservation,
    wants_rule: bool,
    states: Mapping[SeriesKey, str],
    settings: Settings,
) -> Verdict:
    if wants_rule and observation.rule.state is RuleObjectState.FOREIGN:
        return Verdict("False", Reason.NAME_CONFLICT, "the PrometheusRule of our name belongs to somebody else")
    if data.reason is Reason.NO_DATA:
        return Verdict("False", Reason.NO_DATA, data.message)
    judged = sum(state in ("Normal", "Anomalous") for state in states.values())
    if judged == 0:
        return Verdict("False", Reason.WARMING_UP, trained.message)
    anomalous = sum(state == "Anomalous" for state in states.values())
    limit = settings.max_series_exported
    cut = f"; scores of {limit} of them are exported" if len(states) > limit else ""
    return Verdict("True", Reason.RECONCILED, f"{judged} series are judged, {anomalous} anomalous now{cut}")


def _model(spec: AnomalyDetectorSpec, queries: Sequence[QueryJudgement], windows: DetectorWindows) -> ModelStatus:
    return ModelStatus(
        method=spec.method.type,
        samples=sum(query.samples for query in queries),
        from_=rfc3339(windows.start),
        to=rfc3339(windows.judged_from - windows.step),
        digest=digest([spec.method.type, method_parameters(spec), [query.dump() for query in spec.queries]]),
    )


def _episode_events(episodes: Episodes) -> tuple[Event, ...]:
    started = [
        Event("Warning", EventReason.ANOMALY_STARTED, _sentence(a, a.explanation), "Judge") for a in episodes.started
    ]
    ended = [
        Event(
            "Normal",
            EventReason.ANOMALY_ENDED,
            _sentence(a, f"over after {_lasted(a)}; at its peak {a.explanation}"),
            "Judge",
        )
        for a in episodes.ended
    ]
    moved = [
        Event(
            "Normal",
            EventReason.BASELINE_MOVED,
            _sentence(a, f"baseline moved: the level since {a.start} is normal now"),
            "Judge",
        )
        for a in episodes.moved
    ]
    return (*capped(started), *capped(ended), *capped(moved))


def _sentence(anomaly: Anomaly, text: str) -> str:
    return f"{described(anomaly.query, anomaly.labels)}: {text}"


def _lasted(anomaly: Anomaly) -> str:
    return duration(seconds_of(anomaly.end or anomaly.start) - seconds_of(anomaly.start))
