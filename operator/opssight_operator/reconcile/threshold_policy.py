"""Use case: one evaluation of a ThresholdPolicy."""

from __future__ import annotations

from functools import partial

from ..api import API_VERSION
from ..api.threshold_policy import ThresholdPolicy
from ..api.threshold_status import ThresholdPolicyStatus
from ..core.estimating import estimator_for
from ..core.exclusion import check_exclude, incident_query
from ..core.held import held_plan, suspended_plan
from ..core.observation import Frame, PolicyObservation
from ..core.outcome import alert_query
from ..core.plan import Plan
from ..core.policy_plan import evaluate
from ..core.science import check_time_zone, guards_for
from ..core.seasonal import check_seasonal
from ..core.windows import HistoryWindow, history_window
from ..errors import OpsSightError, TooMuchData
from ..settings import Settings
from .owned_rules import owner_of, with_its_alerts_tried
from .patch_targets import observe_target
from .ports import MetricSource, Ports
from .rule_places import observe_former, observe_place


async def reconcile(
    resource: ThresholdPolicy, now: float, ports: Ports, settings: Settings
) -> Plan[ThresholdPolicyStatus]:
    """Gather, learn and simulate off the loop, decide. Errors on purpose become a held plan; a defect is raised."""
    if resource.spec.suspend:
        return suspended_plan(resource, now)
    try:
        window, observation = await _gather(resource, now, ports, settings)
        return await ports.compute.run(partial(evaluate, resource, observation, window, now, settings))
    except OpsSightError as error:
        return held_plan(resource, error, now, settings)


async def _gather(
    resource: ThresholdPolicy, now: float, ports: Ports, settings: Settings
) -> tuple[HistoryWindow, PolicyObservation]:
    spec = resource.spec
    # An impossible spec is refused before anything is asked.
    window = history_window(spec, now, settings)
    estimator_for(spec)
    guards_for(spec)
    check_time_zone(spec.alert.time_zone)
    check_exclude(spec)
    check_seasonal(spec)
    source = ports.sources.bind(spec.source_ref.name, resource.metadata.namespace)
    owner = owner_of("ThresholdPolicy", API_VERSION, resource.metadata)
    rule = await observe_place(resource, owner, source, ports)
    former = await observe_former(resource, owner, ports)
    if spec.delivery.mode == "Render":
        rule = await with_its_alerts_tried(rule, source, window.now)
    frame = await _asked("expr", source, spec.expr, window)
    if frame.values.size > settings.max_training_points:
        raise TooMuchData(
            f"expr returned {frame.values.size} points ({frame.n_series} series), at most "
            f"{settings.max_training_points} are allowed; use a shorter history.window or a longer history.step"
        )
    excluded = incident_query(spec, resource.metadata.namespace, window.step)
    incidents = await _asked("history.exclude", source, excluded, window) if excluded else None
    firing = alert_query(spec, window.step)
    alerts = await _asked("alert.name", source, firing, window) if firing else None
    target = await observe_target(resource, owner, source, ports, settings)
    return window, PolicyObservation(frame, rule, incidents, alerts, source.matchers, target, former)


async def _asked(field: str, source: MetricSource, query: str, window: HistoryWindow) -> Frame:
    """The answer to a query; an error names the field that asks for it."""
    try:
        return await source.range(query, window.start, window.now, window.step)
    except OpsSightError as error:
        raise error.within(field) from error
