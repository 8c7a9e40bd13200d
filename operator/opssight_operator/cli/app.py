"""The table of commands. What they compute with is imported when they run, so that each starts in a moment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from .backtest import backtest
from .completion import COMPLETE, completion
from .detect import detect, explain, methods
from .diff import diff
from .errors import BadInput
from .inputs import reads_input
from .options import EXIT_BAD_INPUT, EXIT_FINDINGS, VALUES
from .patterns import patterns
from .reports import reports
from .serve import serve
from .thresholds import thresholds

app = typer.Typer(
    name="opssight",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,  # the command of that name prints it
)


def _print_version(asked: bool) -> None:
    if asked:
        from opssight_operator import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Anomalies and alert thresholds, by the same engine as the operator's and without a cluster."""


app.command(context_settings=VALUES)(reads_input(detect))
app.command(context_settings=VALUES)(reads_input(explain))
app.command(context_settings=VALUES)(reads_input(thresholds, last="14d"))
app.command(context_settings=VALUES)(reads_input(backtest, last="14d"))
app.command()(patterns)
app.command()(methods)


@app.command()
def validate(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Manifests in YAML or JSON, or folders of them; - is stdin."),
    ],
) -> None:
    """Check manifests of OpsSight's kinds offline: fields, rules, windows, methods and PromQL.

    \b
    opssight validate examples/*.yaml
    opssight validate production/

    Exits with 0 when all are good, with 1 when some are not, and with 2 when a file cannot be read.
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
app.command()(completion)


@app.command()
def version() -> None:
    """Print the version."""
    from opssight_operator import __version__

    typer.echo(__version__)


def run() -> None:
    """Run the command of ``sys.argv`` and exit."""
    if COMPLETE in os.environ:  # a shell asks what could come next
        from typer._completion_classes import completion_init

        completion_init()
    try:
        app()
    except BadInput as error:
        typer.echo(f"opssight: {error}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    except BrokenPipeError:  # the reader of our output has had enough
        sys.stderr.close()
        sys.exit(0)
