"""What is said of a resource whose spec this version cannot read, in the raw status that it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..api.conditions import Condition, ConditionType, Reason
from .conditions import Verdict, find, with_verdicts

_PROBLEMS = 3  # that are named


def problems_said(error: ValidationError) -> str:
    """The first problems as a sentence: the field, and what is wrong with it."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in found[:_PROBLEMS]]
    more = [f"and {len(found) - _PROBLEMS} more"] if len(found) > _PROBLEMS else []
    return "; ".join([*named, *more])


def refusal(status: Mapping[str, Any], generation: int, problem: str, now: float) -> dict[str, Any] | None:
    """The status with a Ready that says why; None where it says so already.

    Everything else stays as it was written, by whichever version that was.
    """
    message = f"this version of the operator cannot read the resource; is its CRD of the same version? {problem}"
    previous = _readable(status.get("conditions") or ())
    kinds = [ConditionType(c.type) for c in previous if c.type in set(ConditionType)]
    verdicts: dict[ConditionType, Verdict | None] = dict.fromkeys(kinds)
    verdicts[ConditionType.READY] = Verdict("False", Reason.INVALID_SPEC, message)
    conditions = with_verdicts(previous, verdicts, generation=generation, now=now)
    if find(conditions, ConditionType.READY) == find(previous, ConditionType.READY):
        return None
    return {**status, "conditions": [condition.dump() for condition in conditions], "observedGeneration": generation}


def _readable(conditions: Iterable[Any]) -> Sequence[Condition]:
    try:
        return [Condition.model_validate(condition) for condition in conditions]
    except (ValidationError, TypeError):
        return []
