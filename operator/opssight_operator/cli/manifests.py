"""``opssight validate``: manifests of our kinds, checked without a cluster."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from opssight_operator.api import API_VERSION, GROUP
from opssight_operator.api.anomaly_detector import AnomalyDetectorSpec
from opssight_operator.api.kinds import kind_of
from opssight_operator.api.metrics_source import MetricsSourceSpec
from opssight_operator.api.pattern_report import PatternReportSpec
from opssight_operator.api.schema import root_schema
from opssight_operator.api.threshold_policy import ThresholdPolicySpec
from opssight_operator.core.estimating import estimator_for
from opssight_operator.core.promql import check as check_promql
from opssight_operator.core.rendering import check_render
from opssight_operator.core.report_alerts import alerts_expression
from opssight_operator.core.report_schedule import cron_of, zone_named
from opssight_operator.core.science import check_time_zone, detector_for, guards_for, policy_for
from opssight_operator.core.windows import detector_windows, history_window
from opssight_operator.errors import OpsSightError
from opssight_operator.settings import Settings

from .errors import BadInput
from .reading import text_of
from .shared_labels import SharedLabels

Spec = AnomalyDetectorSpec | ThresholdPolicySpec | MetricsSourceSpec | PatternReportSpec
_SPECS: dict[str, type[Spec]] = {
    "AnomalyDetector": AnomalyDetectorSpec,
    "ThresholdPolicy": ThresholdPolicySpec,
    "MetricsSource": MetricsSourceSpec,
    "PatternReport": PatternReportSpec,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A line for each manifest of ours, and how many problems there are."""

    lines: tuple[str, ...]
    problems: int


def check(files: Sequence[Path]) -> Checked:
    """Check every manifest of our kinds in ``files``; others are passed over."""
    lines: list[str] = []
    problems = 0
    sharing = SharedLabels()
    found_files = [found for file in files for found in _files_of(file)]
    for file in found_files:
        for body in documents(file):
            if not str(body.get("apiVersion", "")).startswith(f"{GROUP}/"):
                continue
            name = f"{body.get('kind')}/{(body.get('metadata') or {}).get('name', '')}"
            found = [*_problems(body), *sharing.disagreements(body)]
            problems += len(found)
            lines.extend(f"{file}: {name}: {problem}" for problem in found or ["ok"])
    if not lines:
        lines.append(f"there is no manifest of {GROUP} in {_counted(len(found_files))}")
    return Checked(tuple(lines), problems)


def _files_of(path: Path) -> list[Path]:
    """The file itself, or the manifests of a folder and its folders in the order of their names."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml", ".json") and file.is_file())


def _counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def documents(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, those of a List one by one; ``BadInput`` when it is not YAML."""
    try:
        documents = list(yaml.safe_load_all(text_of(file)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise BadInput(f"{file} is not YAML{place}: {getattr(error, 'problem', None) or error}") from None
    for document in documents:
        if isinstance(document, dict):
            items = document.get("items")
            yield from (i for i in items if isinstance(i, dict)) if isinstance(items, list) else [document]


def _problems(body: dict[str, Any]) -> Iterator[str]:
    kind = _SPECS.get(str(body.get("kind")))
    if body["apiVersion"] != API_VERSION or kind is None:
        yield f"there is no kind {body.get('kind')} in {body['apiVersion']}; there are {', '.join(_SPECS)}"
        return
    try:
        spec = kind.model_validate(body.get("spec") or {})
    except ValidationError as error:
        yield from (_sentence(dict(problem)) for problem in error.errors())
        return
    yield from _unknown_fields(body.get("spec") or {}, spec)
    yield from _refused(body)
    for attempt in _attempts(spec):
        try:
            attempt()
        except OpsSightError as error:
            yield str(error)


def _refused(body: dict[str, Any]) -> list[str]:
    """What the API server would say: its schema and the CEL rules."""
    from .admission import complaints

    return complaints({"metadata": {}, **body}, _schema(body["kind"]))


@cache
def _schema(kind: str) -> dict[str, Any]:
    return root_schema(kind_of(kind))


def _attempts(spec: Spec) -> Iterator[Callable[[], object]]:
    """Everything that can be refused without data, as functions that raise."""
    settings = Settings()
    if isinstance(spec, AnomalyDetectorSpec):
        yield partial(detector_for, spec)
        yield partial(detector_windows, spec, 0.0, (), settings)
        for query in spec.queries:
            yield partial(policy_for, query)
            yield partial(check_promql, query.expr)
            if query.volume is not None:
                yield partial(check_promql, query.volume.expr)
    elif isinstance(spec, ThresholdPolicySpec):
        yield partial(estimator_for, spec)
        yield partial(guards_for, spec)
        yield partial(history_window, spec, 0.0, settings)
        yield partial(check_time_zone, spec.alert.time_zone)
        yield partial(check_promql, spec.expr)
        if spec.delivery.mode == "Render":
            yield partial(check_render, spec, {})
    elif isinstance(spec, PatternReportSpec):
        yield partial(cron_of, spec)
        yield partial(zone_named, spec.schedule.time_zone)
        if spec.read.alerts is not None:
            yield partial(alerts_expression, spec.read.alerts)


def _unknown_fields(given: Any, known: Any, path: str = "spec") -> Iterator[str]:
    """Fields that the API server would drop without a word: most often a typo."""
    if isinstance(given, list) and isinstance(known, list):
        for place, (item, kept) in enumerate(zip(given, known, strict=False)):
            yield from _unknown_fields(item, kept, f"{path}[{place}]")
    if not (isinstance(given, dict) and isinstance(known, BaseModel)):
        return
    fields = {info.alias or name: name for name, info in type(known).model_fields.items()}
    for name, value in given.items():
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{path}.{name} is no field{hint}"
        else:
            yield from _unknown_fields(value, getattr(known, fields[name]), f"{path}.{name}")


def _sentence(problem: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    return f"spec.{place}: {str(problem['msg']).removeprefix('Value error, ')}"
