"""The paths of the server."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse

from .. import __version__
from .answering import OPERATIONS
from .catalogue import catalogue
from .description import openapi, operation_request, operation_responses, problems, security
from .gate import OPEN, Gate, problem_response
from .intake import Intake
from .pages import page
from .problems import Problem, Refused
from .settings import ServeSettings
from .telemetry import ServeTelemetry
from .tokens import TokenFile

DESCRIPTION = (
    "The engine of the OpsSight operator over HTTP: anomalies in lists of values, thresholds from history, "
    "patterns in incidents. Answers are those of the command line. Whatever goes wrong is told as problem "
    "details (RFC 9457) that name the field, the value and what is allowed."
)
SUMMARIES = {
    "detect_anomalies": "The anomalies in lists of values",
    "find_patterns": "A report on a table of incidents",
    "optimize_thresholds": "An alert threshold from the history of each metric",
    "backtest": "The alerts that a method or a threshold would have raised over a history",
}


def application(
    settings: ServeSettings,
    intake: Intake,
    telemetry: ServeTelemetry,
    tokens: TokenFile | None,
    ready: Callable[[], str],
) -> Gate:
    """The ASGI application; ``ready`` says what is wrong, or nothing when requests can be answered."""
    secured = tokens is not None
    app = FastAPI(
        title="OpsSight", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None, openapi_url=None
    )
    for operation in OPERATIONS:
        app.add_api_route(
            f"/v1/{operation}",
            _endpoint(intake, operation),
            methods=["POST"],
            operation_id=operation,
            summary=SUMMARIES[operation],
            response_class=Response,
            responses=operation_responses(operation, secured=secured),
            openapi_extra={**operation_request(operation), **security(secured)},
        )
    _add_reading(app, settings, telemetry, ready, secured=secured)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Refused, _refused)
    open_paths = OPEN | ({"/metrics"} if settings.open_metrics else set())
    known = frozenset(route.path for route in app.routes if hasattr(route, "path"))
    return Gate(app, tokens=tokens, telemetry=telemetry, open_paths=open_paths, known=known)


def _endpoint(intake: Intake, operation: str) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        status, body = await intake.answer(request, operation)
        kind = "application/json" if status == HTTPStatus.OK else "application/problem+json"
        return Response(body, status, media_type=kind)

    endpoint.__doc__ = OPERATIONS[operation].__doc__
    return endpoint


def _add_reading(
    app: FastAPI, settings: ServeSettings, telemetry: ServeTelemetry, ready: Callable[[], str], *, secured: bool
) -> None:
    methods = catalogue(settings)

    async def list_methods() -> Response:
        """Methods, estimators and sections with their parameters, and the limits of the server."""
        return JSONResponse(methods)

    async def healthz() -> Response:
        """Whether the server turns."""
        return JSONResponse({"status": "ok"})

    async def readyz() -> Response:
        """Whether it can answer requests."""
        why = ready()
        if why:
            raise Refused(Problem(503, "not-ready", why))
        return JSONResponse({"status": "ready"})

    async def metrics() -> Response:
        """What the server counts, as Prometheus reads it."""
        text, kind = telemetry.exposition()
        return Response(text, headers={"content-type": kind})

    async def openapi_json() -> Response:
        return JSONResponse(document)

    async def docs() -> Response:
        return HTMLResponse(documentation)

    unauthorized = problems(401) if secured else {}
    schema = {"$ref": "#/components/schemas/Methods"}
    listed = {"description": "What there is.", "content": {"application/json": {"schema": schema}}}
    text = {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    status = {
        "type": "object",
        "properties": {"status": {"type": "string"}},
        "required": ["status"],
    }
    well = {"description": "Yes.", "content": {"application/json": {"schema": status}}}
    metrics_secured = secured and not settings.open_metrics

    def get(path: str, function: Callable[[], Any], responses: dict[int | str, dict[str, Any]], **more: Any) -> None:
        app.add_api_route(
            path, function, methods=["GET"], response_class=Response, responses=responses,
            operation_id=function.__name__, **more,
        )  # fmt: skip

    get("/v1/methods", list_methods, {200: listed, **unauthorized}, openapi_extra=security(secured))
    get("/healthz", healthz, {200: well})
    get("/readyz", readyz, {200: well, **problems(503)})
    get(
        "/metrics",
        metrics,
        {200: text, **(problems(401) if metrics_secured else {})},
        openapi_extra=security(metrics_secured),
    )
    document = openapi(app, secured=secured)
    documentation = page(document)
    get("/openapi.json", openapi_json, {}, include_in_schema=False)
    get("/docs", docs, {}, include_in_schema=False)


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return problem_response(refused.problem, request.scope["request_id"])


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        problem = Problem(404, "no-such-path", "there is nothing at this path; see /docs")
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"the method is {request.method[:20]!r}; it must be {allowed or 'another one'}"
        problem = Problem(405, "method", detail, headers=(("allow", allowed),))
    else:
        problem = Problem(error.status_code, "http", str(error.detail))
    return problem_response(problem, request.scope["request_id"])
