"""``opssight diff``: the change of one number in rule files, for a pull request."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from opssight_operator.api import GROUP
from opssight_operator.api.delivery import Patch
from opssight_operator.api.threshold_policy import ThresholdPolicySpec

from .errors import BadInput
from .reading import text_of
from .rule_files import RuleFile, RuleSet, changed, read


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be changed: which number of which alert, and to what."""

    patch: Patch
    bound: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One file: its name, its text now, and as it would be; ``diff`` is empty when nothing changes."""

    file: str
    before: str
    after: str

    @property
    def diff(self) -> str:
        """A unified diff that ``git apply`` and ``patch -p1`` take."""
        name = self.file.lstrip("/")
        lines = difflib.unified_diff(_lines(self.before), _lines(self.after), f"a/{name}", f"b/{name}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """As Git counts them, which ends a line at a line feed alone."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def wanted(
    policy: Path | None,
    *,
    name: str | None,
    threshold: float | None,
    alert: str | None,
    group: str | None,
    labels: Sequence[str],
    occurrence: int | None,
    metric: str | None,
    bound: str | None,
) -> Wanted:
    """What the policy and the options ask for together; an option is stronger than the policy."""
    body = _policy(policy, name) if policy is not None else {}
    spec = _spec(body, policy) if body else None
    of_policy = spec.delivery.patch if spec else None
    named = spec.alert.name if spec else None
    chosen_alert = alert or (of_policy.alert if of_policy else named)
    if chosen_alert is None:
        raise BadInput("name the alert: --alert, or alert.name or delivery.patch.alert of the policy")
    own_labels = dict(of_policy.labels if of_policy else (spec.alert.labels if spec else {}))
    literal = of_policy.literal.dump() if of_policy else {}
    literal |= {} if occurrence is None else {"occurrence": occurrence}
    literal |= {} if metric is None else {"metric": metric}
    fields: dict[str, Any] = {
        "target": {"name": of_policy.target.name if of_policy else "any"},
        "alert": chosen_alert,
        "labels": own_labels | dict(_pair(text) for text in labels),
        "literal": literal,
    }
    if group or (of_policy and of_policy.group):
        fields["group"] = group or (of_policy.group if of_policy else None)
    try:
        patch = Patch.model_validate(fields)
    except ValidationError as error:
        raise BadInput("; ".join(f"{e['loc']}: {e['msg']}" for e in error.errors())) from None
    value = threshold if threshold is not None else _threshold(body, policy)
    return Wanted(patch, bound or (spec.bound if spec else "Upper"), value)


def differences(files: Sequence[Path], want: Wanted) -> list[Difference]:
    """Every file as it would be; ``BadInput`` when the alert is in none of them, or in several places."""
    read_files = [read(str(file), _text(file)) for file in files]
    found: list[tuple[RuleFile, RuleSet]] = [(file, one) for file in read_files for one in file.fitting(want.patch)]
    if not found:
        count = f"{len(read_files)} files" if len(read_files) > 1 else read_files[0].name
        labels = ", ".join(f"{name}={value}" for name, value in want.patch.labels.items())
        raise BadInput(f"there is no alert {want.patch.alert}{f' with {labels}' if labels else ''} in {count}")
    if len(found) > 1:
        listed = ", ".join(f"{file.name} ({one.name or 'rule file'})" for file, one in found[:8])
        raise BadInput(f"the alert {want.patch.alert} is in several places; name one file or --group: {listed}")
    ((file, one),) = found
    after = changed(file, one, want.patch, want.bound, want.threshold)
    return [Difference(file.name, file.text, after)]


def write(difference: Difference) -> None:
    """Put the new text into the file, its line ends as they were."""
    with Path(difference.file).open("w", encoding="utf-8", newline="") as file:
        file.write(difference.after)


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            return opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from None


def _policy(file: Path, name: str | None) -> dict[str, Any]:
    try:
        documents = list(yaml.safe_load_all(text_of(file)))
    except yaml.YAMLError as error:
        raise BadInput(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    listed = [i for d in documents if isinstance(d, dict) for i in (d.get("items") or [d]) if isinstance(i, dict)]
    policies = [
        body
        for body in listed
        if body.get("kind") == "ThresholdPolicy"
        and str(body.get("apiVersion", "")).startswith(f"{GROUP}/")
        and (name is None or (body.get("metadata") or {}).get("name") == name)
    ]
    if len(policies) != 1:
        names = ", ".join(str((body.get("metadata") or {}).get("name")) for body in policies)
        called = f" named {name}" if name else ""
        many = f"{len(policies)} ThresholdPolicies ({names}); choose one with --name"
        raise BadInput(f"{file} has {many if policies else f'no ThresholdPolicy{called}'}")
    return policies[0]


def _spec(body: dict[str, Any], file: Path | None) -> ThresholdPolicySpec:
    try:
        return ThresholdPolicySpec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        said = "; ".join(f"spec.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BadInput(f"{file}: {said}") from None


def _threshold(body: dict[str, Any], file: Path | None) -> float:
    listed = [t for t in (body.get("status") or {}).get("thresholds") or [] if t.get("current") is not None]
    if len(listed) == 1:
        return float(listed[0]["current"])
    if not listed:
        where = f"the status in {file} has no threshold" if file else "there is no policy to take it from"
        raise BadInput(f"give --threshold: {where} (kubectl get tpol NAME -o yaml has it)")
    raise BadInput(f"give --threshold: the status in {file} has {len(listed)} thresholds, and one number is changed")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadInput(f"--label is {text!r}; it must be a name and a value such as severity=warning")
    return name, value
