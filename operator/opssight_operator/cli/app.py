"""The commands. What they compute with is imported when they run, so that each starts in a fraction of a second."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .diff import diff
from .errors import BadInput
from .reports import reports
from .serve import serve

EXIT_FINDINGS = 1
EXIT_BAD_INPUT = 2

app = typer.Typer(
    name="opssight",
    help="Anomalies and alert thresholds, by the same engine as the operator's and without a cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# A negative number looks like an option; unknown options are taken as values and refused there by name.
_VALUES = {"ignore_unknown_options": True}


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


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
Column = Annotated[str | None, typer.Option(help="The column of the CSV file; needed when several have numbers.")]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="A JSON list, an object of lists by name, or a saved range query."),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How the answer is written.", case_sensitive=False)]


@app.command(context_settings=_VALUES)
def detect(
    values: Values = None,
    csv: CsvFile = None,
    column: Column = None,
    json: JsonFile = None,
    method: Annotated[str, typer.Option(help="The method; `opssight methods` lists them.")] = "ZScore",
    sensitivity: Annotated[
        str | None, typer.Option(help="How many deviations are normal, or Low, Medium, High, as the method has it.")
    ] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another parameter of the method; repeat.")
    ] = None,
    direction: Annotated[
        Direction, typer.Option(help="Which deviations count.", case_sensitive=False)
    ] = Direction.BOTH,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when there are anomalies.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Find the anomalies in lists of numbers; each list is its own baseline.

    \b
    opssight detect 10 12 11 50 13 12
    opssight detect -1 2 0 -40 1 0 -o json
    opssight detect --csv latency.csv --column p99 --method RobustZScore --sensitivity 4
    opssight detect --csv latency.csv --column p99 --method Shewhart --set rules=NineOnASide,SixTrending
    kubectl ... | opssight detect --exit-code

    Exits with 0, with 1 when there are anomalies and --exit-code was given, and with 2 when the input is bad.
    """
    from . import detection, reading, writing

    series = reading.series(values or [], csv=csv, column=column, json=json)
    given = [*(parameters or []), *([] if sensitivity is None else [f"sensitivity={sensitivity}"])]
    found = detection.detect(series, method=method, given=given, direction=direction.value)
    for note in found.notes:
        typer.echo(note, err=True)
    typer.echo(writing.written(output.value, found.plain, found.table))
    if exit_code and found.anomalies:
        raise typer.Exit(EXIT_FINDINGS)


@app.command()
def methods(output: Output = Format.TABLE) -> None:
    """List the methods with their parameters, defaults and limits.

    \b
    opssight methods
    opssight methods -o json
    """
    from . import method_list, writing

    typer.echo(writing.written(output.value, method_list.plain(), method_list.text()))


@app.command(context_settings=_VALUES)
def thresholds(
    values: Values = None,
    csv: CsvFile = None,
    column: Column = None,
    json: JsonFile = None,
    percentile: Annotated[float, typer.Option(help="The share of samples on the good side, in percent.")] = 95.0,
    margin: Annotated[float, typer.Option(help="Added away from normal, as a fraction: 0.1 is 10 %.")] = 0.0,
    bound: Annotated[Bound, typer.Option(help="Which side is bad.", case_sensitive=False)] = Bound.UPPER,
    step: Annotated[str | None, typer.Option(help="Time between two numbers; simulates the alerts over them.")] = None,
    alert_for: Annotated[str, typer.Option("--for", help="How long the alert waits before it fires.")] = "5m",
    keep_firing_for: Annotated[str, typer.Option(help="How long it fires on afterwards.")] = "0s",
    current: Annotated[float | None, typer.Option(help="The threshold of today, to be simulated too.")] = None,
    start: Annotated[str | None, typer.Option(help="Time of the first number, to tell the night.")] = None,
    time_zone: Annotated[str, typer.Option(help="Time zone in which night is 22:00 to 06:00.")] = "UTC",
    output: Output = Format.TABLE,
) -> None:
    """Learn an alert threshold from each list of numbers: its 95th percentile.

    \b
    opssight thresholds 70 75 72 80 85
    opssight thresholds --csv cpu.csv --step 1m --for 5m --current 80
    echo '{"cpu_utilization": [70, 75, 72, 80, 85], "error_rate": [2, 3, 2.5, 4, 3]}' | opssight thresholds -o json

    Exits with 0, and with 2 when the input is bad.
    """
    from . import learning, reading, writing

    series = reading.series(values or [], csv=csv, column=column, json=json)
    learned = learning.learn(series, percentile=percentile, margin=margin, bound=bound.value)
    if step is not None:
        from .simulating import AlertOptions

        rule = AlertOptions(step, alert_for, keep_firing_for, start, time_zone, current, bound.value)
        learned = learning.with_simulation(learned, series, rule)
    for note in learned.notes:
        typer.echo(note, err=True)
    typer.echo(writing.written(output.value, learned.plain, learned.table))


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Manifests in YAML or JSON; - is stdin.")],
) -> None:
    """Check manifests of OpsSight's kinds offline: fields, windows, methods and PromQL.

    \b
    opssight validate examples/*.yaml

    Exits with 0 when all are good, with 1 when some are not, and with 2 when a file cannot be read.
    The API server checks a little more when they are applied.
    """
    from . import manifests

    checked = manifests.check(files)
    for line in checked.lines:
        typer.echo(line)
    if checked.problems:
        raise typer.Exit(EXIT_FINDINGS)


app.command()(diff)
app.command()(serve)
app.add_typer(reports)


@app.command()
def version() -> None:
    """Print the version."""
    from opssight_operator import __version__

    typer.echo(__version__)


def run() -> None:
    """Run the command of ``sys.argv`` and exit."""
    try:
        app()
    except BadInput as error:
        typer.echo(f"opssight: {error}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    except BrokenPipeError:  # the reader of our output has had enough
        sys.stderr.close()
        sys.exit(0)
