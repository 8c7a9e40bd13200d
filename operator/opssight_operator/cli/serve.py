"""``opssight serve``: the engine over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import BadInput

Option = typer.Option


def serve(
    host: Annotated[str | None, Option(help="Where to listen.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, Option(help="Where to listen; 0 is any free port.", show_default="8090")] = None,
    token_file: Annotated[
        Path | None, Option(metavar="FILE", help="Bearer tokens, one a line; read again when the file changes.")
    ] = None,
    open_metrics: Annotated[
        bool | None, Option("--open-metrics/--no-open-metrics", help="/metrics needs no token.", show_default="no")
    ] = None,
    tls_certificate: Annotated[Path | None, Option(metavar="FILE", help="Speak HTTPS; needs --tls-key.")] = None,
    tls_key: Annotated[Path | None, Option(metavar="FILE", help="The key of --tls-certificate.")] = None,
    workers: Annotated[int | None, Option(help="Processes that compute.", show_default="one for each CPU")] = None,
    max_body_bytes: Annotated[int | None, Option(help="Of one request.", show_default="33554432")] = None,
    max_points: Annotated[int | None, Option(help="Numbers or rows of one request.", show_default="1000000")] = None,
    max_series: Annotated[int | None, Option(help="Lists of one request.", show_default="10000")] = None,
    max_body_seconds: Annotated[float | None, Option(help="Until a body has arrived.", show_default="20")] = None,
    max_seconds: Annotated[float | None, Option(help="From there until the answer.", show_default="30")] = None,
    max_concurrent: Annotated[int | None, Option(help="Requests at a time; others get 429.", show_default="16")] = None,
    log_format: Annotated[str | None, Option(help="json or text.", show_default="json")] = None,
    log_level: Annotated[str | None, Option(help="DEBUG, INFO, WARNING or ERROR.", show_default="INFO")] = None,
) -> None:
    """Answer over HTTP: anomalies, thresholds and patterns, by the same engine.

    \b
    opssight serve
    opssight serve --host 0.0.0.0 --token-file /etc/opssight/tokens
    curl --json '{"values": [10, 12, 11, 50, 13, 12]}' localhost:8090/v1/detect_anomalies

    Every option is also a variable of the environment: --max-points is OPSSIGHT_SERVE_MAX_POINTS. There are a few more
    variables, see docs/serving.md. Exits with 0 after SIGTERM or Ctrl-C, and with 2 when it cannot start.
    """
    flags: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value for name, value in locals().items() if value is not None
    }
    from opssight_operator.serving.server import CannotServe, run
    from opssight_operator.serving.settings import ServeSettings

    try:
        run(ServeSettings.from_environment(os.environ, **flags))
    except (ValueError, CannotServe) as error:
        raise BadInput(str(error)) from None
