"""The command ``opssight patterns``; what it works with is imported when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import options as o


class ReportFormat(StrEnum):
    """How a report is written."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"


def patterns(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table of incidents: CSV, JSON, JSON lines or Parquet; - is stdin.")
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=COLUMN", help="The column of a field, where it has an unusual name."),
    ] = None,
    lookback: Annotated[str, typer.Option(help="How long the window is; older incidents are history.")] = "24h",
    end: Annotated[str | None, typer.Option(help="When the window ends; now if not given.")] = None,
    time_zone: Annotated[str, typer.Option(help="Zone of the report, and of times without an offset.")] = "UTC",
    section: Annotated[list[str] | None, typer.Option(help="Only this section; repeat.")] = None,
    level: Annotated[float, typer.Option(help="The chance of any false claim on data without patterns.")] = 0.05,
    title: Annotated[str, typer.Option(help="The title.")] = "Pattern report",
    previous: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The JSON of the report before, to compare with.")
    ] = None,
    exit_code: o.ExitCode = False,
    output: Annotated[
        ReportFormat, typer.Option("--output", "-o", help="How the report is written.", case_sensitive=False)
    ] = ReportFormat.MARKDOWN,
) -> None:
    """Tell what a table of incidents has in common: types, hours, trends, error patterns, what comes together.

    \b
    opssight patterns incidents.csv
    opssight patterns incidents.csv --column severity=prio --column message=text --time-zone Europe/Berlin
    opssight patterns incidents.json --lookback 7d -o html > report.html

    Only a start is needed; other columns are found by their usual names.
    Exits with 0, with 1 when there are highlights and --exit-code was given, and with 2 when the input is bad.
    """
    from . import reporting

    asked = reporting.Asked(lookback, end, time_zone, title, tuple(section or ()), level, 1, previous)
    report, zone = reporting.from_table(file, columns or [], asked, until_now=True)
    typer.echo(reporting.text_of(report, zone, output.value), nl=False)
    if exit_code and report.highlights:
        raise typer.Exit(o.EXIT_FINDINGS)
