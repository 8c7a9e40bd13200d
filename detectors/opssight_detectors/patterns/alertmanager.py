"""Suggestions for Alertmanager as YAML: alerts to group, and alerts to inhibit while a worse one fires.

Each text is a whole configuration that ``amtool check-config`` accepts, to copy the route or the rule from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_RE2_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar (JSON strings are YAML)."""
    return json.dumps(text, ensure_ascii=False)


def _matcher(label: str, operator: str, value: str) -> str:
    return _quoted(f"{label}{operator}{_quoted(value)}")


def _equals_one_of(names: Sequence[str]) -> str:
    return _matcher("alertname", "=~", "|".join(_RE2_SPECIAL.sub(r"\\\g<0>", name) for name in names))


def is_label_name(name: str) -> bool:
    """Whether Alertmanager takes it as a label name."""
    return _PLAIN_LABEL.fullmatch(name) is not None


def grouping(names: Sequence[str], labels: Sequence[str]) -> str:
    """A route that puts the alerts ``names`` into one notification for each combination of ``labels``.

    Without labels in common, all of them go into one group.
    """
    group_by = ", ".join(_quoted(label) for label in labels)
    return (
        "route:\n"
        "  receiver: default\n"
        "  routes:\n"
        f"  - matchers: [{_equals_one_of(names)}]\n"
        "    receiver: default\n"
        f"    group_by: [{group_by}]\n"
        "receivers:\n"
        "- name: default\n"
    )


def inhibition(source: str, target: str, labels: Sequence[str]) -> str:
    """A rule that mutes the alert ``target`` while ``source`` fires with equal ``labels``."""
    equal = ", ".join(_quoted(label) for label in labels)
    return (
        "inhibit_rules:\n"
        f"- source_matchers: [{_matcher('alertname', '=', source)}]\n"
        f"  target_matchers: [{_matcher('alertname', '=', target)}]\n"
        f"  equal: [{equal}]\n"
        "route:\n"
        "  receiver: default\n"
        "receivers:\n"
        "- name: default\n"
    )
