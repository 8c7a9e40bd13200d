"""A MetricsSource's decision: what the server said of itself in, plan out."""

from __future__ import annotations

from ..api.conditions import ConditionType, Reason
from ..api.metrics_source import MetricsSource, MetricsSourceStatus
from .conditions import Verdict, shortened, with_verdicts
from .events import ready_events
from .meaning import meaning
from .observation import ServerInfo
from .plan import KeepRule, Plan

_VERSION_LENGTH = 64


def answering(source: MetricsSource, server: ServerInfo, now: float) -> Plan[MetricsSourceStatus]:
    """The plan for a source whose server answers."""
    who = f"{server.flavour} {server.version}".strip() if server.flavour != "Unknown" else "the server"
    verdicts = {
        ConditionType.READY: Verdict("True", Reason.RECONCILED, f"{who} answers"),
        ConditionType.REACHABLE: Verdict("True", Reason.ANSWERING, f"{who} answered the last request"),
    }
    previous, generation = source.status, source.metadata.generation
    conditions = with_verdicts(previous.conditions, verdicts, generation=generation, now=now)
    status = MetricsSourceStatus(
        conditions=conditions,
        observed_generation=generation,
        flavour=server.flavour,
        version=shortened(server.version, _VERSION_LENGTH) or None,
    )
    return Plan(
        status=status,
        status_changed=meaning(previous) != meaning(status),
        rule=KeepRule(),
        events=ready_events(previous.conditions, conditions),
        gauges=None,
        outcome=str(Reason.RECONCILED),
    )
