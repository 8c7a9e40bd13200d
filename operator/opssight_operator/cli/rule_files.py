"""Somebody's rule files as text: one number of one alert is changed, and every other character stays.

The text is never printed back from what was read. The number is looked for in the text of the expression, in whatever
form YAML has it (plain, quoted, literal or folded block), and a place is believed only if the file, read again, is the
old one with the new expression and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from opssight_operator.api.delivery import Patch
from opssight_operator.core.conventions import PATCH_CONSENT, PATCH_CONSENT_LABEL
from opssight_operator.core.literals import replace_literal
from opssight_operator.core.patching import Aim, Refused, aim_at
from opssight_operator.core.targets import Target, places
from opssight_operator.errors import OpsSightError

from .errors import BadInput

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Groups of rules in a document of a file: a PrometheusRule, one in a List, or a plain rule file."""

    document: int
    path: tuple[str | int, ...]  # to the list of groups
    name: str  # of the object; empty for a plain rule file
    groups: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file and the rule sets in it."""

    name: str
    text: str
    sets: tuple[RuleSet, ...]

    def fitting(self, patch: Patch) -> list[RuleSet]:
        """The sets that have an alert which the patch could mean."""
        return [one for one in self.sets if places(one.groups, patch)]


def read(name: str, text: str) -> RuleFile:
    """The rule sets of a file; ``BadInput`` when it is no YAML."""
    try:
        documents = list(yaml.load_all(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise BadInput(f"{name} is no YAML that can be read (a Helm template must be rendered first): {why}") from None
    found = [one for at, document in enumerate(documents) for one in _sets(document, at, ())]
    return RuleFile(name, text, tuple(found))


def changed(file: RuleFile, rules: RuleSet, patch: Patch, bound: str, threshold: float) -> str:
    """The text of the file with the threshold in place; ``BadInput`` says why that cannot be."""
    target = Target(rules.name or file.name, "", tuple(rules.groups), {PATCH_CONSENT_LABEL: PATCH_CONSENT}, {})
    try:
        aim = aim_at(patch, bound, target, "")
        if aim.literal.value == threshold:
            return file.text
        wanted = replace_literal(aim.place.expr, aim.literal, threshold)
    except Refused as refused:
        raise BadInput(f"{file.name}: {refused}") from None
    except OpsSightError as error:
        raise BadInput(f"{file.name}: {error}") from None
    return _spliced(file, rules, aim, wanted)


def _sets(value: Any, document: int, path: tuple[str | int, ...]) -> Iterator[RuleSet]:
    if not isinstance(value, dict):
        return
    if value.get("kind") == "List" or str(value.get("kind", "")).endswith("RuleList"):
        for at, item in enumerate(value.get("items") or ()):
            yield from _sets(item, document, (*path, "items", at))
        return
    if value.get("kind") == "PrometheusRule":
        groups, path = (value.get("spec") or {}).get("groups"), (*path, "spec", "groups")
    else:
        groups, path = value.get("groups"), (*path, "groups")
    if isinstance(groups, list) and all(isinstance(group, dict) for group in groups):
        yield RuleSet(document, path, str((value.get("metadata") or {}).get("name", "")), groups)


def _spliced(file: RuleFile, rules: RuleSet, aim: Aim, wanted: str) -> str:
    path = (*rules.path, aim.place.group_index, "rules", aim.place.rule_index, "expr")
    old = list(yaml.load_all(file.text, Loader=_LOADER))
    new = _unshared(old)
    holder = new[rules.document]
    for key in path[:-1]:
        holder = holder[key]
    holder["expr"] = wanted
    span = _span(file.text, rules.document, path)
    if span is None:
        raise BadInput(
            f"{file.name}: {aim.place.described}: its expr comes from a merge key (<<), where other rules may read it "
            f"too; write it by hand: {wanted}"
        )
    start, end = span
    literal = aim.literal.text
    written = _written(aim, wanted)
    at = file.text.find(literal, start, end)
    while at >= 0:
        candidate = file.text[:at] + written + file.text[at + len(literal) :]
        if _reads_as(candidate, new):
            return candidate
        at = file.text.find(literal, at + 1, end)
    raise BadInput(
        f"{file.name}: {aim.place.described}: {literal} cannot be replaced in the text without changing more; "
        f"write it by hand: {wanted}"
    )


def _written(aim: Aim, wanted: str) -> str:
    """The new number as it stands in the new expression."""
    after = len(aim.place.expr) - aim.literal.end
    return wanted[aim.literal.start : len(wanted) - after]


def _unshared(value: Any) -> Any:
    """A copy in which an anchor and its aliases are no longer one object."""
    if isinstance(value, dict):
        return {key: _unshared(one) for key, one in value.items()}
    return [_unshared(one) for one in value] if isinstance(value, list) else value


def _reads_as(text: str, wanted: list[Any]) -> bool:
    try:
        # dicts alone compare equal; a shared anchor that changed elsewhere too shows as a difference
        return list(yaml.load_all(text, Loader=_LOADER)) == wanted
    except yaml.YAMLError:
        return False


def _span(text: str, document: int, path: tuple[str | int, ...]) -> tuple[int, int] | None:
    """Where the scalar at a path stands in the text; None when it stands elsewhere and is merged in."""
    mark = text.startswith(_BYTE_ORDER_MARK)
    node = list(yaml.compose_all(text[mark:], Loader=_LOADER))[document]
    for key in path:
        if isinstance(key, int):
            node = node.value[key]
        else:
            found = [value for name, value in node.value if name.value == key]
            if not found:
                return None
            node = found[-1]  # of a key that is written twice, the last one is read
    return node.start_mark.index + mark, node.end_mark.index + mark
