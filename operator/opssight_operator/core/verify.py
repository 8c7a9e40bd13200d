"""When to look again whether Prometheus has loaded a rule that was just written."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.conditions import Condition, ConditionType, Reason
from ..settings import Settings
from .conditions import find
from .plan import ApplyRule, RuleIntent
from .timing import seconds_of

_LOOKS = 10  # after so many, the interval of the resource is soon enough
_SETTLED = 10  # times as long, a rule that is loaded may be taken to be as it was


def settled_seconds(settings: Settings) -> float:
    """How long a rule that is loaded is not looked at, and thus the longest that somebody's edit of it stands."""
    return _SETTLED * settings.rule_check_seconds


def patience(settings: Settings) -> float:
    """Seconds that prometheus-operator and Prometheus together may need to load a rule."""
    return _LOOKS * settings.rule_check_seconds


def next_look(
    intent: RuleIntent, conditions: Sequence[Condition], now: float, interval: float, settings: Settings
) -> float | None:
    """Seconds until the next look, or None when the interval of the resource will do."""
    loaded = find(conditions, ConditionType.RULE_LOADED)
    waiting = (
        loaded is not None
        and loaded.reason == Reason.NOT_LOADED
        and now - seconds_of(loaded.last_transition_time) < patience(settings)
    )
    if not (isinstance(intent, ApplyRule) or waiting) or settings.rule_check_seconds >= interval:
        return None
    return settings.rule_check_seconds
