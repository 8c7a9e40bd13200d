"""The expression of a rendered alert: a template with ``$threshold``, a guard for low volume, a level of recovery.

Nothing here is glued blindly. What the user wrote is confined to the user's namespace and wrapped before it is
combined, each ``$threshold`` must stand directly at a comparison on the side of ``bound``, and the whole is parsed
again before it is used.

The second level: above the threshold the alert begins; an alert that is firing goes on while the value is beyond the
level of recovery. What is firing is read from ``ALERTS``, which has the labels of the alert besides those of the
series, so that these are left out of the match.

The guard takes away only what is known to have little volume (``unless ... < min``): a volume that is missing must
not silence an alert, as ``and ... >= min`` would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidSpec
from .fields import naming
from .literals import find_literals, parse
from .numbers import decimal_text, readable
from .promql import compact, quoted, selector
from .promql_tokens import TokenKind, tokens
from .tenancy import enforce

PLACEHOLDER = "$threshold"
_COMPARISONS = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class AlertTemplate:
    """An expression cut at each ``$threshold``; ``pieces`` has one more entry than there are thresholds."""

    pieces: tuple[str, ...]

    def at(self, level: str) -> str:
        """The expression with ``level`` (PromQL) in each place."""
        return level.join(self.pieces)


@dataclass(frozen=True, slots=True)
class Guard:
    """Quiet while the volume, summed by ``labels``, is below ``minimum``."""

    expr: str
    minimum: float
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """A threshold for each value of ``labels``, recorded as ``record``; ``default`` where there is none.

    ``base`` is the expression whose series say which label values there are.
    """

    record: str
    recorded_as: Mapping[str, str]
    labels: Sequence[str]
    base: str
    default: float


@dataclass(frozen=True, slots=True)
class Firing:
    """How the firing alerts of a rule are found: its name and its labels, of which templates are no matchers."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


def template_of(expr: str | None, base: str, bound: str, matchers: Mapping[str, str]) -> AlertTemplate:
    """The template of the spec, confined by ``matchers``; raises ``InvalidSpec``, ``InvalidQuery``, ``NotAllowed``."""
    sign = ">" if bound == "Upper" else "<"
    text = f"({compact(base)}) {sign} {PLACEHOLDER}" if expr is None else compact(expr)
    probe = _number_not_in(text + base)
    with naming("expr" if expr is None else "delivery.render.expr"):
        probed = enforce(_with_probe(text, probe), matchers)
    literals = [literal for literal in find_literals(probed) if abs(literal.value) == float(probe)]
    if not literals:
        raise InvalidSpec(f"delivery.render.expr must hold {PLACEHOLDER} where the threshold belongs")
    for literal in literals:
        if literal.bound is None or literal.text.startswith("-") or literal.value < 0:
            raise InvalidSpec(
                f"{PLACEHOLDER} in delivery.render.expr must stand on one side of <, <=, > or >=, by itself"
            )
        if literal.bound != bound:
            raise InvalidSpec(
                f"delivery.render.expr compares {PLACEHOLDER} as a bound {literal.bound}, and spec.bound is {bound}"
            )
    pieces = tuple(probed.split(probe))
    for before in pieces[:-1]:
        if _last_word(before) == "bool":
            raise InvalidSpec(
                "delivery.render.expr has bool before $threshold: that keeps every series, and the alert never ends"
            )
    return AlertTemplate(pieces)


def confined(expr: str, matchers: Mapping[str, str]) -> str:
    """One line of PromQL that reads only what the user may read."""
    parse(expr)
    return enforce(compact(expr), matchers)


def literal_text(value: float) -> str:
    """A number as PromQL that binds by itself."""
    return f"({decimal_text(value)})" if value < 0 else decimal_text(value)


def join_template(template: AlertTemplate) -> None:
    """Raise ``InvalidSpec`` unless each ``$threshold`` stands right behind its comparison, where a join can be."""
    for before in template.pieces[:-1]:
        if _last_word(before) not in _COMPARISONS:
            raise InvalidSpec(
                f"with perLabels, {PLACEHOLDER} in delivery.render.expr must stand directly behind <, <=, > or >="
            )


def joined_level(join: Joined) -> str:
    """The right side of a comparison with a threshold for each label value, a default where there is none."""
    names = ",".join(join.labels)
    known = f"max by ({names}) ({selector(join.record, join.recorded_as)})"
    # not base * 0, which is NaN where base is
    default = f"count by ({names}) ({join.base}) * 0 + {literal_text(join.default)}"
    return f"on ({names}) group_left () ({known} or on ({names}) {default})"


def alert_expression(
    template: AlertTemplate,
    level: Callable[[bool], str],
    *,
    firing: Firing | None = None,
    guard: Guard | None = None,
) -> str:
    """The whole expression. ``level`` gives the threshold, or with True the level of recovery, where ``firing`` is."""
    made = template.at(level(False))
    if firing is not None:
        made = f"({made}) or (({template.at(level(True))}) and {_still_firing(firing)})"
    if guard is not None:
        names = ",".join(guard.labels)
        volume = f"sum by ({names}) ({guard.expr})" if names else f"sum({guard.expr})"
        made = f"({made}) unless on ({names}) ({volume} < {literal_text(guard.minimum)})"
    parse(made)
    return made


def recovery_level(threshold: float, margin: float, bound: str) -> float:
    """Where an alert ends: ``margin`` of the threshold behind it."""
    way = abs(threshold) * margin
    return readable(threshold - way if bound == "Upper" else threshold + way)


def _still_firing(firing: Firing) -> str:
    fixed = {name: value for name, value in firing.labels.items() if "{{" not in value}
    ignored = ",".join(dict.fromkeys(["alertname", "alertstate", *sorted(firing.labels)]))
    matchers = {"alertname": firing.name, "alertstate": "firing", **fixed}
    written = ",".join(f"{name}={quoted(value)}" for name, value in matchers.items())
    return f"ignoring ({ignored}) ALERTS{{{written}}}"


def _with_probe(text: str, probe: str) -> str:
    parts: list[str] = []
    found = tokens(text)
    skip = False
    for token, following in zip(found, [*found[1:], None], strict=True):
        if skip:
            skip = False
        elif token.text == "$" and following is not None and following.text == "threshold":
            parts.append(probe)
            skip = True
        else:
            parts.append(token.text)
    return "".join(parts)


def _last_word(text: str) -> str:
    words = [token.text for token in tokens(text) if token.kind is not TokenKind.SPACE]
    return words[-1].lower() if words else ""


def _number_not_in(text: str) -> str:
    probe = 736455463.5
    while str(probe) in text:
        probe += 1
    return str(probe)
