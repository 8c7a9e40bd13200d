"""Use case: one evaluation of an AnomalyDetector."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..api import API_VERSION
from ..api.anomaly_detector import AnomalyDetector, Query
from ..api.conditions import ConditionType, Reason
from ..api.detector_status import AnomalyDetectorStatus
from ..core.conditions import verdict_of
from ..core.evaluation import evaluate
from ..core.fields import naming
from ..core.held import held_plan, suspended_plan
from ..core.judgement import volume_of
from ..core.models import Kept, packed, unpacked
from ..core.observation import DetectorObservation, Frame, QueryObservation, RuleObjectState, RuleObservation
from ..core.plan import Plan
from ..core.scheduling import phase
from ..core.science import detector_for, policy_for
from ..core.score_arrival import arrival_due
from ..core.switches import check_may_write_rules
from ..core.timing import seconds_of
from ..core.verify import settled_seconds
from ..core.windows import DetectorWindows, detector_windows
from ..errors import OpsSightError, PrometheusOverloaded, TooMuchData
from ..settings import Settings
from .owned_rules import observe_rule, owner_of
from .ports import MetricSource, Owner, Ports
from .scores import observe_scores

SHARES = (1.0, 0.5, 0.25)  # of the training window, tried in turn while Prometheus says that it is too heavy


async def reconcile(
    resource: AnomalyDetector, now: float, ports: Ports, settings: Settings
) -> Plan[AnomalyDetectorStatus]:
    """Gather, judge off the loop, decide. Errors on purpose become a held plan; a defect is raised."""
    if resource.spec.suspend:
        return suspended_plan(resource, now)
    try:
        windows, observation = await _gather(resource, now, ports, settings)
        kept, pack = ports.models.get(resource.metadata.uid), ports.models.crowded

        def judged() -> tuple[Plan[AnomalyDetectorStatus], Mapping[str, Kept]]:
            seen = replace(observation, learned=unpacked(kept))
            plan = evaluate(resource, seen, windows, now, settings)
            return plan, packed(plan.learned) if pack else plan.learned

        plan, learned = await ports.compute.run(judged)
        ports.models.put(resource.metadata.uid, learned)
        ports.looks.made(resource.metadata, plan, observation.rule, now, settled_seconds(settings))
        return plan
    except OpsSightError as error:
        return held_plan(resource, error, now, settings)


async def _gather(
    resource: AnomalyDetector, now: float, ports: Ports, settings: Settings
) -> tuple[DetectorWindows, DetectorObservation]:
    spec = resource.spec
    open_since = [seconds_of(a.start) for a in resource.status.anomalies if a.end is None]
    # An impossible spec is refused before anything is asked.
    windows_at = partial(detector_windows, spec, now, open_since, settings, place=phase(resource.metadata.uid, 1.0))
    windows_at()
    check_may_write_rules("spec.alert", wanted=spec.alert is not None, settings=settings)
    detector_for(spec)
    for query in spec.queries:
        policy_for(query)
    source = ports.sources.bind(spec.source_ref.name, resource.metadata.namespace)
    owner = owner_of("AnomalyDetector", API_VERSION, resource.metadata)
    rule = await _rule(resource, owner, source, now, ports)
    for share in SHARES:
        windows = windows_at(share=share)
        try:
            queries = await _all_queries(spec.queries, windows, source, settings)
        except PrometheusOverloaded:
            if share == SHARES[-1]:
                raise
        else:
            break
    scores = None
    if (rule.loaded or rule.settled) and arrival_due(
        resource.status.conditions,
        ports.telemetry.scores_exported_for(owner),
        now,
        windows.interval,
        settings,
        owner.uid,
    ):
        scores = await observe_scores(resource, source, now)
    return windows, DetectorObservation(queries, rule, scores)


async def _rule(
    resource: AnomalyDetector, owner: Owner, source: MetricSource, now: float, ports: Ports
) -> RuleObservation:
    """The owned rule; it is not read while it was found loaded and as it should be a short time ago."""
    wanted, conditions = resource.spec.alert is not None, resource.status.conditions
    last = verdict_of(conditions, ConditionType.RULE_LOADED)
    if wanted and last is not None and last.reason is Reason.LOADED and ports.looks.settled(resource.metadata, now):
        return RuleObservation(RuleObjectState.OURS, settled=True)
    return await observe_rule(owner, source, ports, wanted=wanted, conditions=conditions)


async def _all_queries(
    queries: Sequence[Query], windows: DetectorWindows, source: MetricSource, settings: Settings
) -> tuple[QueryObservation, ...]:
    """Every query at once; the first error in the order of the spec, after all of them are done."""
    answers = await asyncio.gather(
        *(_query(query, windows, source, settings) for query in queries), return_exceptions=True
    )
    for query, answer in zip(queries, answers, strict=True):
        if isinstance(answer, OpsSightError):
            raise answer.within(f"query {query.name}") from answer
        if isinstance(answer, BaseException):
            raise answer
    return tuple(answer for answer in answers if isinstance(answer, QueryObservation))


async def _query(query: Query, windows: DetectorWindows, source: MetricSource, settings: Settings) -> QueryObservation:
    frame = await source.range(query.expr, windows.start, windows.now, windows.step)
    if frame.values.size > settings.max_training_points:
        raise TooMuchData(
            f"it returned {frame.values.size} points ({frame.n_series} series), at most "
            f"{settings.max_training_points} are allowed; use a shorter trainingWindow or a longer step"
        )
    training = frame.between(windows.start, windows.judged_from)
    judged = frame.between(windows.judged_from, windows.now + windows.step)
    if query.volume is None or frame.n_series == 0:
        return QueryObservation(query.name, training, judged)
    with naming("volume.expr"):
        volume: Frame = await source.range(query.volume.expr, windows.judged_from, windows.now, windows.step)
    return QueryObservation(query.name, training, judged, volume_of(judged.labels, judged.times, volume))
