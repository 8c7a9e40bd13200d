"""Mode Patch: one number in somebody's alert becomes the threshold, or a condition says why it does not.

The number is chosen in the expression as its owner wrote it (``patch_memory``): after the first write the number itself
would no longer be recognised by its value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..api.conditions import Reason
from ..api.delivery import LiteralChoice, Patch
from ..api.threshold_policy import ThresholdPolicy
from ..api.threshold_status import PatchStatus
from ..errors import InvalidQuery, InvalidSpec, TargetNotFound
from .conditions import Verdict
from .conventions import PATCH_CONSENT, PATCH_CONSENT_LABEL
from .literals import Literal, choose_literal, find_literals, prove, replace_literal
from .loaded import rejection
from .numbers import decimal_text
from .patch_memory import known_patches, with_original
from .plan import PatchTarget
from .readings import reading_of
from .targets import Place, Target, alerts_in, consents, managed_by, places
from .written_rules import WrittenRule, is_listed_as

MAX_REVERTS = 3
MAX_EXPRESSION = 8192


class Refused(Exception):
    """The patch cannot be; carries what the condition says."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.verdict = Verdict("False", reason, message)


@dataclass(frozen=True, slots=True)
class Patching:
    """What becomes of the target: what Applied and RuleLoaded say, what is written, and what status remembers."""

    applied: Verdict
    loaded: Verdict
    write: PatchTarget | None
    status: PatchStatus | None


@dataclass(frozen=True, slots=True)
class Aim:
    """The number that a patch means: where it is now, and the expression as it was before any patch."""

    place: Place
    original: str
    literal: Literal  # in the expression as it stands now
    is_ours: bool = False  # whether a patch of this policy put the number there

    @property
    def key(self) -> tuple[int, int, int]:
        """Equal for two patches that mean the same number."""
        return self.place.group_index, self.place.rule_index, self.literal.occurrence


def patching(policy: ThresholdPolicy, threshold: float | None, target: Target | None, *, allowed: bool) -> Patching:
    """What to do with the target so that it holds ``threshold``; nothing is written while there is none."""
    remembered = policy.status.patch
    try:
        aim = _permitted(policy, target, allowed=allowed)
        assert target is not None
        return _delivered(policy, threshold, target, aim)
    except Refused as refused:
        return Patching(refused.verdict, replace(refused.verdict, message="the alert is not patched"), None, remembered)


def value_in_place(policy: ThresholdPolicy, target: Target | None, *, allowed: bool) -> float | None:
    """The number that stands there, from which the first threshold takes its step; None when it cannot be told."""
    try:
        return _permitted(policy, target, allowed=allowed).literal.value
    except Refused:
        return None


def aim_at(patch: Patch, bound: str, target: Target, policy_name: str, remembered: PatchStatus | None = None) -> Aim:
    """The number that a patch means; raises ``Refused`` with what there is to choose from."""
    found = places(target.groups, patch)
    if not found:
        raise Refused(
            Reason.TARGET_NOT_FOUND,
            f"delivery.patch: PrometheusRule {target.name} has no alert {patch.alert}"
            f"{f' in the group {patch.group}' if patch.group else ''}{_labelled(patch)}; "
            f"it has {alerts_in(target.groups)}",
        )
    if len(found) > 1:
        listed = "; ".join(place.described for place in found[:8])
        raise Refused(
            Reason.AMBIGUOUS_TARGET,
            f"delivery.patch: {len(found)} alerts fit, set group or labels so that one is left: {listed}",
        )
    place = found[0]
    known = known_patches(place, policy_name, target, remembered)
    original = next((one.original for one in known if one.is_what_stands_at(place)), place.expr)
    try:
        chosen = _chosen(original, patch.literal, bound)
        now = find_literals(place.expr)[chosen.occurrence - 1]
    except InvalidQuery as error:
        raise Refused(Reason.INVALID_QUERY, f"delivery.patch: {place.described}: {error}") from error
    except TargetNotFound as error:
        raise Refused(Reason.TARGET_NOT_FOUND, f"delivery.patch.literal: {place.described}: {error}") from error
    except InvalidSpec as error:
        raise Refused(Reason.AMBIGUOUS_TARGET, f"delivery.patch.literal: {place.described}: {error}") from error
    return Aim(place, original, now, any(now.value == one.value for one in known))


def _permitted(policy: ThresholdPolicy, target: Target | None, *, allowed: bool) -> Aim:
    patch = policy.spec.delivery.patch
    if patch is None:
        raise Refused(Reason.INVALID_SPEC, "delivery.patch must be set when delivery.mode is Patch")
    name = f"PrometheusRule {policy.metadata.namespace}/{patch.target.name}"
    if not allowed:
        raise Refused(Reason.PATCH_DISABLED, "the operator runs without OPSSIGHT_ALLOW_PATCH=true; nothing is patched")
    if target is None:
        raise Refused(Reason.TARGET_NOT_FOUND, f"delivery.patch.target: there is no {name}")
    manager = managed_by(target)
    if manager:
        raise Refused(Reason.MANAGED_ELSEWHERE, f"{name} is not patched: {manager} and would undo it")
    if not consents(target):
        raise Refused(Reason.CONSENT_MISSING, f"{name} does not have the label {PATCH_CONSENT_LABEL}={PATCH_CONSENT}")
    aim = aim_at(patch, policy.spec.bound, target, policy.metadata.name, policy.status.patch)
    _refuse_older(policy, target, aim)
    return aim


def _refuse_older(policy: ThresholdPolicy, target: Target, aim: Aim) -> None:
    mine = target.created, policy.metadata.name
    for rival in sorted(target.rivals, key=lambda r: (r.created, r.name)):
        if (rival.created, rival.name) >= mine or rival.patch.target.name != target.name:
            continue
        try:
            theirs = aim_at(rival.patch, rival.bound, target, rival.name)
        except Refused:
            continue
        if theirs.key == aim.key:
            raise Refused(
                Reason.TARGET_TAKEN,
                f"delivery.patch.target: the older ThresholdPolicy {rival.name} patches number "
                f"{aim.literal.occurrence} of {aim.place.described} already",
            )


def _delivered(policy: ThresholdPolicy, threshold: float | None, target: Target, aim: Aim) -> Patching:
    remembered = policy.status.patch
    if threshold is None:
        said = Verdict("False", Reason.NO_DATA, f"no threshold is learned yet; {aim.place.described} is as it was")
        return Patching(said, _loaded(target, aim.place), None, remembered)
    reverts = _reverts(policy, aim)
    kept = PatchStatus(
        target=target.name,
        group=aim.place.group,
        alert=aim.place.alert,
        occurrence=aim.literal.occurrence,
        value=decimal_text(threshold),
        original=aim.original,
        reverts=min(reverts, MAX_REVERTS),
    )
    if aim.literal.value == threshold:
        done = Verdict("True", Reason.PATCHED, f"{_number(aim)} is {decimal_text(threshold)}")
        return Patching(done, _loaded(target, aim.place), None, kept)
    if reverts >= MAX_REVERTS:
        message = f"somebody set {_number(aim)} back {reverts} times; it is left at {aim.literal.text}"
        left = Verdict("False", Reason.TARGET_REVERTED, message)
        previous = kept.model_copy(update={"value": remembered.value if remembered else kept.value})
        return Patching(left, _loaded(target, aim.place), None, previous)
    write = _write(policy, threshold, target, aim)
    done = Verdict("True", Reason.PATCHED, f"{_number(aim)} is {decimal_text(threshold)}")
    waits = Verdict("False", Reason.NOT_LOADED, f"{aim.place.described} is being patched")
    return Patching(done, waits, write, kept)


def _write(policy: ThresholdPolicy, threshold: float, target: Target, aim: Aim) -> PatchTarget:
    try:
        changed = replace_literal(aim.place.expr, aim.literal, threshold)
        prove(aim.place.expr, changed, aim.literal.value, threshold)
    except InvalidQuery as error:
        raise Refused(Reason.INVALID_QUERY, f"{aim.place.described}: {error}") from error
    if max(len(changed), len(aim.original)) > MAX_EXPRESSION:
        raise Refused(
            Reason.INVALID_SPEC,
            f"{aim.place.described}: the expression is longer than the {MAX_EXPRESSION} characters that are patched",
        )
    return PatchTarget(
        name=target.name,
        resource_version=target.resource_version,
        group_index=aim.place.group_index,
        rule_index=aim.place.rule_index,
        alert=aim.place.alert,
        before=aim.place.expr,
        after=changed,
        annotations=with_original(target, policy.metadata.name, aim.place, aim.original, threshold),
    )


def _chosen(expression: str, choice: LiteralChoice, bound: str) -> Literal:
    if choice.value is None or choice.occurrence is not None:
        return choose_literal(expression, bound, choice.metric, choice.occurrence)
    wanted = float(choice.value)
    fitting = [
        literal
        for literal in find_literals(expression)
        if literal.value == wanted and (choice.metric is None or choice.metric in literal.metrics)
    ]
    if not fitting:
        written = ", ".join(f"{lit.text} (occurrence {lit.occurrence})" for lit in find_literals(expression))
        raise TargetNotFound(f"no number is {choice.value}; there are {written or 'none'}")
    if len(fitting) > 1:
        numbers = ", ".join(str(literal.occurrence) for literal in fitting)
        raise InvalidSpec(f"{len(fitting)} numbers are {choice.value}: set occurrence to one of {numbers}")
    return fitting[0]


def _reverts(policy: ThresholdPolicy, aim: Aim) -> int:
    """How often what we wrote was found undone; a new spec begins anew."""
    kept = policy.status.patch
    if kept is None or policy.status.observed_generation != policy.metadata.generation:
        return 0
    same = (kept.group, kept.alert, kept.occurrence) == (aim.place.group, aim.place.alert, aim.literal.occurrence)
    undone = same and not aim.is_ours
    return kept.reverts + (1 if undone and kept.reverts < MAX_REVERTS else 0)


def _loaded(target: Target, place: Place) -> Verdict:
    if target.loaded is None:
        return Verdict("Unknown", Reason.PROMETHEUS_UNREACHABLE, "Prometheus did not say which rules it has loaded")
    durations = place.for_seconds, place.keep_firing_for_seconds
    written = WrittenRule(place.alert, place.labels, reading_of(place.expr), *durations)
    same = [rule for rule in target.loaded if rule.group == place.group and is_listed_as(written, rule)]
    if not same:
        refused = rejection(target.name, target.refusals, target.unreadable)
        if refused is not None:
            return refused
        return Verdict("False", Reason.NOT_LOADED, f"Prometheus does not evaluate {place.described} as it stands there")
    if same[0].health == "err":
        return Verdict(
            "False", Reason.RULE_UNHEALTHY, f"Prometheus cannot evaluate {place.alert}: {same[0].last_error}"
        )
    return Verdict("True", Reason.LOADED, f"Prometheus evaluates {place.described} as it stands there")


def _number(aim: Aim) -> str:
    return f"number {aim.literal.occurrence} of {aim.place.described}"


def _labelled(patch: Patch) -> str:
    return f" with the labels {', '.join(f'{k}={v}' for k, v in patch.labels.items())}" if patch.labels else ""
