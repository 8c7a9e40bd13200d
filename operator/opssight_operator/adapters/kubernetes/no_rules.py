"""The rule stores of an operator without the right to PrometheusRules: nothing is there, and nothing is asked.

A resource that wants a rule is refused before any of this is used (``core.switches``). Rules that were written before
the right was taken away stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection

from opssight_operator.core.observation import RuleObservation
from opssight_operator.core.plan import RuleObject
from opssight_operator.errors import NotAllowed
from opssight_operator.reconcile.ports import Owner


class NoRules:
    """``ports.RuleStore`` and ``ports.SharedRuleStore``, empty."""

    async def observe(self, owner: Owner, name: str) -> RuleObservation:
        """Absent."""
        return RuleObservation()

    async def apply(self, owner: Owner, rule: RuleObject) -> None:
        """Refused."""
        raise NotAllowed(f"PrometheusRule {owner.namespace}/{rule.name}: rules are switched off")

    join = apply

    async def remove(self, owner: Owner, name: str) -> None:
        """Nothing to remove."""

    async def leave(self, namespace: str, name: str, uids: Collection[str]) -> None:
        """Nothing to leave."""
