"""The options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXIT_FINDINGS = 1
EXIT_BAD_INPUT = 2

# A negative number looks like an option; unknown options are taken as values and refused there by name.
VALUES = {"ignore_unknown_options": True}


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class PageFormat(StrEnum):
    """How an answer with plots is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    HTML = "html"


class Bound(StrEnum):
    """Which side of normal is bad."""

    UPPER = "Upper"
    LOWER = "Lower"


class Direction(StrEnum):
    """Which deviations count."""

    ABOVE = "Above"
    BELOW = "Below"
    BOTH = "Both"


Values = Annotated[
    list[str] | None, typer.Argument(help="Numbers; nan is a missing sample. Without any they are read from stdin.")
]
CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="A CSV file with a header; - is stdin.")]
ParquetFile = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="A Parquet file.")]
Column = Annotated[
    str | None, typer.Option(help="The column of the CSV or Parquet file; needed when several have numbers.")
]
TimeColumn = Annotated[str | None, typer.Option(help="The column of the file that holds the times.")]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="A JSON list, an object of lists by name, or a saved range query."),
]
PrometheusUrl = Annotated[
    str | None, typer.Option("--prometheus", metavar="URL", help="Ask this Prometheus; without /api/v1.")
]
Query = Annotated[str | None, typer.Option(help="The PromQL query whose series are read from Prometheus.")]
Last = Annotated[str, typer.Option(help="How far back to read from Prometheus.")]
Resolution = Annotated[
    str | None, typer.Option("--step", help="Time between two samples; of Prometheus 1m if not given.")
]
TokenFile = Annotated[Path | None, typer.Option(metavar="FILE", help="A file with the bearer token for Prometheus.")]
CaFile = Annotated[Path | None, typer.Option(metavar="FILE", help="The PEM certificates to trust for https.")]
MaxSeries = Annotated[int, typer.Option(help="How many series Prometheus may answer with.")]

MethodName = Annotated[str, typer.Option("--method", help="The method; `opssight methods` lists them.")]
Sensitivity = Annotated[
    str | None, typer.Option(help="How many deviations are normal, or Low, Medium, High, as the method has it.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Another parameter of the method or estimator; repeat."),
]
Deviations = Annotated[Direction, typer.Option("--direction", help="Which deviations count.", case_sensitive=False)]
BadSide = Annotated[Bound, typer.Option("--bound", help="Which side is bad.", case_sensitive=False)]
Output = Annotated[Format, typer.Option("--output", "-o", help="How the answer is written.", case_sensitive=False)]
PageOutput = Annotated[
    PageFormat, typer.Option("--output", "-o", help="How the answer is written.", case_sensitive=False)
]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when something is found.")]


def settings(parameters: list[str] | None, sensitivity: str | None) -> list[str]:
    """What ``--set`` was given, with ``--sensitivity`` as one of them."""
    return [*(parameters or []), *([] if sensitivity is None else [f"sensitivity={sensitivity}"])]
