"""Use case: one evaluation of a ThresholdPolicy."""

from __future__ import annotations

from functools import partial

from ..api import API_VERSION
from ..api.threshold_policy import ThresholdPolicy
from ..api.threshold_status import ThresholdPolicyStatus
from ..core.compared import compared
from ..core.conditions import shortened
from ..core.delivery import with_alert_in_place
from ..core.estimating import estimator_for
from ..core.exclusion import check_exclude, incident_query
from ..core.fields import naming
from ..core.held import held_plan, suspended_plan
from ..core.observation import Frame, PolicyObservation
from ..core.outcome import alert_query
from ..core.plan import Plan
from ..core.policy_plan import evaluate
from ..core.science import check_time_zone, guards_for
from ..core.seasonal import check_seasonal
from ..core.switches import check_may_write_rules
from ..core.targets import Target
from ..core.windows import HistoryWindow, history_window
from ..errors import DataError, OpsSightError, SpecError, TooMuchData
from ..settings import Settings
from .owned_rules import owner_of, with_its_alerts_tried
from .patch_targets import observe_target
from .ports import MetricSource, Ports
from .rule_places import observe_former, observe_place

_LONGEST = 256  # of the message of an outcome


async def reconcile(
    resource: ThresholdPolicy, now: float, ports: Ports, settings: Settings
) -> Plan[ThresholdPolicyStatus]:
    """Gather, learn and simulate off the loop, decide. Errors on purpose become a held plan; a defect is raised."""
    if resource.spec.suspend:
        return suspended_plan(resource, now)
    try:
        policy, window, observation = await _gather(resource, now, ports, settings)
        return await ports.compute.run(partial(evaluate, policy, observation, window, now, settings))
    except OpsSightError as error:
        return held_plan(resource, error, now, settings)


async def _gather(
    resource: ThresholdPolicy, now: float, ports: Ports, settings: Settings
) -> tuple[ThresholdPolicy, HistoryWindow, PolicyObservation]:
    spec = resource.spec
    # An impossible spec is refused before anything is asked.
    window = history_window(spec, now, settings)
    estimator_for(spec)
    guards_for(spec)
    check_time_zone(spec.alert.time_zone)
    check_exclude(spec)
    check_seasonal(spec)
    mode = spec.delivery.mode
    check_may_write_rules(f"delivery.mode {mode}", wanted=mode != "Recommend", settings=settings)
    source = ports.sources.bind(spec.source_ref.name, resource.metadata.namespace)
    owner = owner_of("ThresholdPolicy", API_VERSION, resource.metadata)
    rule = await observe_place(resource, owner, source, ports)
    former = await observe_former(resource, owner, ports)
    if spec.delivery.mode == "Render":
        rule = await with_its_alerts_tried(rule, source, window.now)
    target = await observe_target(resource, owner, source, ports, window.now, settings)
    resource = with_alert_in_place(resource, target)
    spec = resource.spec
    frame = await _asked("expr", source, spec.expr, window)
    _check_size("expr", frame, settings)
    excluded = incident_query(spec, resource.metadata.namespace, window.step)
    incidents = await _asked("history.exclude", source, excluded, window) if excluded else None
    firing = alert_query(spec, window.step)
    alerts = await _asked("alert.name", source, firing, window) if firing else None
    alerting, unforetold = await _what_the_alert_compares(resource, source, target, window, settings)
    observation = PolicyObservation(
        history=frame,
        rule=rule,
        incidents=incidents,
        alerts=alerts,
        matchers=source.matchers,
        target=target,
        former=former,
        compared=alerting,
        unforetold=unforetold,
    )
    return resource, window, observation


async def _what_the_alert_compares(
    resource: ThresholdPolicy, source: MetricSource, target: Target | None, window: HistoryWindow, settings: Settings
) -> tuple[Frame | None, str]:
    """The samples, where they are not those of the history, or why the alerts cannot be foretold."""
    if resource.spec.delivery.mode == "Recommend":
        return None, ""
    what = compared(resource, source.matchers, target)
    if what.query is None:
        return None, what.unforetold
    try:
        frame = await source.range(what.query, window.start, window.now, window.step)
        _check_size("the alert", frame, settings)
    except (SpecError, DataError) as error:  # says nothing against the policy: the threshold is learned all the same
        return None, shortened(f"what the alert compares with its threshold cannot be asked for: {error}", _LONGEST)
    return frame, ""


def _check_size(what: str, frame: Frame, settings: Settings) -> None:
    if frame.values.size > settings.max_training_points:
        raise TooMuchData(
            f"{what} returned {frame.values.size} points ({frame.n_series} series), at most "
            f"{settings.max_training_points} are allowed; use a shorter history.window or a longer history.step"
        )


async def _asked(field: str, source: MetricSource, query: str, window: HistoryWindow) -> Frame:
    """The answer to a query; an error names the field that asks for it."""
    with naming(field):
        return await source.range(query, window.start, window.now, window.step)
