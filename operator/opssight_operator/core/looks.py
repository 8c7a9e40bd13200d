"""When the rule of a resource is looked at again: what was found as it should be need not be read at each run.

Thousands of resources that read their rule every half minute ask more of the API server than all else together. A look
that was forgotten, as after a restart, is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..api.base import ObjectMeta
from ..api.conditions import ConditionType, Reason
from .conditions import verdict_of
from .observation import RuleObservation
from .plan import KeepRule, Plan
from .scheduling import next_run


@dataclass(frozen=True, slots=True)
class _Look:
    generation: int
    until: float


class RuleLooks:
    """By uid, the rules that were found loaded and as the spec of one generation wants them, and until when."""

    def __init__(self) -> None:
        self._looks: dict[str, _Look] = {}

    def settled(self, meta: ObjectMeta, now: float) -> bool:
        """Whether the rule may be taken to be as it was."""
        look = self._looks.get(meta.uid)
        return look is not None and look.generation == meta.generation and now < look.until

    def made(self, meta: ObjectMeta, plan: Plan, observed: RuleObservation, now: float, period: float) -> None:  # type: ignore[type-arg]
        """A run has decided: only what it leaves alone and finds loaded is not looked at before the next period.

        Each resource has its own place in the period, so that a restart does not have them all looked at together.
        """
        if observed.settled:
            return
        loaded = verdict_of(plan.status.conditions, ConditionType.RULE_LOADED)
        if isinstance(plan.rule, KeepRule) and loaded is not None and loaded.reason is Reason.LOADED:
            self._looks[meta.uid] = _Look(meta.generation, next_run(meta.uid, period, now))
        else:
            self.forget(meta.uid)

    def forget(self, uid: str) -> None:
        """Look at the next run."""
        self._looks.pop(uid, None)
