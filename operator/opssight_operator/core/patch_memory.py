"""What is remembered of a patch: the alert as its owner wrote it, and the number that we put there.

It is kept in the status and beside the alert in an annotation. What stands in the alert must differ from its original
in a number of ours alone; otherwise its owner has changed the alert, and what stands there is the new original. The
annotation comes with the patch itself, while the status is written afterwards and may be one patch behind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..api.threshold_status import PatchStatus
from ..errors import InvalidQuery
from .conventions import PATCH_ORIGINALS
from .literals import numbers_in, prove
from .numbers import decimal_text
from .targets import Place, Target


@dataclass(frozen=True, slots=True)
class KnownPatch:
    """What one memory says of a patch: the expression before it, and the number that it wrote (None for any)."""

    original: str
    value: float | None

    def is_what_stands_at(self, place: Place) -> bool:
        """Whether the expression there is the original with that number in it."""
        changed = _change(self.original, place.expr)
        return changed is not None and self.value in (None, changed[1])


def known_patches(place: Place, policy_name: str, target: Target, remembered: PatchStatus | None) -> list[KnownPatch]:
    """What the object and the status know of patches of this policy to this alert, the newer one first."""
    here = target.name, place.group, place.alert
    known = []
    if remembered and (remembered.target, remembered.group, remembered.alert) == here:
        known.append(KnownPatch(remembered.original, float(remembered.value)))
    noted = _originals(target).get(policy_name)
    if isinstance(noted, dict) and (noted.get("group"), noted.get("alert")) == here[1:]:
        value = _number_or_none(noted.get("value"))
        if value is not None or not known:
            known.insert(0, KnownPatch(str(noted.get("expr", "")), value))
    return known


def with_original(target: Target, policy_name: str, place: Place, original: str, threshold: float) -> dict[str, str]:
    """The annotations of the target as they are to be once ``threshold`` stands in the alert."""
    entry = {"group": place.group, "alert": place.alert, "expr": original, "value": decimal_text(threshold)}
    originals = _originals(target) | {policy_name: entry}
    return {**target.annotations, PATCH_ORIGINALS: json.dumps(originals, sort_keys=True, ensure_ascii=False)}


def _originals(target: Target) -> dict[str, Any]:
    try:
        found = json.loads(target.annotations.get(PATCH_ORIGINALS, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number_or_none(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _change(original: str, now: str) -> tuple[float, float] | None:
    """The old and the new value when two expressions differ in one number alone."""
    before, after = numbers_in(original), numbers_in(now)
    if before is None or after is None or len(before) != len(after):
        return None
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    if len(changed) != 1:
        return None
    try:
        prove(original, now, *changed[0])
    except InvalidQuery:
        return None
    return changed[0]
