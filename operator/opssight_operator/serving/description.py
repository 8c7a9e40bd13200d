"""The published OpenAPI document. Bodies are read by the workers, so that FastAPI knows nothing of them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from opssight_detectors.patterns.schema import report_schema

from .problems import MEDIA_TYPE
from .replies import AllDetections, Backtest, Detection, Methods, NamedDetections, ProblemDetails, Thresholds
from .requests import BacktestRequest, DetectAnomalies, FindPatterns, History, OptimizeThresholds

_PREFIX = "#/components/schemas/"
_MODELS = (
    BacktestRequest, DetectAnomalies, FindPatterns, History, OptimizeThresholds,
    AllDetections, Backtest, Detection, NamedDetections, Thresholds, Methods, ProblemDetails,
)  # fmt: skip
_PROBLEMS = {
    400: "The body is not JSON, or does not follow the schema.",
    401: "The bearer token is missing or wrong.",
    408: "The body did not arrive in time.",
    413: "The body, or what it asks for, is larger than the server allows.",
    415: "The content type is not application/json, or the body is encoded.",
    422: "The body follows the schema and yet cannot be answered, as when fields do not go together.",
    429: "The server is busy; try again.",
    500: "The server has made a mistake.",
    503: "There was no answer in time, or the server is not ready.",
}
REQUESTS: dict[str, tuple[type, ...]] = {
    "detect_anomalies": (DetectAnomalies,),
    "find_patterns": (FindPatterns,),
    "optimize_thresholds": (OptimizeThresholds, History),
    "backtest": (BacktestRequest,),
}
REPLIES: dict[str, tuple[str, ...]] = {
    "detect_anomalies": ("Detection", "NamedDetections", "AllDetections"),
    "find_patterns": ("PatternReport",),
    "optimize_thresholds": ("Thresholds",),
    "backtest": ("Backtest",),
}


def operation_responses(operation: str, *, secured: bool) -> dict[int | str, dict[str, Any]]:
    """All answers of an operation of the engine."""
    ok = {"description": "The answer.", "content": {"application/json": {"schema": _any_of(REPLIES[operation])}}}
    return {200: ok, **problems(400, *([401] if secured else []), 408, 413, 415, 422, 429, 500, 503)}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem details under these numbers."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{_PREFIX}ProblemDetails"}}}
    return {status: {"description": _PROBLEMS[status], "content": content} for status in statuses}


def operation_request(operation: str) -> dict[str, Any]:
    """The body of an operation, and an example of it."""
    models = REQUESTS[operation]
    example = models[-1].model_config["json_schema_extra"]["examples"][0]  # type: ignore[attr-defined]
    schema = _any_of(tuple(model.__name__ for model in models))
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}},
    }


def security(secured: bool) -> dict[str, Any]:
    """Of an operation that needs a token, if the server has any."""
    return {"security": [{"bearer": []}]} if secured else {}


def openapi(app: FastAPI, *, secured: bool) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    _, named = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_PREFIX + "{model}")
    schemas = {**named["$defs"], **_report_schemas()}
    document["components"] = {"schemas": dict(sorted(schemas.items()))}
    if secured:
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return document


def _any_of(names: tuple[str, ...]) -> dict[str, Any]:
    references = [{"$ref": _PREFIX + name} for name in names]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _report_schemas() -> dict[str, Any]:
    """The schema of a report, with its parts as components."""
    schema = report_schema()
    parts = schema.pop("$defs")
    for key in ("$schema", "$id"):
        schema.pop(key)
    named = {"PatternReport": schema, **{f"PatternReport.{name}": part for name, part in parts.items()}}
    return {name: _moved(part) for name, part in named.items()}


def _moved(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: f"{_PREFIX}PatternReport.{value.removeprefix('#/$defs/')}" if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(item) for item in schema] if isinstance(schema, list) else schema
